"""RaggedSets: sets of unequal size, stored as one table of elements and the offsets at which each set begins."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from sk_deepsets.sets._framed import FramedSets
from sk_deepsets.sets._repr import describe_sets, sets_html
from sk_deepsets.sets._rows import number_rows
from sk_deepsets.sets._sequence import SetSequence, as_offsets, names_of_columns, offsets_of
from sk_deepsets.sets._storage import StoredSets
from sk_deepsets.sets._values import to_table


class RaggedSets(FramedSets, StoredSets, SetSequence):
    """A sequence of sets, stored without padding.

    The elements of all sets form one table; set ``i`` consists of its rows ``offsets[i]`` to ``offsets[i + 1]``.
    Indexing is vectorised and never loops over sets; a slice with step 1 does not copy elements.

    Parameters
    ----------
    elements : ndarray or DataFrame of shape (n_elements, n_features)
        The elements of set 0, then those of set 1, and so on. A DataFrame keeps its dtypes.
    offsets : ndarray of shape (n_sets + 1,)
        The row at which each set begins, from 0 to ``n_elements``. Two equal offsets in a row are an empty set.
    context : DataFrame or ndarray of shape (n_sets, n_context), optional
        What is known about each set as a whole.
    index : pandas Index of length n_sets, optional
        Labels of the sets, kept through indexing. By default the index of the context, if that is a DataFrame with
        labels that are not just row numbers.
    feature_names : sequence of str, optional
        Names of the columns of ``elements``; a DataFrame has its own.
    rows : pandas Index of length n_elements, optional
        Labels of the elements: the row of a longer frame that each one was. By default the index of a DataFrame.

    Attributes
    ----------
    elements, offsets, context, index, feature_names
        As given; ``offsets`` as int64.

    See Also
    --------
    check_sets : Makes a ``RaggedSets`` from lists, arrays and Series, with every check.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_deepsets import RaggedSets
    >>> sets = RaggedSets(np.arange(8.0).reshape(4, 2), offsets=[0, 3, 3, 4])
    >>> sets
    RaggedSets(3 sets of 0 to 3 elements, 4 elements, 2 features, float64)
    >>> sets[2]
    array([[6., 7.]])
    >>> sets[[2, 0]].sizes
    array([1, 3])
    """

    # scikit-learn asks pandas-like objects for their `iloc` and array-like ones for their `shape`: with a
    # shape, cross-validation indexes a RaggedSets as one object instead of taking it apart into a list.

    def __init__(
        self,
        elements: Any,
        offsets: Any,
        *,
        context: Any = None,
        index: pd.Index | None = None,
        feature_names: Any = None,
        rows: pd.Index | None = None,
    ) -> None:
        elements = to_table(elements, "The table of elements")
        offsets = as_offsets(offsets)
        if elements.ndim != 2:
            raise ValueError(f"elements must have shape (n_elements, n_features), but have shape {elements.shape}.")
        if offsets[-1] != len(elements):
            raise ValueError(f"offsets end at {offsets[-1]}, but there are {len(elements)} elements.")
        if rows is not None and len(rows) != len(elements):
            raise ValueError(f"rows has {len(rows)} labels for {len(elements)} elements.")
        if isinstance(elements, pd.DataFrame):
            feature_names = names_of_columns(elements, feature_names)
            if rows is not None and not rows.is_(elements.index):
                elements = elements.set_axis(rows)
            rows = elements.index
        self.elements = elements
        self.offsets = offsets
        self._rows = rows
        # what the sets were numbered when they were put together: the labels of elements that were rows of no frame
        self._numbers = np.arange(len(offsets) - 1)
        self._attach(len(offsets) - 1, elements.shape[1], context, index, feature_names)

    def replace(self, elements: Any, *, feature_names: Any = "keep") -> RaggedSets:
        """The same sets with other elements: offsets, context, index and rows stay.

        Parameters
        ----------
        elements : ndarray or DataFrame of shape (n_elements, n_features)
            One row for each element.
        feature_names : "keep", sequence of str or None, default="keep"
            Names of the columns of an array; "keep" keeps the present names, if their number fits.

        Returns
        -------
        RaggedSets
        """
        in_frame = isinstance(elements, pd.DataFrame)
        if isinstance(feature_names, str):
            same_width = not in_frame and np.shape(elements)[1:] == (self.n_features,)
            feature_names = self.feature_names if same_width else None
        rows = self.rows if in_frame else self._rows
        return self._with(elements=elements, feature_names=feature_names, rows=rows)

    def _with(self, **parts: Any) -> RaggedSets:
        """The same sets with other parts, which are named as in the constructor."""
        own = {"elements": self.elements, "offsets": self.offsets, "context": self.context, "index": self.index}
        sets = RaggedSets(**own | {"feature_names": self.feature_names, "rows": self._rows} | parts)
        sets._numbers = self._numbers
        sets._places = self._places if len(sets.elements) == len(self.elements) else None
        return sets

    @property
    def rows(self) -> pd.Index:
        """The label of each element: its row in the frame, or else the number of its set and its position there."""
        return number_rows(self._numbers, self.sizes) if self._rows is None else self._rows

    @property
    def sizes(self) -> np.ndarray:
        """Number of elements of each set, int64 of shape (n_sets,)."""
        return np.diff(self.offsets)

    @property
    def segments(self) -> np.ndarray:
        """The set of each element, int64 of shape (n_elements,)."""
        return np.repeat(np.arange(len(self)), self.sizes)

    def locate(self, row: int) -> tuple[int, int]:
        """The set that a row of ``elements`` belongs to, and its place in that set."""
        number = int(np.searchsorted(self.offsets, row, side="right")) - 1
        return number, int(row - self.offsets[number])

    def to_series(self) -> pd.Series:
        """A column of sets for a DataFrame, without their context; see :class:`SetArray`."""
        sets: Any = self
        return pd.Series(pd.array(sets, dtype="sets", copy=False), index=self.index, name="sets")

    @property
    def n_features(self) -> int:
        """Number of features of an element."""
        return self.elements.shape[1]

    @property
    def shape(self) -> tuple[int]:
        """``(n_sets,)``: to scikit-learn, a one-dimensional array of sets."""
        return (len(self),)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __iter__(self) -> Iterator[Any]:
        return (self._cut(slice(a, b)) for a, b in pairwise(self.offsets.tolist()))

    def __repr__(self) -> str:
        return describe_sets(self)

    def _repr_html_(self) -> str:
        return sets_html(self)

    def _cut(self, rows: slice | np.ndarray) -> Any:
        return self.elements.iloc[rows] if isinstance(self.elements, pd.DataFrame) else self.elements[rows]

    def _item(self, number: int) -> Any:
        return self._cut(slice(self.offsets[number], self.offsets[number + 1]))

    def _take(self, key: Any) -> RaggedSets:
        """The sets of a slice, or with these numbers; -1, if there are no index and context, gives an empty set."""
        rows: Any
        if isinstance(key, slice):
            begins = self.offsets[key.start : key.stop + 1]
            rows, offsets, numbers = slice(begins[0], begins[-1]), begins - begins[0], self._numbers[key]
        else:
            sizes = np.append(self.sizes, 0)[key]
            offsets, numbers = offsets_of(sizes), np.append(self._numbers, -1)[key]
            # row r of the result is in its set at r - offsets[set], and that set begins at self.offsets[number]
            rows = np.arange(offsets[-1]) + np.repeat(self.offsets[key] - offsets[:-1], sizes)
        labels = None if self._rows is None or isinstance(self.elements, pd.DataFrame) else self._rows[rows]
        sets = RaggedSets(self._cut(rows), offsets, rows=labels, **self._attached(key))
        sets._numbers = numbers
        sets._places = None if self._places is None else self._places[rows]
        return sets
