"""What a column of sets has beside the methods of every column: ``data["events"].sets``."""

from __future__ import annotations

import pandas as pd
from pandas.api.extensions import register_series_accessor

from sk_deepsets.sets._ragged import RaggedSets
from sk_deepsets.sets._set_array import SetArray, SetDtype


@register_series_accessor("sets")
class SetsAccessor:
    """The sets of a pandas column of dtype "sets": ``data["events"].sets``.

    Known to pandas once ``sk_deepsets`` is imported. No cost depends on the number of sets but that of its table.

    Parameters
    ----------
    column : Series
        Of dtype "sets"; for others pandas has no attribute of this name.

    Examples
    --------
    >>> import pandas as pd
    >>> from sk_deepsets import RaggedSets
    >>> events = pd.DataFrame({"customer": [7, 3, 7], "amount": [1.0, 2.0, 3.0]})
    >>> data = pd.DataFrame({"events": RaggedSets.from_frame(events, by="customer").to_series()})
    >>> data["events"].sets.sizes
    customer
    3    1
    7    2
    Name: sizes, dtype: int64
    >>> data["events"].sets.to_frame()
       customer  amount
    1         3     2.0
    0         7     1.0
    2         7     3.0
    """

    def __init__(self, column: pd.Series) -> None:
        if not isinstance(column.dtype, SetDtype):
            raise AttributeError(
                f'Only columns of dtype "sets" have .sets, but this one has dtype {column.dtype}. Of a column of lists '
                "or arrays, check_sets(column).to_series() makes one."
            )
        self._column = column

    @property
    def sizes(self) -> pd.Series:
        """Number of elements of each set; missing for those that are missing."""
        array: SetArray = self._column.array
        sizes = pd.Series(array.sets.sizes, index=self._column.index, name="sizes")
        return sizes.astype("Int64").mask(array.missing) if array.missing.any() else sizes

    @property
    def ragged(self) -> RaggedSets:
        """The sets as a :class:`RaggedSets` with the labels of the column; those that are missing are empty."""
        return self._column.array.sets._with(index=self._column.index)

    def to_frame(self) -> pd.DataFrame:
        """The long table, one row per element, see :meth:`RaggedSets.to_frame`."""
        return self.ragged.to_frame()
