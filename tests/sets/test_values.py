"""Kinds of columns; and anything as an array: what NumPy makes of it, but for what it would misread."""

import datetime

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.sparse import csr_array

from sk_deepsets import RaggedSets, check_sets
from sk_deepsets.sets import as_floats, is_category, is_number
from sk_deepsets.sets._values import NOT_NUMBERS, as_ndarray, check_unmasked, to_array, to_table

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


@pytest.mark.parametrize(
    "value",
    [
        [[1, 2], [3, 4]],
        ((1.5, 2.5),),
        np.ma.array([1, 2], mask=[0, 0]),
        torch.tensor([[1.0, 2.0]], requires_grad=True),
        torch.tensor([1.0, 2.0])._neg_view(),
        pd.Series([1, 2]),
        pd.DataFrame({"a": [1, 2]}),
    ],
)
def test_what_numpy_reads_right_is_read_so(value):
    wanted = value.detach().resolve_neg().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
    np.testing.assert_array_equal(to_array(value, "It"), wanted, strict=True)


def test_a_set_of_python_is_its_values():
    assert sorted(to_array({3, 1, 2}, "It").tolist()) == [1, 2, 3]


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (None, ValueError, "It is None; expected an array"),
        (1.5, ValueError, "It is 1.5; expected an array"),
        ("ab", ValueError, "It is 'ab'; expected an array"),
        (bytearray(b"ab"), ValueError, "It is bytearray"),
        ([b"ab", b"cd"], ValueError, "It holds strings; expected numbers"),
        ([[1, 2], [3]], ValueError, "It is not an array: its elements have unequal lengths"),
        (np.ma.array([1, 2], mask=[0, 1]), ValueError, "It has masked values; fill them first"),
        ([np.ma.array([1], mask=[1]), np.ma.array([2])], ValueError, "It has masked values"),
        (csr_array(np.eye(2)), TypeError, "It is sparse, but a dense array is required"),
        (
            torch.ones(2, dtype=torch.bfloat16),
            TypeError,
            "It is a torch tensor of torch.bfloat16",
        ),
        (torch.ones(2, device="meta"), TypeError, "It is a torch tensor of torch.float32 .*on meta"),
    ],
)
def test_what_it_would_misread_is_told(value, error, message):
    reader = as_ndarray if hasattr(value, "toarray") else to_array
    with pytest.raises(error, match=message):
        reader(value, "It")


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors:UserWarning")
def test_a_nested_tensor_is_no_array():
    with pytest.raises(TypeError, match=r"It is a nested torch tensor of torch\.float32"):
        to_array(torch.nested.nested_tensor([torch.ones(2)]), "It")


def test_tables_keep_the_names_of_their_columns():
    frame = pd.DataFrame({"b": [1.0], "a": [2.0]})
    assert to_table(frame, "It") is frame
    polars = pytest.importorskip("polars")
    pd.testing.assert_frame_equal(to_table(polars.DataFrame({"b": [1.0], "a": [2.0]}), "It"), frame)
    assert to_table([[1.0, 2.0]], "It").tolist() == [[1.0, 2.0]]


def test_nothing_is_said_where_no_value_is_masked():
    for value in (np.ma.array([1]), [np.ma.array([1], mask=[0])], [1, "a", None], None, 3):
        check_unmasked(value, "It")


@pytest.mark.parametrize("value", [np.datetime64(1, "s"), datetime.date(2020, 1, 1), pd.Timedelta(1), np.complex64(1)])
def test_times_and_complex_numbers_are_no_numbers(value):
    assert isinstance(value, NOT_NUMBERS)
