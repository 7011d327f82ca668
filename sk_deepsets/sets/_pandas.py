"""PandasMixin: sets from and to the user's frames, which are long tables, columns of sets and answers by row."""

from __future__ import annotations

from typing import Any

import pandas as pd

from sk_deepsets.sets._from_long import group_rows
from sk_deepsets.sets._labels import label_answers


class PandasMixin:
    """What :class:`RaggedSets` has to do with the user's frames."""

    @classmethod
    def from_frame(
        cls: Any, frame: pd.DataFrame, by: Any, columns: Any = None, ids: Any = None, context: Any = None
    ) -> Any:
        """Group the rows of a long table, one row per element, into sets.

        Grouping turns many rows into fewer, so it cannot be a step of a pipeline, where scikit-learn passes as many
        targets as rows: group first, then split the sets.

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
            What is known of the sets: a frame whose index holds the ids, or columns of ``frame`` with one value per
            set.

        Returns
        -------
        sets : RaggedSets
            With ``ids`` as ``index`` and the index of the frame as ``rows``; rows keep their order within a set.

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

    def to_frame(self: Any) -> pd.DataFrame:
        """The long table, one row per element: the id of its set, if not in its index already, then its features.

        Sorted by its index, a frame that ``from_frame`` grouped comes back in its own order.
        """
        width = self.elements.shape[1]
        names = [f"x{i}" for i in range(width)] if self.feature_names is None else self.feature_names
        frame = pd.DataFrame(self.elements, columns=pd.Index(names), index=self._rows, copy=True)
        ids = pd.RangeIndex(len(self.sizes)) if self.index is None else self.index
        of_element = ids.take(self.segments)
        for level in range(ids.nlevels):
            name = ids.names[level] or ("set" if ids.nlevels == 1 else f"set_{level}")
            values = of_element.get_level_values(level)
            at = list(frame.index.names).index(name) if name in frame.index.names else None
            if at is not None and frame.index.get_level_values(at).equals(values):
                continue  # the frame that from_frame grouped has its ids there
            frame.insert(frame.shape[1] - width, name, values.array)
        return frame

    def to_series(self: Any) -> pd.Series:
        """A column of sets for a DataFrame, without their context; see :class:`SetArray`."""
        array: Any = pd.array(self, dtype=pd.api.types.pandas_dtype("sets"), copy=False)
        return pd.Series(array, index=self.index, name="sets")

    def to_rows(self: Any, answers: Any, columns: Any = None) -> pd.Series | pd.DataFrame:
        """Answers for the elements, labelled by the rows that these were.

        Parameters
        ----------
        answers : list or object array with one array per set, or array of shape (n_sets, set_size) or more
            One answer per element, of shape ``(n_i,)``, or several, ``(n_i, k)``: what ``predict`` and
            ``predict_proba`` of an element-wise estimator give.
        columns : sequence of str, optional
            Names of the columns of several answers.

        Returns
        -------
        Series, or DataFrame for several answers per element
            In the order of the labels where these differ and can be sorted, as in the frame that the sets were made
            of; otherwise in the order of ``elements``.

        Raises
        ------
        ValueError
            For another number of sets, or of answers for a set, which the message names.

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
        return label_answers(answers, self.rows, self.sizes, columns)
