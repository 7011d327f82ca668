"""check_invariance: whether predictions depend on the order of the elements, on the batch or on padding."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import check_random_state

from sk_deepsets.estimators import SetEstimator
from sk_deepsets.inspection._predictions import (
    has_probabilities,
    is_element_wise,
    last_step,
    predict_modified,
    predict_table,
    read_sets,
    rebuild_like,
    regroup,
)
from sk_deepsets.sets import RaggedSets, collection_names

# Sets that are predicted one at a time.
ALONE = 20
# The changes that should change no prediction.
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
        """Whether no prediction depends on the order of the elements, the batch, the padding or the dtype."""
        return max(self._unwanted_changes().values()) <= self.tolerance

    def _unwanted_changes(self) -> dict[str, float]:
        return {name: change for name, change in asdict(self).items() if name in SHOULD_BE_NONE}

    def __repr__(self) -> str:
        lines = [f"Largest change of a prediction (up to {self.tolerance:g} counts as rounding)"]
        for name, change in self._unwanted_changes().items():
            lines.append(f"  {_label(name)}{change:.1e}  {'same' if change <= self.tolerance else 'CHANGES'}")
        change = self.duplicated_elements
        seen = "repetition does not count" if change <= self.tolerance else "repetition counts, as in sums and sizes"
        return "\n".join([*lines, f"  {_label('duplicated_elements')}{change:.1e}  {seen}"])


def check_invariance(estimator: Any, X: Any, *, tolerance: float = 1e-4, random_state: Any = 0) -> InvarianceReport:
    """Check that predictions do not depend on the order of the elements, on the batch, on padding or on the dtype.

    For any estimator of sets: a pipeline, or one with a ``module`` of your own. With one prediction per element,
    the predictions move along with the elements.

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
    names = collection_names(X) or (None,)
    reports = [_report(estimator, X, name, check_random_state(random_state), tolerance) for name in names]
    largest = {name: max(report[name] for report in map(asdict, reports)) for name in asdict(reports[0])}
    return InvarianceReport(**largest)


