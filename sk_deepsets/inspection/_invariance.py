"""check_invariance: whether predictions depend on the order of the elements, on the batch or on padding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import check_random_state

from sk_deepsets.inspection._answers import answers, last_step, like, of_elements, of_made_up_sets, read_sets, regroup
from sk_deepsets.sets import RaggedSets

# Sets that are predicted one at a time.
ALONE = 20
# The changes that no answer should depend on.
SHOULD_BE_NONE = ("shuffled_elements", "other_batches", "more_padding", "other_dtypes")


@dataclass(frozen=True)
class InvarianceReport:
    """The largest changes of an estimator's predictions under changes of the sets.

    Changes of probabilities are absolute; changes of values are relative to the largest absolute value.

    Parameters
    ----------
    shuffled_elements : float
        The elements of each set in another order.
    other_batches : float
        The sets in reverse order, and some of them alone.
    more_padding : float
        Each set beside one that is twice as large as any, which makes an estimator that pads add padding.
    other_dtypes : float
        The elements in float32 and in float64, with the same values.
    duplicated_elements : float
        Each element twice. This changes sums and the size of the set, but not means and maxima; it is for information
        only.
    tolerance : float
        Largest change that counts as rounding.
    """

    shuffled_elements: float
    other_batches: float
    more_padding: float
    other_dtypes: float
    duplicated_elements: float
    tolerance: float

    @property
    def is_invariant(self) -> bool:
        """Whether neither the order of the elements, nor the batch, the padding or the dtype changes an answer."""
        return max(getattr(self, name) for name in SHOULD_BE_NONE) <= self.tolerance

    def __repr__(self) -> str:
        lines = [f"Largest change of an answer ({self.tolerance:g} is taken for rounding)"]
        for name in SHOULD_BE_NONE:
            change = getattr(self, name)
            lines.append(f"  {_words(name)}{change:.1e}  {'same' if change <= self.tolerance else 'CHANGES'}")
        change = self.duplicated_elements
        seen = "multiplicity is not seen" if change <= self.tolerance else "multiplicity is seen, as by sums and sizes"
        return "\n".join([*lines, f"  {_words('duplicated_elements')}{change:.1e}  {seen}"])


def check_invariance(estimator: Any, X: Any, *, tolerance: float = 1e-4, random_state: Any = 0) -> InvarianceReport:
    """Check that predictions do not depend on the order of the elements, on the batch, on padding or on the dtype.

    For any estimator of sets: a pipeline, or one with a ``module`` of your own. Of an estimator with one answer per
    element, the answers move along with the elements.

    Parameters
    ----------
    estimator : estimator
        Fitted.
    X : sets
        Any form that :func:`check_sets` takes; some dozens of sets are enough.
    tolerance : float, default=1e-4
        Largest change that counts as rounding.
    random_state : int, RandomState instance or None, default=0
        Controls how the elements are shuffled.

    Returns
    -------
    InvarianceReport

    Examples
    --------
    >>> import numpy as np
    >>> from sk_deepsets import DeepSetsClassifier
    >>> from sk_deepsets.inspection import check_invariance
    >>> rng = np.random.default_rng(0)
    >>> sets = [rng.normal(size=(size, 3)) for size in rng.integers(1, 20, 100)]
    >>> y = [int(one_set.max() > 2) for one_set in sets]
    >>> clf = DeepSetsClassifier(max_epochs=5, random_state=0).fit(sets, y)
    >>> report = check_invariance(clf, sets)
    >>> report.is_invariant
    True
    """
    sets = read_sets(X)
    changes = _Changes(estimator, X, sets)
    numbers, rows = np.arange(len(sets)), np.arange(len(sets.elements))
    shuffled = np.lexsort((check_random_state(random_state).random_sample(len(rows)), sets.segments))
    filled = numbers[sets.sizes > 0]  # a batch without any element is no matter of invariance
    batches = [numbers[::-1], *filled[:: -(-len(numbers) // ALONE), None]]
    return InvarianceReport(
        shuffled_elements=changes.of(numbers, sets.sizes, shuffled),
        other_batches=max(changes.of(batch, sets.sizes[batch], _rows_of(sets, batch)) for batch in batches),
        more_padding=changes.beside_large_sets(getattr(last_step(estimator), "max_set_size", None)),
        other_dtypes=changes.in_other_dtypes(),
        duplicated_elements=changes.of(numbers, 2 * sets.sizes, np.repeat(rows, 2)),
        tolerance=tolerance,
    )


class _Changes:
    """How much the answers for sets change when these are put together in other ways."""

    def __init__(self, estimator: Any, X: Any, sets: RaggedSets) -> None:
        self.estimator, self.X, self.sets = estimator, X, sets
        self.per_element = of_elements(estimator)
        self.as_is = answers(estimator, like(X, sets, np.arange(len(sets))))
        is_probability = hasattr(estimator, "predict_proba")
        self.scale = 1.0 if is_probability else max(float(np.abs(self.as_is).max(initial=0)), 1e-30)

    def of(self, numbers: np.ndarray, sizes: np.ndarray, rows: np.ndarray, counted: np.ndarray | None = None) -> float:
        """The largest change.

        Parameters
        ----------
        numbers : ndarray of int, shape (n_new,)
            Which sets the new ones are made of.
        sizes : ndarray of int, shape (n_new,)
        rows : ndarray of int, shape (sizes.sum(),)
            The elements of the new sets.
        counted : ndarray of bool, shape (n_new,), optional
            The sets to compare.
        """
        new = regroup(self.sets, rows, sizes, numbers)
        with of_made_up_sets():
            found = answers(self.estimator, like(self.X, new, numbers))
        wanted = self.as_is[rows if self.per_element else numbers]
        if counted is not None:
            counted = np.repeat(counted, sizes) if self.per_element else counted
            found, wanted = found[counted], wanted[counted]
        return self._between(found, wanted)

    def beside_large_sets(self, largest_allowed: int | None) -> float:
        """The largest change when a set twice as large as any follows each."""
        sets, n_elements = self.sets, len(self.sets.elements)
        is_large = np.tile([False, True], len(sets))
        sizes = np.repeat(sets.sizes, 2)
        sizes[is_large] = min(2 * int(sets.sizes.max()), largest_allowed or np.inf)
        of_large = np.repeat(is_large, sizes)
        rows = np.empty(len(of_large), dtype=np.int64)
        rows[~of_large] = np.arange(n_elements)
        rows[of_large] = np.resize(np.arange(n_elements), of_large.sum())
        return self.of(np.repeat(np.arange(len(sets)), 2), sizes, rows, ~is_large)

    def in_other_dtypes(self) -> float:
        """The largest change between float32 and float64, and from the dtype that the elements have to these."""
        narrow = _cast(self.sets.elements, np.float32)
        wide = _cast(narrow, np.float64)
        numbers = np.arange(len(self.sets))
        with of_made_up_sets():
            found = [answers(self.estimator, like(self.X, self.sets.replace(one), numbers)) for one in (narrow, wide)]
        pairs = zip(_numbers(wide), _numbers(self.sets.elements), strict=True)
        if all(np.array_equal(one, two, equal_nan=True) for one, two in pairs):  # float32 has rounded nothing
            found.append(self.as_is)
        return self._between(np.max(found, axis=0), np.min(found, axis=0))

    def _between(self, found: np.ndarray, wanted: np.ndarray) -> float:
        return float(np.abs(found - wanted).max(initial=0)) / self.scale


def _cast(elements: Any, dtype: Any) -> Any:
    """The elements with their numbers in a floating dtype; whole numbers that it would round stay as they are."""
    if isinstance(elements, pd.DataFrame):
        elements = elements.copy(deep=False)
        for number, of_column in enumerate(elements.dtypes):
            if isinstance(of_column, np.dtype):
                elements.isetitem(number, _cast(elements.iloc[:, number].to_numpy(), dtype))
        return elements
    kind, digits = elements.dtype.kind, np.finfo(dtype).nmant + 1
    if kind == "f" or kind == "b" or (kind in "iu" and np.abs(elements.astype(float)).max(initial=0) < 2.0**digits):
        return elements.astype(dtype)
    return elements


def _numbers(elements: Any) -> list[np.ndarray]:
    """Columns of numbers, or all of them at once."""
    if isinstance(elements, pd.DataFrame):
        of_numpy = [number for number, dtype in enumerate(elements.dtypes) if isinstance(dtype, np.dtype)]
        return [one for number in of_numpy for one in _numbers(elements.iloc[:, number].to_numpy())]
    return [elements] if elements.dtype.kind in "biuf" else []


def _rows_of(sets: RaggedSets, numbers: np.ndarray) -> np.ndarray:
    """The rows of the elements of some sets."""
    return sets.replace(np.arange(len(sets.elements))[:, None])[numbers].elements[:, 0]


def _words(name: str) -> str:
    return f"{name.replace('_', ' '):<22}"
