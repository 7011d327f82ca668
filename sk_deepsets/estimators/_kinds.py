"""The default kinds of members of an ensemble, the number of members, and what they learn from the data first.

Chosen by examples/benchmarks/quality.py: each row of the table pays on some kind of data, and which row pays is found
in training, out of fold.
"""

import numpy as np
import torch

from sk_deepsets.estimators._scaling import mean_and_scale
from sk_deepsets.nn import Columns, Scalings, Standardize, Statistics, Variant
from sk_deepsets.training import SetBatches, SetDataset

KINDS = (
    Variant(("intervals",), ("clipped",), dropout=0.3),
    # a hundred sets with hundreds of features need less: no statistics, and less confident classes
    Variant(("standard",), dropout=0.3, label_smoothing=0.1),
    # targets without noise need no dropout, and some are sums over the elements
    Variant(("clipped", "intervals"), ("clipped", "quantiles"), sums=True),
    Variant(("quantiles",), ("clipped", "quantiles"), dropout=0.3),
)
# Scalings are learned from so many elements at most.
ENOUGH_ELEMENTS = 50_000
# Statistics are computed in float64 from values of about 1: sums of up to a million of them are right to this.
RESOLUTION = 2.0**-30


def layout(n_members, n_sets, n_elements):
    """The kinds that there are, and how many members of each.

    Parameters
    ----------
    n_members : int or "auto"
    n_sets : int
        To train on; of sets in groups, the number of groups.
    n_elements : int
    """
    if n_members == "auto":
        if n_elements >= 1_000_000:  # the two that are taken with many sets
            return KINDS[::2], min(3, n_sets)
        few = n_sets < 5_000 and n_elements < 50_000
        return KINDS, min(5 if few else 4, n_sets)
    # folds count more than kinds: as many kinds as there can be with four members each
    n_kinds = next((n for n in range(len(KINDS), 1, -1) if n_members % n == 0 and n_members >= 4 * n), 1)
    return KINDS[:n_kinds], n_members // n_kinds


def adapted(kinds, *, dropout, pool_type, additive, standardize):
    """The kinds, with the user's parameters for all members.

    Parameters
    ----------
    kinds : sequence of Kind
    dropout, pool_type, standardize
        As in the estimators.
    additive : bool
        Whether the pool is a sum and rho linear. Then dropout, which shrinks the sum by the more the larger it is
        (from sets of 1 to 10 digits to sets of 80: error 35 of 360, and 0.5 without it), is 0 by default.
    """
    if dropout == "auto" and additive:
        dropout = 0.0
    if dropout != "auto":
        kinds = [kind._replace(dropout=dropout) for kind in kinds]
    if pool_type != "auto":  # the pool that the user names is all that a member knows of a set
        kinds = [kind._replace(sums=False, statistics=()) for kind in kinds]
    if not standardize:
        kinds = [
            kind._replace(elements=("standard",), statistics=("standard",) * bool(kind.statistics)) for kind in kinds
        ]
    return tuple(kinds)


def learn_columns(table, n_categories, weight, names, standardize, resolution=0.0):
    """The scalings of a table of numbers and codes, learned from the rows with a weight.

    Parameters
    ----------
    table : ndarray of shape (n_rows, n_columns)
    n_categories : list of int
        Of the columns of codes, which are the last.
    weight : ndarray of shape (n_rows,) or None
    names : set of str
        Which scalings.
    standardize : bool
    resolution : float, default=0.0
        See :class:`Scalings`.
    """
    n_numbers = table.shape[1] - len(n_categories)
    numbers = table[:, :n_numbers]
    mean, scale = np.zeros(n_numbers), np.ones(n_numbers)
    if standardize:
        mean, scale = mean_and_scale(numbers, weight, resolution)
    rows = np.arange(len(table)) if weight is None or not weight.any() else np.flatnonzero(weight)
    rows = rows[:: -(-len(rows) // ENOUGH_ELEMENTS)]
    scalings = Scalings(
        torch.from_numpy(np.ascontiguousarray(numbers[rows])),
        Standardize(torch.from_numpy(mean), torch.from_numpy(scale)),
        names,
        resolution,
    )
    return Columns(scalings, n_numbers, n_categories)


def learn_inputs(kinds, sets, encoder, weight, standardize):
    """The arguments of an ensemble that depend on the data: scalings of elements, of statistics and of the context."""
    of_elements = None if weight is None else weight[sets.segments]
    names = {name for kind in kinds for name in kind.elements}
    elements = learn_columns(sets.elements, encoder.n_categories, of_elements, names, standardize)
    units = elements.scalings.robust if standardize else elements.scalings.standardize
    statistics = Statistics(units, elements.n_numbers)
    names = {name for kind in kinds for name in kind.statistics} or {"standard"}
    batches = SetBatches(SetDataset(sets), 1, max_elements=65_536)
    table = torch.cat([statistics(batch.packed) for batch, _ in batches]).numpy()
    found = {
        "elements": elements,
        "statistics": statistics,
        "statistic_columns": learn_columns(table, [], weight, names, standardize, RESOLUTION),
    }
    if sets.context is not None:
        names = {"clipped" if standardize else "standard"}
        found["context"] = learn_columns(sets.context, encoder.n_context_categories, weight, names, standardize)
    return found
