"""The front door, fuzzed: sets equal to a slow reading of the same, or an error of our own that names the set.

2,200 cases, others in each run; ``FRONT_DOOR_TIMES=50`` in the environment makes fifty times as many.
"""

import copy
import datetime
import decimal
import math
import numbers
import os
import re
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from scipy import sparse

import sk_deepsets
from sk_deepsets import PaddedSets, RaggedSets, check_sets
from sk_deepsets.sets import SetArray

ak = pytest.importorskip("awkward")
pa = pytest.importorskip("pyarrow")
pl = pytest.importorskip("polars")

TIMES = int(os.environ.get("FRONT_DOOR_TIMES", "1"))
PACKAGE = str(Path(sk_deepsets.__file__).parent)
FLOAT32_MAX = float(np.finfo(np.float32).max)


def cases(count):
    return settings(max_examples=count * TIMES, deadline=None, database=None, suppress_health_check=list(HealthCheck))


def objects(items):
    return np.fromiter(items, dtype=object, count=len(items))


def offsets_of(items):
    return np.concatenate([[0], np.cumsum([len(item) for item in items])]).astype(int)


def refused(X, **how):
    """The message of the error, which must come from a ``raise`` of the package's own."""
    with pytest.raises((ValueError, TypeError)) as info:
        check_sets(X, **how)
    trace = info.value.__traceback__
    while trace.tb_next is not None:
        trace = trace.tb_next
    assert trace.tb_frame.f_code.co_filename.startswith(PACKAGE), f"raised by {trace.tb_frame.f_code}: {info.value!r}"
    return str(info.value)


# Sets of numbers in every form. Each takes a list of two-dimensional arrays of one width.


def ragged(items, **parts):
    return RaggedSets(np.concatenate(items), offsets_of(items), **parts)


def padded(items):
    mask = np.zeros((len(items), max(map(len, items)) + 1), dtype=bool)
    values = np.full((*mask.shape, items[0].shape[1]), np.nan)
    for number, item in enumerate(items):
        mask[number, 1 : len(item) + 1] = True
        values[number, 1 : len(item) + 1] = item
    return PaddedSets(values, mask)


def frames(items, index=True):
    names = [f"c{column}" for column in range(items[0].shape[1])]
    labels = pd.RangeIndex(100, 100 + sum(map(len, items)))
    cuts = offsets_of(items)
    return [
        pd.DataFrame(item, columns=names, index=labels[a:b] if index else None)
        for item, a, b in zip(items, cuts, cuts[1:], strict=False)
    ]


def dicts(items):
    return [
        None if item is None else [{f"c{i}": value for i, value in enumerate(row)} for row in item.tolist()]
        for item in items
    ]


def lists(items):
    return [None if item is None else item.tolist() for item in items]


def vectors(items):
    return pa.list_(pa.list_(pa.float64(), next(item.shape[1] for item in items if item is not None)))


def structs(items):
    width = next(item.shape[1] for item in items if item is not None)
    return pa.list_(pa.struct([(f"c{column}", pa.float64()) for column in range(width)]))


def nested(item):
    """One array for each element in an array of objects, as pandas reads lists of lists from Parquet."""
    return None if item is None else objects(list(item))


def each(function):
    return lambda items: [None if item is None else function(item) for item in items]


