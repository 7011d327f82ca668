"""StoredSets: sets that are written to a folder, opened from one, or made of Parquet, without being in memory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Self

import numpy as np

from sk_deepsets.sets._folder import SetArrays, SetFolder, read_sets, replaced_folder, write_sets
from sk_deepsets.sets._parquet import stream_table


class StoredSets:
    """The methods of ``RaggedSets`` for sets in files."""

    _numbers: np.ndarray
    _places: np.ndarray | None

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write the sets to a folder, from which :meth:`open` maps them into memory.

        The table of elements is one plain ``.npy`` file where all columns are numbers of one dtype, such as float32;
        otherwise there is a file for each column. The user guide, "Many and large sets", describes all files.

        Parameters
        ----------
        folder : str or Path
            Written beside its place first, so that there is never half a folder. An existing one is replaced only if it
            is empty or holds such sets and nothing else.

        Raises
        ------
        FileExistsError
            If there is something else.
        TypeError
            For a column, or labels, that are no numbers, booleans, categories, strings or times.

        See Also
        --------
        sk_deepsets.io.save : Saves estimators.

        Examples
        --------
        >>> import tempfile
        >>> import numpy as np
        >>> from sk_deepsets import RaggedSets
        >>> sets = RaggedSets(np.arange(8.0).reshape(4, 2), offsets=[0, 3, 3, 4])
        >>> folder = tempfile.mkdtemp()
        >>> sets.save(folder)
        >>> RaggedSets.open(folder)[2]
        array([[6., 7.]])
        """
        with replaced_folder(folder) as files:
            write_sets(self, files)

    @classmethod
    def open(cls, folder: str | os.PathLike[str]) -> Self:
        """The sets in a folder that :meth:`save` or ``from_parquet`` wrote, mapped into memory and read-only.

        Elements are read from the files when they are needed, so that the sets may be larger than memory. Strings, and
        what is known of each set as a whole, are read at once. The folder may come from anyone: no code is run, and
        what does not fit together is an error.

        Parameters
        ----------
        folder : str or Path
            It must stay as it is while the sets are in use; saving to it is fine.

        Returns
        -------
        RaggedSets

        Raises
        ------
        ValueError
            If the folder holds no sets, is damaged, or was written by a later version.
        """
        path = Path(folder)
        if not path.is_dir():
            raise FileNotFoundError(f"There is no folder {path}.")
        try:
            return cls._from_files(SetFolder(path))
        except Exception as error:  # NumPy, pandas and JSON have many for what they cannot read
            reason = str(error) if isinstance(error, ValueError) else repr(error)
            raise ValueError(
                f"{path} holds no sets that RaggedSets.save wrote, or is damaged: {reason:.200}"
            ) from error

    @classmethod
    def from_parquet(
        cls,
        path: str | os.PathLike[str],
        by: Any,
        columns: Any = None,
        ids: Any = None,
        context: Any = None,
        before: Any = None,
        time: Any = None,
        within: Any = None,
        folder: str | os.PathLike[str] | None = None,
    ) -> Self:
        """Group the rows of a long table in Parquet, one row per element, into sets, without holding the table.

        The result is that of ``from_frame`` for the table that ``pandas.read_parquet`` returns, but strings are
        categories, and integers and booleans with missing values are float64. The files are read twice, some rows
        at a time: first the ids, which are counted, and the categories; then the elements. (Cutoffs take one more pass
        over ids and times.) Rows need not be sorted by their ids: others are written twice, first near their places
        and then, part by part, in order.

        Parameters
        ----------
        path : str or Path
            A file, a folder of files (with partitions ``name=value`` in the names of its folders, if there are such),
            or a pattern such as ``"events/2024-*.parquet"``.
        by, columns, ids, context, before, time, within
            As for ``from_frame``, but a DataFrame of cutoffs, with several sets of an id, is an error, and the time
            left is float64. Columns that pandas wrote as the index are features only if they are named.
        folder : str or Path, optional
            Where the sets are written as :meth:`save` does it, and are then opened from: for sets that are larger than
            memory. None: the elements are held in memory.

        Returns
        -------
        RaggedSets
            With the number of each row in the table as ``rows``.

        Raises
        ------
        ImportError
            Without ``pip install "sk-deepsets[arrow]"``.
        TypeError
            For columns of elements that are no numbers, booleans, strings or categories.
        ValueError, KeyError
            As ``from_frame``.

        Examples
        --------
        >>> import tempfile
        >>> from pathlib import Path
        >>> import pandas as pd
        >>> from sk_deepsets import RaggedSets
        >>> folder = Path(tempfile.mkdtemp())
        >>> events = pd.DataFrame({"customer": [7, 3, 7], "amount": [1.0, 2.0, 3.0]})
        >>> events.to_parquet(folder / "events.parquet")
        >>> sets = RaggedSets.from_parquet(folder / "*.parquet", by="customer", folder=folder / "sets")
        >>> sets.sizes
        array([1, 2])
        """
        if folder is None:
            files = SetArrays()
            stream_table(path, by, columns, ids, context, before, time, within, files)
            return cls._from_files(files)
        with replaced_folder(folder) as new:
            stream_table(path, by, columns, ids, context, before, time, within, new)
        return cls.open(folder)

    @classmethod
    def _from_files(cls, files: SetFolder) -> Self:
        parts, numbers, places = read_sets(files)
        sets = cls(**parts)
        sets._numbers, sets._places = sets._numbers if numbers is None else numbers, places
        return sets
