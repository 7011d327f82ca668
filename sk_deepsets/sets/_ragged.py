"""RaggedSets: many sets of unequal size, stored as one table of elements and the offsets that cut it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd

from sk_deepsets.sets._attached import check_attached, check_columns, positions, take_attached
from sk_deepsets.sets._from_long import group_rows


class RaggedSets:
    """A sequence of sets, stored without padding.

    All elements of all sets stand in one table; set ``i`` is the rows ``offsets[i]`` to ``offsets[i + 1]``
    of it. Indexing is vectorised and never loops over sets; a slice with step 1 copies no element.

    Parameters
    ----------
    elements : ndarray or DataFrame of shape (n_elements, n_features)
        The elements of set 0, then those of set 1, and so on. A DataFrame keeps the kinds of its columns, and its
        index tells which row of a longer table each element is.
    offsets : ndarray of shape (n_sets + 1,)
        Where each set begins; rises from 0 to ``n_elements``. Two equal neighbours are an empty set.
    context : DataFrame or ndarray of shape (n_sets, n_context), optional
        What is known of each set as a whole.
    index : pandas Index of length n_sets, optional
        Labels of the sets, kept through indexing.
    feature_names : sequence of str, optional
        Names of the columns of ``elements``; those of a DataFrame by themselves.

    Attributes
    ----------
    elements, offsets, context, index, feature_names
        As given; ``offsets`` as int64.

    See Also
    --------
    check_sets : Makes a ``RaggedSets`` of lists, arrays and Series, with every check.

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
    ) -> None:
        if isinstance(elements, pd.DataFrame):
            feature_names = check_columns(elements)
        else:
            elements = np.asarray(elements)
        given = np.asarray(offsets)
        offsets = given.astype(np.int64)
        if elements.ndim != 2:
            raise ValueError(f"elements must have shape (n_elements, n_features), but have shape {elements.shape}.")
        rises = offsets.ndim == 1 and len(offsets) > 0 and offsets[0] == 0 and (np.diff(offsets) >= 0).all()
        if not rises or (offsets != given).any():
            raise ValueError("offsets must be one-dimensional, begin with 0 and never fall, in whole numbers.")
        if offsets[-1] != len(elements):
            raise ValueError(f"offsets end at {offsets[-1]}, but there are {len(elements)} elements.")
        self.elements = elements
        self.offsets = offsets
        self.context, self.index, self.feature_names = check_attached(
            len(offsets) - 1, elements.shape[1], context, index, feature_names
        )

    @classmethod
    def from_frame(
        cls, frame: pd.DataFrame, by: Any, columns: Any = None, ids: Any = None, context: Any = None
    ) -> RaggedSets:
        """Group the rows of a long table, one row an element, into sets.

        Grouping makes fewer rows of many, so it is no step of a pipeline, which scikit-learn hands as many targets
        as rows: group first, then split the sets.

        Parameters
        ----------
        frame : DataFrame
        by : str, or list of str
            The columns or index levels that tell which set a row belongs to.
        columns : list of str, optional
            The features of an element, with their kinds. None: all columns but those of ``by`` and ``context``.
        ids : Index or array-like, optional
            The sets and their order. An id without rows is an empty set. None: the ids in ``frame``, sorted.
        context : DataFrame or list of str, optional
            What is known of the sets: a frame whose index holds the ids, or columns of ``frame`` with one value a
            set.

        Returns
        -------
        sets : RaggedSets
            With ``ids`` as ``index``; rows keep their order within a set.

        Raises
        ------
        ValueError, KeyError
            For rows whose id is missing or not in ``ids``, duplicate ids, unknown or duplicate columns: no row and
            no set is ever dropped silently.

        Examples
        --------
        >>> import pandas as pd
        >>> from sk_deepsets import RaggedSets
        >>> events = pd.DataFrame({"customer": [7, 3, 7], "amount": [1.0, 2.0, 3.0]})
        >>> sets = RaggedSets.from_frame(events, by="customer", ids=[3, 5, 7])
        >>> sets.sizes
        array([1, 0, 2])
        """
        return cls(**group_rows(frame, by, columns, ids, context))

    def to_frame(self) -> pd.DataFrame:
        """The long table, one row an element: the id of its set, if not in its index already, then its features.

        Sorted by its index, a frame that ``from_frame`` grouped comes back in its own order.
        """
        if isinstance(self.elements, pd.DataFrame):
            frame = self.elements.copy()
        else:
            names = [f"x{i}" for i in range(self.n_features)] if self.feature_names is None else self.feature_names
            frame = pd.DataFrame(self.elements, columns=pd.Index(names))
        ids = pd.RangeIndex(len(self)) if self.index is None else self.index
        of_element = ids.take(np.repeat(np.arange(len(self)), self.sizes))
        for level in range(ids.nlevels):
            name = ids.names[level] or ("set" if ids.nlevels == 1 else f"set_{level}")
            values = of_element.get_level_values(level)
            at = list(frame.index.names).index(name) if name in frame.index.names else None
            if at is not None and frame.index.get_level_values(at).equals(values):
                continue  # the frame that from_frame grouped has its ids there
            frame.insert(frame.shape[1] - self.n_features, name, values.array)
        return frame

    def to_series(self) -> pd.Series:
        """A column of sets for a DataFrame, without their context; see :class:`SetArray`."""
        from sk_deepsets.sets._set_array import SetArray

        return pd.Series(SetArray(self), index=self.index, name="sets")

    @property
    def sizes(self) -> np.ndarray:
        """Number of elements of each set, int64 of shape (n_sets,)."""
        return np.diff(self.offsets)

    @property
    def n_features(self) -> int:
        """Number of features of an element."""
        return self.elements.shape[1]

    @property
    def shape(self) -> tuple[int]:
        """``(n_sets,)``: a one-dimensional array of sets, as far as scikit-learn is concerned."""
        return (len(self),)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __iter__(self) -> Iterator[Any]:
        offsets = self.offsets.tolist()
        return (self._rows(slice(a, b)) for a, b in pairwise(offsets))

    def __getitem__(self, key: Any) -> Any:
        """One set for an integer, as an array or a DataFrame; a ``RaggedSets`` for a slice, integers or booleans."""
        if isinstance(key, tuple) and len(key) == 2 and key[1] is Ellipsis:
            key = key[0]  # scikit-learn takes rows of anything with a shape as X[key, ...]
        if isinstance(key, Integral) and not isinstance(key, bool | np.bool_):
            number = range(len(self))[int(key)]
            return self._rows(slice(self.offsets[number], self.offsets[number + 1]))
        if isinstance(key, slice) and key.step in (None, 1):
            start, stop, _ = key.indices(len(self))
            return self._slice(start, max(start, stop))
        return self._take(positions(key, len(self)))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """A one-dimensional object array of the sets."""
        if dtype is not None and np.dtype(dtype) != object:
            raise ValueError(f"Sets of unequal sizes do not fit into an array of {np.dtype(dtype)}; use .elements.")
        array = np.empty(len(self), dtype=object)
        for number, one_set in enumerate(self):
            array[number] = one_set
        return array

    def __repr__(self) -> str:
        sizes = self.sizes
        span = f" of {sizes.min()} to {sizes.max()} elements" if len(self) else ""
        context = "" if self.context is None else f", {np.shape(self.context)[1]} context columns"
        kind = f", {self.elements.dtype}" if isinstance(self.elements, np.ndarray) else ": " + ", ".join(self.elements)
        return (
            f"RaggedSets({len(self):,} sets{span}, {len(self.elements):,} elements, "
            f"{self.n_features} features{kind:.100}{context})"
        )

    def _rows(self, rows: Any) -> Any:
        return self.elements.iloc[rows] if isinstance(self.elements, pd.DataFrame) else self.elements[rows]

    def _slice(self, start: int, stop: int) -> RaggedSets:
        offsets = self.offsets[start : stop + 1]
        return self._like(self._rows(slice(offsets[0], offsets[-1])), offsets - offsets[0], slice(start, stop))

    def _take(self, numbers: np.ndarray) -> RaggedSets:
        sizes = self.sizes[numbers]
        offsets = np.concatenate([[0], np.cumsum(sizes)])
        # row r of the result stands in its set at r - offsets[set], and that set begins at self.offsets[number]
        rows = np.arange(offsets[-1]) + np.repeat(self.offsets[numbers] - offsets[:-1], sizes)
        return self._like(self._rows(rows), offsets, numbers)

    def _like(self, elements: Any, offsets: np.ndarray, key: Any) -> RaggedSets:
        attached = take_attached(self.context, self.index, key)
        return RaggedSets(elements, offsets, feature_names=self.feature_names, **attached)