MAY_MISS = {
    "list": list,
    "tuple": tuple,
    "object array": objects,
    "Series": lambda items: pd.Series(objects(items), index=range(5, 5 + len(items))),
    "column of a frame": lambda items: pd.DataFrame({"age": 1.0, "s": objects(items)}),
    "rows of objects": lambda items: pd.DataFrame({"age": 1.0, "s": objects(items)}).to_numpy(dtype=object),
    "lists of lists": lists,
    "tuples of tuples": each(lambda item: tuple(map(tuple, item.tolist()))),
    "lists of arrays": each(list),
    "arrays of arrays": each(nested),
    "arrays of objects": each(lambda item: item.astype(object)),
    "arrays in Fortran's order": each(np.asfortranarray),
    "views": each(lambda item: np.repeat(item, 2, axis=0)[::2]),
    "read-only arrays": each(lambda item: np.frombuffer(item.tobytes()).reshape(item.shape) if item.size else item),
    "big-endian arrays": each(lambda item: item.astype(">f8")),
    "long doubles": each(lambda item: item.astype(np.longdouble)),
    "float16": each(lambda item: item.astype(np.float16)),
    "float32": each(lambda item: item.astype(np.float32)),
    "decimals": each(lambda item: [[decimal.Decimal(value) for value in row] for row in item.tolist()]),
    "fractions": each(lambda item: [[Fraction(value) for value in row] for row in item.tolist()]),
    "masked arrays without a mask": each(np.ma.array),
    "tensors": each(torch.tensor),
    "tensors with a gradient": each(lambda item: torch.tensor(item, requires_grad=True)),
    "tensors that are views": each(lambda item: (torch.tensor(item) * -1j).conj().imag),
    "frames without names": each(pd.DataFrame),
    "frames": lambda items: [None if item is None else frames([item], index=False)[0] for item in items],
    "frames of nullable numbers": each(lambda item: pd.DataFrame(item).add_prefix("c").astype("Float64")),
    "frames of polars": each(
        lambda item: pl.DataFrame(item, schema=[f"c{i}" for i in range(item.shape[1])], orient="row")
    ),
    "tables of pyarrow": each(lambda item: pa.table({f"c{i}": column for i, column in enumerate(item.T)})),
    "dicts": dicts,
    "SetArray": SetArray._from_sequence,
    "column of sets": lambda items: pd.Series(items, dtype="sets"),
    "frame with a column of sets": lambda items: pd.DataFrame({"s": pd.Series(items, dtype="sets"), "age": 1.0}),
    "pyarrow": lambda items: pa.array(lists(items), type=vectors(items)),
    "pyarrow in chunks": lambda items: pa.chunked_array([lists(items[:1]), lists(items[1:])], type=vectors(items)),
    "pyarrow structs": lambda items: pa.array(dicts(items), type=structs(items)),
    "pandas' Arrow": lambda items: pd.Series(lists(items), dtype=pd.ArrowDtype(vectors(items))),
    "polars": lambda items: pl.Series(pa.array(lists(items), type=vectors(items))),
    "polars structs": lambda items: pl.Series(pa.array(dicts(items), type=structs(items))),
    "table of polars": lambda items: pl.DataFrame(
        {"s": pl.Series(pa.array(lists(items), type=vectors(items))), "age": [1.0] * len(items)}
    ),
    "table of pyarrow": lambda items: pa.table(
        {"age": [1.0] * len(items), "s": pa.array(lists(items), type=vectors(items))}
    ),
    "awkward": lambda items: ak.from_arrow(pa.array(lists(items), type=vectors(items))),
}
ALL_PRESENT = {
    "RaggedSets": ragged,
    "RaggedSets with parts": lambda items: ragged(
        items, context=np.ones((len(items), 1)), index=pd.RangeIndex(len(items))
    ),
    "RaggedSets of a frame": lambda items: RaggedSets(pd.concat(frames(items)), offsets_of(items)),
    "PaddedSets": padded,
    "one frame each, with labels": frames,
    "nested tensor": lambda items: torch.nested.nested_tensor(
        [torch.tensor(item) for item in items], layout=torch.jagged
    ),
}
ONE_SIZE = {
    "array": np.stack,
    "tensor": lambda items: torch.tensor(np.stack(items)),
    "objects": lambda items: np.stack(items).astype(object),
}
SCALARS = {
    "flat arrays": each(lambda item: item[:, 0]),
    "flat lists": each(lambda item: item[:, 0].tolist()),
    "Series": each(lambda item: pd.Series(item[:, 0], index=range(3, 3 + len(item)))),
    "nullable Series": each(lambda item: pd.Series(item[:, 0], dtype="Float64")),
    "Series of polars": each(lambda item: pl.Series(item[:, 0])),
    "flat tensors": each(lambda item: torch.tensor(item[:, 0])),
    "lists in Arrow": lambda items: pa.array(
        [None if item is None else item[:, 0].tolist() for item in items], type=pa.list_(pa.float64())
    ),
    "awkward": lambda items: ak.from_arrow(
        pa.array([None if item is None else item[:, 0].tolist() for item in items], type=pa.list_(pa.float64()))
    ),
}


