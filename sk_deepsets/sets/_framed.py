"""FramedSets: sets of the rows of a long frame, and what elements are as rows of that frame again."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd

from sk_deepsets.sets._long_table import group_rows, ungroup_rows
from sk_deepsets.sets._rows import label_answers


class FramedSets:
    """The methods of ``RaggedSets`` for rows of a frame."""

    _places: np.ndarray | None = None
    """Where each element stood in the frame that ``from_frame`` grouped"""

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
    ) -> Self:
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

    def to_frame(self) -> pd.DataFrame:
        """The long table, one row per element: the id of its set, if not in its index already, then its features.

        Sorted by its index, a frame that ``from_frame`` grouped comes back in its own order.
        """
        return ungroup_rows(self)

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
        sets: Any = self
        return label_answers(answers, sets.rows, sets.sizes, self._places, columns)
