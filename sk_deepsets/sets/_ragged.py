"""RaggedSets: sets of unequal size, stored as one table of elements and the offsets at which each set begins."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from sk_deepsets.sets._long_table import group_rows, ungroup_rows
from sk_deepsets.sets._repr import describe_sets, sets_html
from sk_deepsets.sets._rows import label_answers, number_rows
from sk_deepsets.sets._sequence import SetSequence, as_offsets, names_of_columns, offsets_of
from sk_deepsets.sets._storage import StoredSets
from sk_deepsets.sets._values import to_table


class RaggedSets(StoredSets, SetSequence):
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

    # where each element stood in the frame that from_frame grouped
    _places: np.ndarray | None = None

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

    @classmethod
    def from_frame(
        cls,
        frame: pd.DataFrame,
        by: Any,
        columns: Any = None,
        ids: Any = None,
        context: Any = None,
        before: Any = None,
        time: Any = None,
        within: Any = None,
    ) -> RaggedSets:
        """Group the rows of a long table, one row per element, into sets.

        Grouping reduces the number of rows, so it cannot be a step of a pipeline, which needs one target per
        row: group first, then split the sets.

        Parameters
        ----------
        frame : DataFrame
        by : str, or list of str
            The columns or index levels that tell which set a row belongs to.
        columns : list of str, optional
            The features of an element, which keep their dtypes. None: all columns but those of ``by``, ``context`` and
            ``time``. Where ``time`` is named and there are cutoffs, the feature is the time left before the cutoff: in
            days, or in the unit of times that are numbers.
        ids : Index or array-like, optional
            The sets and their order. An id without rows is an empty set. None: the ids of ``before``, if it has some,
            else those in ``frame``, sorted.
        context : DataFrame or list of str, optional
            What is known about the sets: a frame whose index holds the ids, or columns of ``frame`` with one value
            per set.
        before : Series, mapping, DataFrame, time, number or str, optional
            The cutoff of each set: only rows before it are elements, so that no set sees what it is to predict. A
            Series whose index holds the ids, or a mapping; one cutoff for all sets; or the name of a column of the
            context or of the frame, which is then neither context nor feature. A DataFrame with the columns of ``by``
            and one of cutoffs has one set for each row, and its index is that of the sets: an id may have several.
        time : str, optional
            The column or index level with the time of each row: times, lengths of time or numbers, as are the cutoffs.
        within : str, Timedelta, DateOffset or number, optional
            Only rows at most so long before the cutoff are elements: those of ``[cutoff - within, cutoff)``.

        Returns
        -------
        sets : RaggedSets
            With ``ids`` as ``index`` and the index of the frame as ``rows``; rows keep their order within a set.

        Raises
        ------
        ValueError, KeyError
            For rows whose id is missing or not in ``ids``, duplicate ids, unknown or duplicate columns, sets without
            a cutoff and rows without a time: no set, and no row but by its time, is ever dropped silently.

        Examples
        --------
        >>> import pandas as pd
        >>> from sk_deepsets import RaggedSets
        >>> events = pd.DataFrame({"customer": [7, 3, 7], "amount": [1.0, 2.0, 3.0]})
        >>> sets = RaggedSets.from_frame(events, by="customer", ids=[3, 5, 7])
        >>> sets.sizes
        array([1, 0, 2])

        Only what happened in the eight days before a day of their own; ``day`` becomes the number of days before it:

        >>> events["day"] = pd.to_datetime(["2024-03-01", "2024-03-05", "2024-03-09"])
        >>> today = pd.Series(pd.to_datetime(["2024-03-06", "2024-03-09"]), index=[3, 7])
        >>> sets = RaggedSets.from_frame(
        ...     events, by="customer", columns=["amount", "day"], before=today, time="day", within="8D"
        ... )
        >>> sets.to_frame()
           customer  amount  day
        1         3     2.0  1.0
        0         7     1.0  8.0
        """
        parts, places = group_rows(frame, by, columns, ids, context, before, time, within)
        sets = cls(**parts)
        sets._places = places
        return sets

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

    def to_frame(self) -> pd.DataFrame:
        """The long table, one row per element: the id of its set, if not in its index already, then its features.

        Sorted by its index, a frame that ``from_frame`` grouped comes back in its own order.
        """
        return ungroup_rows(self)

    def to_series(self) -> pd.Series:
        """A column of sets for a DataFrame, without their context; see :class:`SetArray`."""
        sets: Any = self
        return pd.Series(pd.array(sets, dtype="sets", copy=False), index=self.index, name="sets")

    def to_rows(self, answers: Any, columns: Any = None) -> pd.Series | pd.DataFrame:
        """Label predictions for the elements with the rows of the frame from which the sets were made.

        Parameters
        ----------
        answers : list or object array with one array per set, or array of shape (n_sets, set_size) or more
            One prediction per element, of shape ``(n_i,)``, or several, ``(n_i, k)``, as ``predict`` and
            ``predict_proba`` of an element-wise estimator return them.
        columns : sequence of str, optional
            Names of the columns, if there are several predictions per element.

        Returns
        -------
        Series, or DataFrame for several predictions per element
            In the order of the frame that ``from_frame`` was given, of whose rows there are those of these sets, also
            where rows share their labels. Of other sets in the order of the labels, if these differ and can be sorted;
            otherwise, and where an element is there twice, in the order of ``elements``.

        Raises
        ------
        ValueError
            If the number of sets, or the number of predictions for a set, does not match; the message names the set.

        Examples
        --------
        >>> import pandas as pd
        >>> from sk_deepsets import RaggedSets
        >>> events = pd.DataFrame({"customer": [7, 3, 7], "amount": [1.0, 2.0, 3.0]})
        >>> sets = RaggedSets.from_frame(events, by="customer")
        >>> events["double"] = sets.to_rows([2 * one_set["amount"] for one_set in sets])
        >>> events["double"].tolist()
        [2.0, 4.0, 6.0]
        """
        return label_answers(answers, self.rows, self.sizes, self._places, columns)

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