@st.composite
def numeric_items(draw, min_sets=1):
    """Arrays of quarters, which every float holds exactly."""
    width = draw(st.integers(1, 3))
    sizes = draw(st.lists(st.integers(0, 3), min_size=min_sets, max_size=5).filter(any))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    return [rng.integers(-400, 400, (size, width)) / 4 for size in sizes]


@cases(1000)
@given(st.data())
def test_every_form_is_read_as_a_slow_reading_reads_it(data):
    items = data.draw(numeric_items())
    forms = MAY_MISS | ALL_PRESENT
    if len(set(map(len, items))) == 1:
        forms = forms | ONE_SIZE
    if items[0].shape[1] == 1:
        forms = forms | {f"scalars: {name}": form for name, form in SCALARS.items()}
    name = data.draw(st.sampled_from(sorted(forms)))
    present = [True] * len(items)
    if name not in ALL_PRESENT | ONE_SIZE:
        present = data.draw(st.lists(st.booleans(), min_size=len(items), max_size=len(items)))
        if not any(len(item) for item, there in zip(items, present, strict=True) if there):
            present = [True] * len(items)
    given_ = [item if there else None for item, there in zip(items, present, strict=True)]
    X = forms[name](given_)
    before = copy.deepcopy(X)
    if not all(present):
        message = refused(X)
        n_missing = present.count(False)
        verb = "is" if n_missing == 1 else "are"
        assert message.startswith(f"{n_missing} of {len(items)} sets {verb} missing; the first is set")
        assert re.search(rf"the first is set {present.index(False)}\b", message)
    sets = check_sets(X, missing_sets="empty")
    assert [one.tolist() for one in sets] == [[] if item is None else item.tolist() for item in given_]
    assert sets.elements.dtype in (np.float32, np.float64)
    assert len(sets.rows) == len(sets.elements)
    assert same(X, before)


def same(ours, theirs):
    """Whether two inputs are alike, down to types; what Arrow holds nobody can change."""
    if type(ours) is not type(theirs):
        return False
    if isinstance(ours, list | tuple):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    if isinstance(ours, dict):
        return list(ours) == list(theirs) and same(list(ours.values()), list(theirs.values()))
    if isinstance(ours, RaggedSets | PaddedSets | SetArray):
        return all(same(value, vars(theirs)[name]) for name, value in vars(ours).items())
    if isinstance(ours, pd.DataFrame):
        return ours.columns.equals(theirs.columns) and all(same(ours[name], theirs[name]) for name in ours)
    if isinstance(ours, pd.Index):
        return ours.equals(theirs)
    if isinstance(ours, pd.Series):
        return ours.index.equals(theirs.index) and ours.dtype == theirs.dtype and same(list(ours), list(theirs))
    if isinstance(ours, torch.Tensor) and ours.is_nested:
        return same(list(ours.unbind()), list(theirs.unbind()))
    if isinstance(ours, torch.Tensor):
        return torch.equal(ours, theirs) and ours.requires_grad == theirs.requires_grad
    if isinstance(ours, np.ndarray) and ours.dtype == object:
        return ours.shape == theirs.shape and same(ours.ravel().tolist(), theirs.ravel().tolist())
    if isinstance(ours, np.ndarray):
        return ours.dtype == theirs.dtype and np.array_equal(ours, theirs, equal_nan=True)
    return isinstance(ours, ak.Array | pa.Array | pa.ChunkedArray | pa.Table | pl.Series | pl.DataFrame) or (
        ours is theirs or ours == theirs or ours != ours
    )


def mixed(sizes, seed):
    rng = np.random.default_rng(seed)
    words = rng.choice(["tea", "cup", "pot"], sum(sizes))
    table = pd.DataFrame(
        {
            "price": rng.integers(0, 99, sum(sizes)) / 4,
            "number": rng.integers(0, 99, sum(sizes)).astype("int16"),
            "name": words.astype(object),
            "kind": pd.Categorical(words, categories=["pot", "tea", "cup"]),
            "new": rng.integers(0, 2, sum(sizes)) == 1,
        }
    )
    cuts = np.concatenate([[0], np.cumsum(sizes)])
    return [table.iloc[a:b] for a, b in pairwise(cuts)]


def records(items):
    return [None if item is None else item.astype({"kind": object}).to_dict("records") for item in items]


