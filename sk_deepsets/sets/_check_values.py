"""What check_sets asks of the values: numbers that fit into float32, and no padding that came without a mask."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from sk_deepsets.sets._from_objects import sets_from_arrays
from sk_deepsets.sets._mapped import converted, pieces
from sk_deepsets.sets._protocols import TorchTensor, offers
from sk_deepsets.sets._ragged import RaggedSets
from sk_deepsets.sets._set_column import find_sets
from sk_deepsets.sets._values import FLOAT32_MAX, as_floats, is_number, user_stacklevel

LEAST_SETS = 10
# Of the elements, how many may look like padding.
MOST_INSIDE = 0.01


def as_floating(sets: RaggedSets) -> RaggedSets:
    """The same sets with float32 or float64 elements; themselves if they have."""
    table = sets.elements
    if isinstance(table, pd.DataFrame):
        for name, dtype in table.dtypes.items():
            if not is_number(dtype):
                raise ValueError(
                    f"The column {name!r} of the elements has dtype {dtype}; expected numbers. Encode it first, for "
                    "instance with ElementTransformer(OneHotEncoder()), or keep its kind with "
                    "check_sets(X, dtype=None), as the estimators do, which embed categories themselves."
                )
    elif table.dtype in (np.float32, np.float64):
        return sets
    elif table.dtype.kind not in "biuf":
        table = sets_from_arrays(list(sets)).elements
    return sets.replace(converted(table, as_floats), feature_names=sets.feature_names)


def check_shape(sets: RaggedSets, ensure_min_elements: int) -> None:
    if len(sets) == 0:
        raise ValueError("Found an input with 0 sets, but at least one is required.")
    if len(sets.elements) < ensure_min_elements:
        empty = "" if len(sets.elements) else ": all sets are empty"
        raise ValueError(
            f"The {len(sets)} sets hold {len(sets.elements)} elements, but at least {ensure_min_elements} is "
            f"required{empty}."
        )
    if sets.n_features == 0 and len(sets.elements):
        number = sets.locate(0)[0]
        raise ValueError(
            f"Found 0 feature(s) (shape={sets.elements.shape}) while a minimum of 1 is required: set {number} has "
            f"{sets.sizes[number]} elements without any."
        )


def check_finite(sets: RaggedSets, block: np.ndarray | None, X: Any) -> None:
    """Raise for the first value that is missing, infinite or beyond float32; X is what the user passed."""
    elements, names = sets.elements, sets.feature_names
    if isinstance(elements, pd.DataFrame):
        numbers = [name for name, dtype in elements.dtypes.items() if is_number(dtype)]
        for name, column in elements.drop(columns=numbers).items():
            missing = column.isna().to_numpy()
            if missing.any():
                number, place = sets.locate(int(np.argmax(missing)))
                raise ValueError(
                    f"Set {number} has no value in column {name!r} (element {place}; in all, {missing.sum():,} of "
                    f"{len(missing):,} elements); impute missing values, or make them a category of their own."
                )
        names = numbers
    for part in pieces(elements):
        values = as_floats(elements.iloc[part][names] if isinstance(elements, pd.DataFrame) else elements[part])
        # NaN survives min and max, and fails every comparison: two passes and no temporary array
        if values.size and not (values.min() >= -FLOAT32_MAX and values.max() <= FLOAT32_MAX):
            _raise_not_finite(sets, values, part.start, names, None if block is None else (block, X))


def _raise_not_finite(
    sets: RaggedSets, values: np.ndarray, first: int, names: Sequence[str] | None, block: tuple[np.ndarray, Any] | None
) -> None:
    """Raise for the first of these values, of the elements from ``first`` on, that is not in the range of float32."""
    with np.errstate(invalid="ignore"):
        row, column = np.argwhere(~(np.abs(values) <= FLOAT32_MAX))[0]
    number, place = sets.locate(first + row)
    feature = column if names is None else repr(names[column])
    value = values[row, column]
    what, advice = f"{value}, a value too large for dtype('float32')", "scale this feature first."
    if np.isnan(value):
        what, advice = "NaN", "impute missing values, or drop those elements, first."
        advice += "" if block is None else advice_on_nan(*block, first + row)
    elif np.isinf(value):
        what, advice = f"infinity ({value})", "elements must be finite."
    raise ValueError(f"Set {number} holds {what} (element {place}, feature {feature}); {advice}")


def as_block(sets: RaggedSets) -> np.ndarray | None:
    """The elements as an array of shape (n_sets, set_size, n_features), if all sets have one size; no copy."""
    table = sets.elements
    if not isinstance(table, np.ndarray) or not len(table) or (sets.sizes != sets.sizes[0]).any():
        return None
    return table.reshape(len(sets), -1, sets.n_features)


def warn_of_padding(block: np.ndarray, X: Any) -> None:
    """Warn where sets end, or begin, with rows of one value, such as zeros, in unequal numbers and nowhere else."""
    if len(block) >= LEAST_SETS and block.shape[1] > 1 and block.shape[2]:
        for part, end in ((block, "end"), (block[:, ::-1], "begin")):
            if _warned_of_padding(part, end, X):
                return


def _warned_of_padding(block: np.ndarray, end: str, X: Any) -> bool:
    n_sets, set_size, n_features = block.shape
    values, counts = np.unique(block[:, -1, 0], return_counts=True)
    value = values[counts.argmax()]
    if (block[:, -1] == value).all(axis=-1).mean() < 0.5:
        return False
    filled = (block != value).any(axis=-1)
    sizes = np.where(filled.any(axis=1), set_size - filled[:, ::-1].argmax(axis=1), 0)
    inside = sizes.sum() - filled.sum()
    falling = n_features == 1 and (np.diff(block[..., 0]) <= 0).all()  # numbers in order may end so
    if falling or len(np.unique(sizes)) < 3 or inside > MOST_INSIDE * sizes.sum():
        return False
    warnings.warn(
        f"{(sizes < set_size).sum():,} of {n_sets:,} sets {end} with rows that hold {value:g} only, up to "
        f"{set_size - sizes.min():,} of {set_size:,}, and are read as elements. If these are padding, "
        f"{_with_mask(X, f'(x != {value:g}).any(-1)')}.",
        UserWarning,
        stacklevel=user_stacklevel(),
    )
    return True


def advice_on_nan(block: np.ndarray, X: Any, row: int) -> str:
    """How to leave rows of NaN out, where this row of the elements is one."""
    if not np.isnan(block.reshape(-1, block.shape[2])[row]).all():
        return ""
    is_nan = "x.isnan()" if offers(X, TorchTensor) else "np.isnan(x)"  # which fails for a torch tensor
    return f" If rows of NaN are padding, {_with_mask(X, f'~{is_nan}.any(-1)')}."


def _with_mask(X: Any, mask: str) -> str:
    """The line that reads X with this mask of ``x``, the array of its values."""
    if isinstance(X, pd.DataFrame):
        column = f"X[{X.columns[find_sets(X)[0]]!r}]"
        return f"use x = np.stack({column}) and {column} = list(PaddedSets(x, {mask}))"
    is_one_array = not isinstance(X, list | tuple | pd.Series) and X.ndim == 3
    where = "" if is_one_array else ", where x = np.stack(X)"
    return f"pass PaddedSets(x, {mask}){where}"
