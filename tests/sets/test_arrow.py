"""What is Arrow data, and how it comes into pyarrow."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from sk_deepsets.sets import RaggedSets, check_sets, is_arrow
from sk_deepsets.sets._arrow import as_one_array

pa = pytest.importorskip("pyarrow")
pl = pytest.importorskip("polars")


@pytest.mark.parametrize(
    "table",
    [pa.table({"a": [[1]]}), pa.record_batch({"a": [[1]]}), pl.DataFrame({"a": [[1]]}), pd.DataFrame({"a": [1]})],
)
def test_a_table_is_no_column(table):
    with pytest.raises(
        TypeError, match=f"Expected one column in Arrow, but got {type(table).__name__}; pass one of its columns"
    ):
        as_one_array(table)


def test_a_stream_of_record_batches_is_an_error():
    with pytest.raises(TypeError, match="got RecordBatchReader; pass one of its columns"):
        as_one_array(pa.table({"a": [[1]]}).to_reader())


class Capsule:
    """What any other library may offer."""

    def __init__(self, array):
        self.array = array


class ArrayCapsule(Capsule):
    def __arrow_c_array__(self, requested_schema=None):
        return self.array.__arrow_c_array__(requested_schema)


class StreamCapsule(Capsule):
    def __arrow_c_stream__(self, requested_schema=None):
        return pa.chunked_array([self.array, self.array]).__arrow_c_stream__(requested_schema)


def test_any_object_with_the_capsule_interface_is_read():
    array = pa.array([[1.5], None, [2.5]])
    for wrapped, times in [(ArrayCapsule(array), 1), (StreamCapsule(array), 2)]:
        assert is_arrow(wrapped)
        assert as_one_array(wrapped).to_pylist() == [[1.5], None, [2.5]] * times
    memory = array.values.to_numpy()
    assert np.shares_memory(as_one_array(ArrayCapsule(array)).values.to_numpy(), memory)


def test_is_arrow():
    lists = pa.array([[1.0], [2.0]])
    series = pd.Series(pd.arrays.ArrowExtensionArray(lists))
    for X in (lists, pa.chunked_array([lists]), series, series.array, pa.array([1.0])):
        assert is_arrow(X)
    numbers = pd.Series([1.0], dtype=pd.ArrowDtype(pa.float64()))
    others = [
        *(pd.Series([1.0]), pd.Series(["a"]), pd.Series([[1.0]]), pd.Series(["a"], dtype="category"), numbers),
        *(numbers.array, pd.array([1]), pd.array(["a"]), numbers.to_frame(), series.to_frame(), pd.Index([1])),
        *(np.ones(2), RaggedSets(np.ones((1, 1)), [0, 1]), [[1.0]], None, "a", 1.0),
    ]
    for X in others:
        assert not is_arrow(X), type(X)


def test_awkward_arrays_that_arrow_cannot_hold_are_an_error():
    ak = pytest.importorskip("awkward")
    with pytest.raises(
        TypeError, match=r"X is an Awkward Array of type 2 \* var \* complex128, which Arrow cannot hold"
    ):
        check_sets(ak.Array([[1j], [2.0]]))
    with pytest.raises(ValueError, match=r"X holds large_list<.*union"):
        check_sets(ak.Array([[1.0, "a"], [2.0]]))


def test_without_pyarrow_only_reading_is_an_error(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ImportError, match=r'needs pyarrow: pip install "sk-deepsets\[arrow\]"\.'):
        as_one_array([[1.0]])
    assert not is_arrow(pd.Series([1.0]))
    assert not is_arrow(np.ones(2))


def test_importing_and_asking_does_not_need_pyarrow():
    code = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "import numpy as np, pandas as pd\n"
        "from sk_deepsets.sets._arrow import is_arrow\n"
        "assert not any(map(is_arrow, [np.ones(2), [[1.0]], pd.Series([1.0]), pd.Series(['a']), pd.DataFrame()]))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