PRODUCT = pa.list_(
    pa.struct(
        [
            ("price", pa.float64()),
            ("number", pa.int16()),
            ("name", pa.string()),
            ("kind", pa.dictionary(pa.int8(), pa.string())),
            ("new", pa.bool_()),
        ]
    )
)
MIXED = {
    "frames": list,
    "frames in an array": objects,
    "frames with categories of their own": each(
        lambda frame: frame.assign(kind=frame["kind"].cat.remove_unused_categories())
    ),
    "frames in Arrow's dtypes": each(lambda frame: frame.astype({"price": "double[pyarrow]", "new": "bool[pyarrow]"})),
    "column of sets": lambda items: pd.Series(items, dtype="sets"),
    "frame with a column of sets": lambda items: pd.DataFrame({"s": pd.Series(items, dtype="sets"), "age": 1.0}),
    "dicts": records,
    "dicts in arrays": lambda items: [None if item is None else objects(item) for item in records(items)],
    "polars": each(pl.from_pandas),
    "pyarrow": each(lambda frame: pa.Table.from_pandas(frame, preserve_index=False)),
    "list of structs": lambda items: pa.array(records(items), type=PRODUCT),
    "structs in pandas": lambda items: pd.Series(records(items), dtype=pd.ArrowDtype(PRODUCT)),
    "written by us": lambda items: pa.array(pd.Series(items, dtype="sets")),
}


@cases(200)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=4), st.data())
def test_columns_of_several_kinds_are_read_as_they_are(sizes, data):
    items = mixed(sizes, data.draw(st.integers(0, 2**32)))
    name = data.draw(st.sampled_from(sorted(MIXED)))
    present = data.draw(st.lists(st.booleans(), min_size=len(items), max_size=len(items)))
    if not sum(np.multiply(present, sizes)):
        return  # nothing tells what the columns would be
    X = MIXED[name]([item if there else None for item, there in zip(items, present, strict=True)])
    if not all(present):
        assert re.match(rf"{present.count(False)} of {len(items)} sets (is|are) missing", refused(X, dtype=None))
    before = copy.deepcopy(X)
    sets = check_sets(X, dtype=None, missing_sets="empty")
    assert same(X, before)
    for one, item, there in zip(sets, items, present, strict=True):
        wanted = item if there else item[:0]
        assert one.astype(object).to_numpy().tolist() == wanted.astype(object).to_numpy().tolist()
    assert list(sets.feature_names) == list(items[0])
    if name not in ("dicts", "dicts in arrays"):
        assert isinstance(sets.elements["kind"].dtype, pd.CategoricalDtype)
    with pytest.raises(ValueError, match=r"The column 'name' of the elements has dtype .*; expected numbers"):
        check_sets(X, missing_sets="empty")


# One set that is none among good ones.


def slow_rows(item):
    """The rows of one set by plain Python, None where it is no set of finite numbers."""
    item = item.tolist() if isinstance(item, np.ndarray) and item.dtype.names is None else item
    if not isinstance(item, list | tuple):
        return None
    rows = [list(row) if isinstance(row, list | tuple) else [row] for row in item]
    if any(len(row) == 0 for row in rows):
        return None
    for value in (value for row in rows for value in row):
        if isinstance(value, bool | np.bool_):
            continue
        if not isinstance(value, numbers.Real | decimal.Decimal) or isinstance(value, np.timedelta64):
            return None
        if value != value or not abs(value) <= FLOAT32_MAX:
            return None
    return rows


def masked(item):
    return np.ma.array(item, mask=np.arange(item.size).reshape(item.shape) == 0)


def with_value(value):
    """The set with one value replaced, as lists and as an array of objects."""
    return lambda item: [[value, *row[1:]] if number == 0 else row for number, row in enumerate(item.tolist())]


