import numpy as np
import pandas as pd
import pytest

from sk_deepsets import RaggedSets, check_sets
from sk_deepsets.sets import as_floats, is_category, is_number

NUMBERS = ["int8", "uint64", "float16", "bool", "Int64", "Float32", "boolean", "Sparse[int64, 0]", "Sparse[bool]"]
IN_ARROW = ["int8[pyarrow]", "double[pyarrow]", "bool[pyarrow]"]
OTHERS = ["complex64", "object", "str", "string", "category", "datetime64[ns]", "timedelta64[ns]", "period[D]"]


@pytest.mark.parametrize("dtype", [*NUMBERS, *IN_ARROW])
def test_numbers_and_booleans_are_numbers_in_every_library(dtype):
    if "pyarrow" in dtype:
        pytest.importorskip("pyarrow")
    column = pd.Series([0, 1, 1]).astype(dtype)
    assert is_number(column.dtype)
    assert not is_category(column)
    table = as_floats(column.to_frame("a"))
    assert table.tolist() == [[0], [1], [1]]
    assert table.dtype in (np.float32, np.float64)
    assert check_sets(RaggedSets(column.to_frame("a"), [0, 1, 3])).elements.tolist() == [[0], [1], [1]]


@pytest.mark.parametrize("dtype", [*OTHERS, pd.CategoricalDtype([False, True]), pd.CategoricalDtype([1, 2])])
def test_nothing_else_is_a_number(dtype):
    assert not is_number(pd.Series([], dtype=dtype).dtype)


@pytest.mark.parametrize("dtype", ["Int64", "boolean", "float64", *IN_ARROW])
def test_missing_numbers_are_nan(dtype):
    if "pyarrow" in dtype:
        pytest.importorskip("pyarrow")
    table = as_floats(pd.DataFrame({"a": pd.Series([1, None, 0], dtype="object").astype(dtype)}))
    np.testing.assert_array_equal(table, [[1], [np.nan], [0]])


@pytest.mark.parametrize(
    ("dtypes", "expected"),
    [
        (["float32", "int16", "bool"], np.float32),
        (["Int16", "boolean"], np.float32),
        (["float32", "int32"], np.float64),
        (["int64"], np.float64),
        ([], np.float64),
    ],
)
def test_float32_suffices_only_where_it_holds_every_value(dtypes, expected):
    frame = pd.DataFrame({str(number): pd.Series([1, 0], dtype=dtype) for number, dtype in enumerate(dtypes)})
    assert as_floats(frame).dtype == expected
    if len(dtypes) == 1:
        assert as_floats(frame.to_numpy()).dtype == expected


def test_strings_and_categories_are_categories():
    for column in (["a", "b"], pd.Categorical([1, 2]), pd.array(["a", None], dtype="string")):
        assert is_category(pd.Series(column))
    assert is_category(pd.Series(["a", None], dtype=object))
    assert not is_category(pd.Series(["a", 1], dtype=object))