def _report(
    estimator: Any, X: Any, collection: str | None, random: np.random.RandomState, tolerance: float
) -> InvarianceReport:
    """What changes when one collection does."""
    sets, model = read_sets(X, collection), last_step(estimator)
    limit = model.max_set_size if isinstance(model, SetEstimator) else None
    changes = _Changes(estimator, X, sets, collection)
    numbers, rows = np.arange(len(sets)), np.arange(len(sets.elements))
    shuffled = np.lexsort((random.random_sample(len(rows)), sets.segments))
    filled = numbers[sets.sizes > 0]  # a batch of empty sets alone tells nothing
    batches = [numbers[::-1], *filled[:: -(-len(numbers) // ALONE), None]]
    return InvarianceReport(
        shuffled_elements=changes.largest(numbers, sets.sizes, shuffled),
        other_batches=max(changes.largest(batch, sets.sizes[batch], _rows_of(sets, batch)) for batch in batches),
        more_padding=changes.beside_large_sets(limit),
        other_dtypes=changes.in_other_dtypes(),
        duplicated_elements=changes.largest(numbers, 2 * sets.sizes, np.repeat(rows, 2)),
        tolerance=tolerance,
    )


class _Changes:
    """How much the predictions for sets change when these are regrouped."""

    def __init__(self, estimator: Any, X: Any, sets: RaggedSets, collection: str | None) -> None:
        self.estimator, self.X, self.sets, self.collection = estimator, X, sets, collection
        self.per_element = is_element_wise(estimator)
        self.as_is = predict_table(estimator, rebuild_like(X, sets, np.arange(len(sets)), collection))
        is_probability = has_probabilities(estimator)
        self.scale = 1.0 if is_probability else max(float(np.abs(self.as_is).max(initial=0)), 1e-30)

    def largest(
        self, numbers: np.ndarray, sizes: np.ndarray, rows: np.ndarray, counted: np.ndarray | None = None
    ) -> float:
        """The largest change.

        Parameters
        ----------
        numbers : ndarray of int, shape (n_new,)
            The set that each new one is made of.
        sizes : ndarray of int, shape (n_new,)
        rows : ndarray of int, shape (sizes.sum(),)
            The elements of the new sets.
        counted : ndarray of bool, shape (n_new,), optional
            The sets to compare.
        """
        new = regroup(self.sets, rows, sizes, numbers)
        found = predict_modified(self.estimator, self.X, new, numbers, self.collection)
        expected = self.as_is[rows if self.per_element else numbers]
        if counted is not None:
            counted = np.repeat(counted, sizes) if self.per_element else counted
            found, expected = found[counted], expected[counted]
        return self._between(found, expected)

    def beside_large_sets(self, largest_allowed: int | None) -> float:
        """The largest change when a set twice as large as any follows each."""
        sets, n_elements = self.sets, len(self.sets.elements)
        is_large = np.tile([False, True], len(sets))
        sizes = np.repeat(sets.sizes, 2)
        sizes[is_large] = min(2 * int(sets.sizes.max()), largest_allowed or np.inf)
        in_large = np.repeat(is_large, sizes)
        rows = np.empty(len(in_large), dtype=np.int64)
        rows[~in_large] = np.arange(n_elements)
        rows[in_large] = np.resize(np.arange(n_elements), in_large.sum())
        return self.largest(np.repeat(np.arange(len(sets)), 2), sizes, rows, ~is_large)

    def in_other_dtypes(self) -> float:
        """The largest change between float32 and float64, and from the dtype that the elements have to these."""
        narrow = _cast(self.sets.elements, np.float32)
        wide = _cast(narrow, np.float64)
        numbers = np.arange(len(self.sets))
        found = [
            predict_modified(self.estimator, self.X, self.sets.replace(elements), numbers, self.collection)
            for elements in (narrow, wide)
        ]
        pairs = zip(_numbers(wide), _numbers(self.sets.elements), strict=True)
        if all(np.array_equal(left, right, equal_nan=True) for left, right in pairs):  # float32 rounds nothing
            found.append(self.as_is)
        return self._between(np.max(found, axis=0), np.min(found, axis=0))

    def _between(self, found: np.ndarray, expected: np.ndarray) -> float:
        return float(np.abs(found - expected).max(initial=0)) / self.scale


def _cast(elements: Any, dtype: Any) -> Any:
    """The elements with their numbers in a floating dtype; whole numbers that it would round stay as they are."""
    if isinstance(elements, pd.DataFrame):
        elements = elements.copy(deep=False)
        for number, column_dtype in enumerate(elements.dtypes):
            if isinstance(column_dtype, np.dtype):
                elements.isetitem(number, _cast(elements.iloc[:, number].to_numpy(), dtype))
        return elements
    kind, digits = elements.dtype.kind, np.finfo(dtype).nmant + 1
    if kind == "f" or kind == "b" or (kind in "iu" and np.abs(elements.astype(float)).max(initial=0) < 2.0**digits):
        return elements.astype(dtype)
    return elements


def _numbers(elements: Any) -> list[np.ndarray]:
    """Columns of numbers, or all of them at once."""
    if isinstance(elements, pd.DataFrame):
        columns = elements.loc[:, [isinstance(dtype, np.dtype) for dtype in elements.dtypes]]
        return [values for _, column in columns.items() for values in _numbers(column.to_numpy())]
    return [elements] if elements.dtype.kind in "biuf" else []


def _rows_of(sets: RaggedSets, numbers: np.ndarray) -> np.ndarray:
    """The rows of the elements of some sets."""
    return sets.replace(np.arange(len(sets.elements))[:, None])[numbers].elements[:, 0]


def _label(name: str) -> str:
    return f"{name.replace('_', ' '):<22}"