VALUES = {
    **{repr(value): value for value in ("a", b"a", 1j, None, math.nan, math.inf, -math.inf, 1e39, 10**400)},
    **{
        repr(value): value
        for value in (bytearray(b"a"), memoryview(b"a"), object, {"a": 1}, {1}, [1.0], (1.0, 2.0), [])
    },
    **{repr(value): value for value in (pd.NaT, pd.NA, pd.Timestamp(0), pd.Timedelta(5), pd.Period("2020"))},
    **{repr(value): value for value in (datetime.date(2020, 1, 1), datetime.time(1), datetime.timedelta(1))},
    **{repr(value): value for value in (np.datetime64("2020"), np.timedelta64(5, "s"), np.str_("a"), np.complex64(1))},
    **{repr(value): value for value in (decimal.Decimal("NaN"), decimal.Decimal("1e400"), np.ma.masked)},
    "array": np.ones(2),
    "frame": pd.DataFrame({"a": [1]}),
}
BROKEN = {
    "a number": lambda item: 1.0,
    "zero dimensions": lambda item: np.array(1.0),
    "three dimensions": lambda item: item[None],
    "a string": lambda item: "abc",
    "bytes": lambda item: b"abc",
    "bytearray": lambda item: bytearray(b"abc"),
    "memoryview": lambda item: memoryview(b"abc"),
    "a dict": lambda item: {"a": 1.0},
    "an object": lambda item: object(),
    "a class": lambda item: list,
    "a generator": lambda item: (row for row in item),
    "an iterator": lambda item: iter(item.tolist()),
    "strings": lambda item: np.full(item.shape, "a"),
    "bytes in an array": lambda item: np.full(item.shape, b"a"),
    "complex": lambda item: item + 1j,
    "days": lambda item: np.full(item.shape, np.datetime64("2020-01-01")),
    "seconds": lambda item: np.full(item.shape, np.timedelta64(5, "s")),
    "seconds as objects": lambda item: np.full(item.shape, np.timedelta64(5, "s")).astype(object),
    "records": lambda item: np.zeros(2, dtype=[("a", float), ("b", float)]),
    "masked": masked,
    "masked rows": lambda item: list(masked(item)),
    "sparse row": lambda item: sparse.coo_array(np.ones(3)),
    "sparse tensor": lambda item: torch.tensor(item).to_sparse(),
    "bfloat16": lambda item: torch.tensor(item).bfloat16(),
    "complex tensor": lambda item: torch.tensor(item).to(torch.complex64).conj(),
    "meta tensor": lambda item: torch.tensor(item).to("meta"),
    "nested tensor": lambda item: torch.nested.nested_tensor([torch.tensor(row) for row in item], layout=torch.jagged),
    "another width": lambda item: np.ones((2, item.shape[1] + 1)),
    "no features": lambda item: np.empty((2, 0)),
    "unequal rows": lambda item: [[1.0], [1.0, 2.0]],
    "unequal arrays": lambda item: nested([np.ones(1), np.ones(2)]),
    "a frame": lambda item: pd.DataFrame(item).add_prefix("c"),
    "a frame of strings": lambda item: pd.DataFrame(item).add_prefix("c").astype(str),
    "a table of polars": lambda item: pl.DataFrame(item),
    "a Series of days": lambda item: pd.Series(pd.to_datetime(["2020-01-01"])),
    "a Series of seconds": lambda item: pd.Series(pd.to_timedelta([5], "s")),
    "a Series of strings": lambda item: pd.Series(["a"]),
    "a nullable Series": lambda item: pd.Series([1, None], dtype="Int64"),
    "an Index of strings": lambda item: pd.Index(["a"]),
    "days of polars": lambda item: pl.Series([datetime.date(2020, 1, 1)]),
    "strings of pyarrow": lambda item: pa.array(["a"]),
    "strings of numpy": lambda item: np.array(["a"], dtype=np.dtypes.StringDType()),
    "awkward": lambda item: ak.Array([[1.0], [1.0, 2.0]]),
    "sets": lambda item: RaggedSets(np.ones((1, 1)), [0, 1]),
    **{f"value {name}": with_value(value) for name, value in VALUES.items()},
    **{
        f"value {name} in an array": lambda item, value=value: np.fromiter(
            [value, *item.ravel().tolist()[1:]], dtype=object, count=item.size
        ).reshape(item.shape)
        for name, value in VALUES.items()
    },
}
WRAPS = {
    name: MAY_MISS[name] for name in ("list", "tuple", "object array", "Series", "column of a frame", "rows of objects")
}


