import json

import numpy as np
import pandas as pd
import pytest
import torch

from sk_deepsets.io._values import PLAIN_CODECS, Reader, Writer


def there_and_back(value):
    write = Writer(PLAIN_CODECS)
    content = json.loads(json.dumps(write(value, "value")))
    return Reader(PLAIN_CODECS, write.arrays)(content)


@pytest.mark.parametrize(
    "value",
    [
        None, True, 3, 0.1, float("inf"), "é", [], [1, [2]], (), (1, ("a", [None])), {}, {1: 2, "1": 3, (1, 2): [4]},
        np.int8(3), np.float32(0.1), np.bool_(True), np.str_("a"), np.datetime64("2024-01-02", "D"),
        slice(1, None, 2), slice("a", "b"), np.dtype("float32"), np.dtype("<U3"), np.float64, np.number, np.log1p,
        float, object, torch.device("cuda:1"), torch.optim.SGD, {"dict": 1}, {"array": "x"},
    ],
    ids=repr,
)  # fmt: skip
def test_values(value):
    found = there_and_back(value)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6).reshape(2, 3), np.float16([1, np.nan]), np.array(["a", "bcd"]), np.array("2024", "M8[s]"),
        np.array([["a", 1], [None, (2, 3)]], dtype=object), np.array(["x", "yy"], dtype=np.dtypes.StringDType()),
        np.array(["a", "b" * 2000] + 1000 * ["c"]), np.array(["a", "é" * 90_000, "c"] * 2).reshape(3, 2)[:, ::-1],
        np.array([1, 2], "m8[D]"), np.zeros((0, 2)), np.empty(0, dtype=object), np.array(3),
    ],
    ids=lambda array: f"{array.dtype}-{array.shape}",
)  # fmt: skip
def test_arrays(array):
    np.testing.assert_array_equal(there_and_back(array), array, strict=True)


@pytest.mark.parametrize(
    "table",
    [
        pd.DataFrame(),
        pd.DataFrame({"a": [1.0], "b": [1]})[:0],
        pd.DataFrame({"a": [1], 2: ["x"]}, dtype=object)[:0],
        pd.DataFrame({"a": pd.array([1], "Int64")})[:0],
        pd.DataFrame({"a": [1.0]})[:0].rename_axis(columns="feature"),
    ],
    ids=lambda table: str(list(table.columns)),
)
def test_columns_of_tables_without_rows(table):
    pd.testing.assert_frame_equal(there_and_back(table), table)


@pytest.mark.parametrize("table", [pd.DataFrame({"a": pd.Categorical(["x"])})[:0], pd.DataFrame({"a": [1]})])
def test_other_tables_cannot_be_saved(table):
    with pytest.raises(TypeError, match="which a file without code cannot hold"):
        there_and_back(table)


@pytest.mark.parametrize("tensor", [torch.arange(3), torch.tensor(True), torch.rand(2, 0, 3).double()])
def test_tensors(tensor):
    found = there_and_back(tensor)
    assert found.dtype == tensor.dtype
    assert torch.equal(found, tensor)


@pytest.mark.parametrize(
    "index",
    [
        pd.Index([1, 2]), pd.Index([0.5, 2]), pd.Index(["a", "b"]), pd.Index(["a", 1], dtype=object),
        pd.Index([True, False]), pd.Index(["a", "b"], dtype="string[python]"), pd.Index([1, 2], dtype="Int64"),
        pd.Index(["a"], dtype="large_string[pyarrow]"), pd.Index([], dtype="str"),
        pd.date_range("2024", periods=3), pd.timedelta_range("1D", periods=2), pd.interval_range(0, 3),
        pd.IntervalIndex.from_breaks(pd.date_range("2024", periods=3), closed="left"),
    ],
    ids=lambda index: str(index.dtype),
)  # fmt: skip
def test_indexes(index):
    found = there_and_back(index)
    assert found.equals(index)
    assert found.inferred_type == index.inferred_type
    assert found.dtype == index.dtype or index.inferred_type == "string"


@pytest.mark.parametrize(
    "value",
    [
        object(), {1, 2}, lambda: 0, 1j, np.array([1j]), np.array([object()], dtype=object), torch.nn.Linear,
        torch.zeros(1, dtype=torch.bfloat16), pd.period_range("2024", periods=2, freq="D"), b"bytes",
        type("SGD", (torch.optim.SGD,), {}), type("float64", (np.float64,), {}), np.frompyfunc(abs, 1, 1), np.save,
        dict, np.dtype([("a", int)]), pd.CategoricalDtype(["a"]),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_anything_else_is_an_error_that_says_where(value):
    with pytest.raises(TypeError, match=r"^here.* is .*which a file without code cannot hold"):
        Writer(PLAIN_CODECS)(value, "here")


@pytest.mark.parametrize(
    "content",
    [
        {"optimizer": "lr_scheduler"}, {"optimizer": "Optimizer.step"}, {"array": ["a", "O"]}, {"array": "missing"},
        {"function": "os.system"}, {"named": "save"}, {"named": "ndarray"},
        {"named": "lib"}, {"named": "eval"}, {"a": 1, "b": 2}, {}, {"array": [[1], "no dtype", [1]]},
    ],
    ids=repr,
)  # fmt: skip
def test_what_no_writer_wrote_is_an_error(content):
    with pytest.raises((ValueError, LookupError, TypeError, AttributeError)):
        Reader(PLAIN_CODECS, {"a": np.arange(3)})(content)


def test_a_value_that_is_missing_stays_the_one_of_pandas():
    assert there_and_back(pd.NA) is pd.NA
    assert there_and_back(np.array([pd.NA, "a"], dtype=object))[0] is pd.NA
