"""StoredSets: sets that are written to a folder, and opened from one without being read into memory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Self

from sk_deepsets.sets._folder import SetFolder, read_sets, replaced_folder, write_sets


class StoredSets:
    """The methods of ``RaggedSets`` for sets in files."""

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
            parts, attributes = read_sets(SetFolder(path))
            sets = cls(**parts)
        except (ValueError, TypeError, LookupError, AttributeError, OSError, RecursionError, OverflowError) as error:
            reason = str(error) if isinstance(error, ValueError) else repr(error)
            raise ValueError(
                f"{path} holds no sets that RaggedSets.save wrote, or is damaged: {reason:.200}"
            ) from error
        vars(sets).update(attributes)
        return sets