@pytest.mark.filterwarnings("ignore:Warning. converting a masked element to nan")  # NumPy's, for lists
@cases(600)
@given(st.data())
def test_one_broken_set_is_named(data):
    items = [item if len(item) else np.ones((1, item.shape[1])) for item in data.draw(numeric_items())]
    place = data.draw(st.integers(0, len(items) - 1))
    name = data.draw(st.sampled_from(sorted(BROKEN)))
    items[place] = BROKEN[name](items[place])
    X = WRAPS[data.draw(st.sampled_from(sorted(WRAPS)))](items)
    rows = [slow_rows(item) for item in items]
    if None not in rows and len({len(row) for one in rows for row in one}) == 1:
        assert [one.tolist() for one in check_sets(X)] == rows
        return
    alone = len(items) == 1 and ("string" in name or "frame" in name or "table" in name)
    if alone:  # strings and tables are sets, if not of numbers
        return
    message = refused(X, dtype=data.draw(st.sampled_from(["numeric", None])))
    # what the first set is decides what is wanted of the others, and which column of a table holds sets
    number = r"\d+" if place == 0 or "width" in name else place
    assert re.search(rf"\b[Ss]ets? {number}\b|column|two ways", message), message


# What is not sets at all.

LEAF = st.sampled_from(list(VALUES.values())) | st.floats() | st.integers() | st.text(max_size=2)
TREE = st.recursive(LEAF, lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner), max_leaves=8)
WRAP = st.sampled_from([list, objects, pd.Series, lambda items: pd.DataFrame({"s": objects(items)})])
DTYPES = ["?", "i8", "u2", "f2", "f8", "g", "c8", "U1", "S1", "O", "M8[s]", "m8[s]", "V4"]
LIBRARIES = {
    "NumPy": lambda array: array,
    "masked": lambda array: np.ma.array(array, mask=np.arange(array.size).reshape(array.shape) % 2),
    "torch": torch.tensor,
    "lists": lambda array: array.tolist(),
    "frame": pd.DataFrame,
    "Series": pd.Series,
    "Index": pd.Index,
    "pyarrow": lambda array: pa.array(array.tolist()),
    "polars": lambda array: pl.Series(array.tolist()),
    "polars frame": pl.DataFrame,
    "awkward": lambda array: ak.Array(array.tolist()),
    "sets": lambda array: RaggedSets(array, [0, len(array)]),
    "PaddedSets": lambda array: PaddedSets(array, np.ones(array.shape[:2])),
    "SetArray": lambda array: SetArray(RaggedSets(array, [0, len(array)])),
    "sparse": sparse.coo_array,
}


def read_or_refused(X, dtype=None):
    """The sets, or None if an error of our own refuses them."""
    how = {"missing_sets": "empty", "ensure_min_elements": 0, "dtype": dtype}
    try:
        return check_sets(X, **how)
    except (ValueError, TypeError):
        return refused(X, **how) and None


@pytest.mark.filterwarnings("ignore:Warning. converting a masked element to nan")
@cases(200)
@given(TREE, WRAP, st.sampled_from(["numeric", None]))
def test_any_nest_of_anything_is_read_or_refused(tree, wrap, kind):
    try:
        X = wrap(tree) if isinstance(tree, list | tuple) and len(tree) else tree
    except OverflowError:  # pandas 2 has no Series of numbers beyond float64
        assume(False)
    sets = read_or_refused(X, kind)
    assert sets is None or len(sets) == len(X)


@cases(200)
@given(
    st.sampled_from(DTYPES),
    st.lists(st.integers(0, 3), max_size=4),
    st.sampled_from(sorted(LIBRARIES)),
    st.booleans(),
    st.sampled_from(["numeric", None]),
)
def test_any_array_of_any_library_is_read_or_refused(dtype, shape, library, many, kind):
    assume(dtype != "g" or library != "polars")  # which reads them as bytes
    assume(shape or library in ("NumPy", "torch"))  # others make an array of the bytes of one string
    array = np.ones(shape, dtype="i8").astype(dtype)
    try:
        X = LIBRARIES[library](array)
    except Exception:
        assume(False)  # there is no such thing
    if many:
        X = [X, X]
    sets = read_or_refused(X, kind)
    # columns of a table keep their kinds, whatever these are
    assert sets is None or array.dtype.kind in "biufUO" or not array.size or "frame" in library
    if sets is not None and array.dtype.kind in "biufO":
        assert (np.asarray(sets.elements) == 1).all()
