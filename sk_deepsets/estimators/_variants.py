"""The variants of members in an ensemble, and how many members there are of each.

Chosen by examples/benchmarks/quality.py: each variant pays on some sort of data, and which one pays is found in
training, out of fold.
"""

from typing import NamedTuple

from sk_deepsets.nn import Variant

INTERVALS = Variant(("intervals",), ("clipped",), dropout=0.3)
# a hundred sets with hundreds of features need less: no statistics, and less confident classes
STANDARD = Variant(("standard",), dropout=0.3, label_smoothing=0.1)
# targets without noise need no dropout, and some are sums over the elements
SUMS = Variant(("clipped", "intervals"), ("clipped", "quantiles"), sums=True)
QUANTILES = Variant(("quantiles",), ("clipped", "quantiles"), dropout=0.3)

# By their number; with many elements, the two that are chosen there.
VARIANTS = {
    4: (INTERVALS, STANDARD, SUMS, QUANTILES),
    3: (INTERVALS, STANDARD, SUMS),
    2: (INTERVALS, STANDARD),
    1: (INTERVALS,),
}
WITH_MANY_ELEMENTS = (INTERVALS, SUMS)


class Layout(NamedTuple):
    """The members of a model."""

    variants: tuple[Variant, ...] = VARIANTS[1]
    n_folds: int = 1
    """How many members there are of each variant, each of which holds out one fold; 1: a single net"""


SINGLE_NET = Layout()


def layout(n_members, n_sets, n_elements):
    """The variants that there are, and how many members of each.

    Parameters
    ----------
    n_members : int or "auto"
    n_sets : int
        To train on; of sets in groups, the number of groups.
    n_elements : int
    """
    if n_members == "auto":
        if n_elements >= 1_000_000:
            return Layout(WITH_MANY_ELEMENTS, min(3, n_sets))
        few = n_sets < 5_000 and n_elements < 50_000
        return Layout(VARIANTS[4], min(5 if few else 4, n_sets))
    # folds count more than variants: as many variants as there can be with four members each
    n_variants = next((n for n in (4, 3, 2) if n_members % n == 0 and n_members >= 4 * n), 1)
    return Layout(VARIANTS[n_variants], n_members // n_variants)


def equivariant_widths(hidden_dims, n_folds):
    """The widths between equivariant layers: in an ensemble, half of those of one net are as accurate, and faster."""
    if not isinstance(hidden_dims, str):
        return hidden_dims
    return (64, 64) if n_folds == 1 else (32, 32)


def adapted(variants, *, dropout, standardize, pool_type="auto", additive=False):
    """The variants, with the user's parameters for all members.

    Parameters
    ----------
    variants : sequence of Variant
    dropout, pool_type, standardize
        As in the estimators.
    additive : bool
        Whether the pool is a sum and rho linear. Then dropout, which shrinks the sum by the more the larger it is
        (from sets of 1 to 10 digits to sets of 80: error 35 of 360, and 0.5 without it), is 0 by default.
    """
    if dropout == "auto" and additive:
        dropout = 0.0
    if dropout != "auto":
        variants = [variant._replace(dropout=dropout) for variant in variants]
    if pool_type != "auto":  # the pool that the user names is all that a member knows of a set
        variants = [variant._replace(sums=False, statistics=()) for variant in variants]
    if not standardize:
        variants = [
            variant._replace(elements=("standard",), statistics=("standard",) * bool(variant.statistics))
            for variant in variants
        ]
    return tuple(variants)
