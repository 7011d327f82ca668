"""Sets from Arrow, and columns of sets in Arrow and back: Parquet, polars, pyarrow."""

from importlib.util import find_spec

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from sk_deepsets import ElementTransformer
from sk_deepsets.preprocessing import read_element_targets
from sk_deepsets.sets import RaggedSets, SetDtype, check_sets, is_arrow
from sk_deepsets.sets._arrow_lists import sets_from_arrow
from sk_deepsets.sets._arrow_lists import sets_to_arrow as write

pa = pytest.importorskip("pyarrow")
pl = pytest.importorskip("polars")
from pyarrow import parquet  # noqa: E402 - only where pyarrow is

LISTS = [pa.list_, pa.large_list, pa.list_view, pa.large_list_view]
PRODUCT = pa.struct(
    [
        ("price", pa.float64()),
        ("number", pa.int16()),
        ("name", pa.string()),
        ("new", pa.bool_()),
        ("shop", pa.dictionary(pa.int8(), pa.string())),
    ]
)


def sets_of(X):
    """The sets, in which those that are missing are empty."""
    sets, missing = sets_from_arrow(X)
    assert not sets.sizes[missing].any()
    return sets


def products(*numbers):
    return [{"price": i / 4, "number": i, "name": f"n{i}", "new": i % 2 == 1, "shop": "ab"[i % 2]} for i in numbers]


def as_lists(sets):
    """The sets as lists of rows of plain Python values."""
    table = sets.elements
    rows = table.to_dict("split")["data"] if isinstance(table, pd.DataFrame) else table.tolist()
    return [rows[a:b] for a, b in zip(sets.offsets[:-1], sets.offsets[1:], strict=True)]


def as_rows(lists):
    """What ``as_lists`` should give for lists, or nulls, of dicts, tuples and scalars."""
    return [[row_of(element) for element in one_set or []] for one_set in lists]


def row_of(element):
    if isinstance(element, dict):
        return list(element.values())
    return list(element) if isinstance(element, list | tuple) else [element]


ELEMENTS = {
    "scalars": (pa.int32(), st.integers(-9, 9)),
    "vectors": (pa.list_(pa.float32(), 2), st.lists(st.integers(-9, 9).map(float), min_size=2, max_size=2)),
    "structs": (PRODUCT, st.integers(0, 9).map(lambda i: products(i)[0])),
}


@pytest.mark.parametrize("make_list", LISTS, ids=lambda function: function.__name__)
@pytest.mark.parametrize("kind", ELEMENTS)
@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_lists_come_back_from_slices_and_chunks(make_list, kind, data):
    dtype, elements = ELEMENTS[kind]
    some_sets = st.lists(st.none() | st.lists(elements, max_size=4), max_size=6)
    arrays, kept = [], []
    for lists in data.draw(st.lists(some_sets, max_size=3)):
        start = data.draw(st.integers(0, len(lists)))
        stop = data.draw(st.integers(start, len(lists)))
        arrays.append(pa.array(lists, type=make_list(dtype))[start:stop])
        kept += lists[start:stop]
    sets = sets_of(pa.chunked_array(arrays, type=make_list(dtype)))
    assert as_lists(sets) == as_rows(kept)
    assert sets.offsets.dtype == np.int64
    assert sets.index is None
    for array in arrays:
        assert as_lists(sets_of(array)) == as_rows(array.to_pylist())


@settings(deadline=None)
@given(
    st.lists(st.none() | st.lists(st.integers(-9, 9), min_size=3, max_size=3), max_size=6),
    st.integers(0, 6),
    st.integers(0, 6),
)
def test_a_fixed_size_list_is_a_set_of_scalars(lists, start, stop):
    array = pa.array(lists, type=pa.list_(pa.int64(), 3))[start : max(start, stop)]
    assert as_lists(sets_of(array)) == as_rows(lists[start : max(start, stop)])


def test_a_null_list_is_empty_even_where_values_lie_beneath_it():
    validity = pa.array([True, False, True]).buffers()[1]
    offsets = pa.array([0, 2, 4, 5], type=pa.int32()).buffers()[1]
    values = pa.array([1, 2, None, 4, 5])
    array = pa.Array.from_buffers(pa.list_(pa.int64()), 3, [validity, offsets], children=[values])
    assert as_lists(sets_of(array)) == [[[1], [2]], [], [[5]]]
    assert as_lists(sets_of(array[1:])) == [[], [[5]]]


def test_a_list_view_may_have_gaps_and_any_order():
    offsets, sizes = pa.array([3, 0, 1], type=pa.int32()), pa.array([2, 2, 1], type=pa.int32())
    array = pa.ListViewArray.from_arrays(offsets, sizes, pa.array([0, 1, 2, 3, 4]))
    assert as_lists(sets_of(array)) == [[[3], [4]], [[0], [1]], [[1]]]
    assert as_lists(sets_of(array[1:])) == [[[0], [1]], [[1]]]


@pytest.mark.parametrize(
    "dtype", ["bool_", "int8", "uint8", "int16", "uint16", "int32", "int64", "uint64", "float16", "float32", "float64"]
)
def test_numbers_keep_their_dtype(dtype):
    arrow = getattr(pa, dtype)()
    numpy = np.dtype(dtype.rstrip("_"))
    sets = sets_of(pa.array([[0, 1], [], [1]], type=pa.list_(pa.int64())).cast(pa.list_(arrow)))
    assert sets.elements.dtype == numpy
    assert sets.elements.tolist() == [[0], [1], [1]]
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(np.array([0, 1, 1, 0], dtype=numpy)), 2)
    sets = sets_of(pa.LargeListArray.from_arrays([0, 2], vectors))
    assert sets.elements.dtype == numpy
    assert sets.elements.tolist() == [[0, 1], [1, 0]]


def test_nan_is_no_null():
    assert np.isnan(sets_of(pa.array([[float("nan")]])).elements).all()


@pytest.mark.parametrize("make_list", LISTS, ids=lambda function: function.__name__)
def test_numbers_share_the_memory_of_the_array(make_list):
    lists = [[1.0, 2.0], None, [], [3.0]]
    array = pa.array(lists, type=make_list(pa.float64()))
    memory = array.values.to_numpy()
    for given_ in (array, array[1:], pa.chunked_array([array]), pd.Series(pd.arrays.ArrowExtensionArray(array))):
        assert np.shares_memory(sets_of(given_).elements, memory)


def test_vectors_and_fields_share_the_memory_of_the_array():
    vectors = pa.array([[[1.0, 2.0]], [[3.0, 4.0], [5.0, 6.0]]], type=pa.list_(pa.list_(pa.float64(), 2)))
    assert np.shares_memory(sets_of(vectors[1:]).elements, vectors.values.values.to_numpy())
    if pd.__version__ < "3":
        return  # which copies the columns of every new frame
    structs = pa.array([products(1), products(2, 3)], type=pa.list_(PRODUCT))
    elements = sets_of(structs[1:]).elements
    for number, name in enumerate(["price", "number"]):
        assert np.shares_memory(elements[name].to_numpy(), structs.values.field(number).to_numpy())


def test_fields_keep_their_kinds():
    lists = [products(1, 2), None, products(3)]
    sets = sets_of(pa.array(lists, type=pa.list_(PRODUCT)))
    expected = pd.DataFrame(
        {
            "price": [0.25, 0.5, 0.75],
            "number": np.array([1, 2, 3], dtype=np.int16),
            "name": pd.Series(["n1", "n2", "n3"], dtype="str"),
            "new": [True, False, True],
            "shop": pd.Categorical(["b", "a", "b"], categories=["b", "a"]),
        }
    )
    pd.testing.assert_frame_equal(sets.elements.reset_index(drop=True), expected)
    assert sets.rows.tolist() == [(0, 0), (0, 1), (2, 0)]
    assert sets.sizes.tolist() == [2, 0, 1]
    assert sets.feature_names.tolist() == list(expected)


@pytest.mark.parametrize("strings", ["string", "large_string", "string_view"])
@pytest.mark.parametrize("indices", ["int8", "uint32", "int64"])
def test_every_kind_of_string_and_index_is_read(strings, indices):
    values = pa.array(["x", "y", "z"], type=getattr(pa, strings)())
    codes = pa.array([2, 0, 2], type=getattr(pa, indices)())
    shops = pa.DictionaryArray.from_arrays(codes, values, ordered=True)
    structs = pa.StructArray.from_arrays([values, shops], names=["name", "shop"])
    elements = sets_of(pa.ListArray.from_arrays([0, 1, 3], structs)).elements
    assert elements["name"].tolist() == ["x", "y", "z"]
    assert elements["name"].dtype == pd.Series(["x"], dtype="str").dtype
    assert elements["shop"].tolist() == ["z", "x", "z"]
    assert elements["shop"].cat.categories.tolist() == ["x", "y", "z"]
    assert elements["shop"].cat.ordered


def test_a_category_that_occurs_twice_in_the_dictionary_is_one():
    shops = pa.DictionaryArray.from_arrays(pa.array([2, 1, 0]), pa.array(["x", "y", "x"]))
    structs = pa.StructArray.from_arrays([shops], names=["shop"])
    shop = sets_of(pa.ListArray.from_arrays([0, 3], structs)).elements["shop"]
    assert shop.tolist() == ["x", "y", "x"]
    assert shop.cat.categories.tolist() == ["x", "y"]


def test_chunks_with_different_dictionaries_get_all_categories():
    dtype = pa.list_(pa.struct([("shop", pa.dictionary(pa.int8(), pa.string()))]))
    chunks = [pa.array([[{"shop": name}]], type=dtype) for name in "uvu"]
    shop = sets_of(pa.chunked_array(chunks)).elements["shop"]
    assert shop.tolist() == ["u", "v", "u"]
    assert shop.cat.categories.tolist() == ["u", "v"]


def test_a_struct_of_lists_is_read_by_its_common_offsets():
    table = {"price": [[0.5], [1.0, 1.5], [], [2.0]], "name": [["a"], ["b", "c"], [], ["d"]]}
    valid = [True, False, True, True]
    array = pa.StructArray.from_arrays(
        [pa.array(lists) for lists in table.values()], names=list(table), mask=pa.array([not one for one in valid])
    )
    for given_ in (array, pa.chunked_array([array])):
        sets = sets_of(given_)
        assert as_lists(sets) == [[[0.5, "a"]], [], [], [[2.0, "d"]]]
        assert list(sets.elements) == ["price", "name"]
    assert as_lists(sets_of(array[1:])) == [[], [], [[2.0, "d"]]]


def test_a_struct_of_lists_of_unequal_sizes_is_an_error():
    array = pa.StructArray.from_arrays([pa.array([[1], [2, 3]]), pa.array([[1], [2]])], names=["a", "b"])
    with pytest.raises(ValueError, match=r"Set 1 has unequal numbers of elements in its fields: {'a': 2, 'b': 1}\."):
        sets_of(array)


@pytest.mark.parametrize("lists", [[], [[]], [[], None]])
def test_sets_without_an_element_are_read(lists):
    for dtype, width in [(pa.null(), 0), (pa.float32(), 1), (pa.list_(pa.int8(), 3), 3), (PRODUCT, 5)]:
        sets = sets_of(pa.array(lists, type=pa.list_(dtype)))
        assert sets.elements.shape == (0, width)
        assert len(sets) == len(lists)


NULLS = [
    ([[1], [2, None]], pa.int64(), r"Set 1 holds a null \(element 1\); fill missing values, or drop"),
    ([None, [], [None]], pa.null(), r"Set 2 holds a null \(element 0\)"),
    ([[[1, 2], None]], pa.list_(pa.int64(), 2), r"Set 0 holds a null \(element 1\)"),
    ([[[1, 2]], [], [[3, 4], [5, None]]], pa.list_(pa.int64(), 2), r"Set 2 holds a null \(element 1, feature 1\)"),
    ([products(1, 2), [*products(3), None]], PRODUCT, r"Set 1 holds a null \(element 1\)"),
    *(
        (
            [products(1), [*products(2, 3), {**products(4)[0], name: None}]],
            PRODUCT,
            rf"Set 1 .*\(element 2, field '{name}'\)",
        )
        for name in ("price", "number", "name", "new", "shop")
    ),
]


@pytest.mark.parametrize(("lists", "dtype", "message"), NULLS)
def test_a_null_in_a_set_is_an_error_that_says_where(lists, dtype, message):
    with pytest.raises(ValueError, match=message):
        sets_of(pa.array(lists, type=pa.list_(dtype)))
    # the sets before it are not counted in a slice, and neither are those of another chunk forgotten
    with pytest.raises(ValueError, match=message):
        sets_of(pa.array([[], *lists], type=pa.large_list(dtype))[1:])
    with pytest.raises(ValueError, match=message):
        sets_of(pa.chunked_array([[one_set] for one_set in lists], type=pa.list_(dtype)))


def test_a_null_in_a_dictionary_is_an_error_only_where_it_is_used():
    shops = pa.DictionaryArray.from_arrays(pa.array([0, 2, 1]), pa.array(["x", None, "y"]))
    structs = pa.StructArray.from_arrays([shops], names=["shop"])
    array = pa.ListArray.from_arrays([0, 2, 3], structs)
    assert as_lists(sets_of(array[:1])) == [[["x"], ["y"]]]
    with pytest.raises(ValueError, match=r"Set 1 holds a null \(element 0, field 'shop'\)"):
        sets_of(array)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (pa.array([1.0, 2.0]), r"X holds double; expected lists of numbers"),
        (pa.array(["a"]), r"X holds string; expected lists"),
        (pa.array([None, None]), r"X holds null; expected lists"),
        (pa.array([{"a": 1}]), r"X holds struct<a: int64>; expected lists"),
        (pa.array([{"a": 1, "b": [2]}]), r"X holds struct<a: int64, b: list<.*; expected lists"),
        (pa.array([{}]), r"X holds struct<>; expected lists"),
        (pa.array([[("a", 1)]], type=pa.map_(pa.string(), pa.int64())), r"X holds map<string, int64>; expected lists"),
        (pa.array([[["a"]], []]), r"X holds list<.*list<.*string>>; expected lists"),
        (pa.array([[[1, 2], [3]], []]), r"Set 0 has 1 features \(element 1\); the elements before it have 2"),
        (pa.array([[["a"]]], type=pa.list_(pa.list_(pa.string(), 1))), r"X holds list<.*fixed_size_list<.*string>"),
        (pa.array([[pd.Timestamp(0)]]), r"X holds list<.*timestamp\[.*; expected lists"),
        (pa.array([[{"when": pd.Timestamp(0)}]]), r"Field 'when' holds timestamp\[.*; expected numbers"),
        (pa.array([[{"tags": [1]}]]), r"Field 'tags' holds list<.*; expected numbers"),
        (
            pa.nulls(2, pa.list_(pa.struct([("day", pa.dictionary(pa.int8(), pa.date32()))]))),
            r"Field 'day' holds dictionary<.*date32",
        ),
    ],
    ids=lambda value: str(getattr(value, "type", ""))[:30],
)
def test_other_types_are_errors(array, message):
    for given_ in (array, pa.chunked_array([array])):
        with pytest.raises(ValueError, match=message):
            sets_of(given_)


def test_two_fields_of_one_name_are_an_error():
    structs = pa.StructArray.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    with pytest.raises(ValueError, match=r"Several columns have the same name: \['a'\]"):
        sets_of(pa.ListArray.from_arrays([0, 1], structs))


def test_tensors_of_more_than_one_axis_are_an_error():
    for shape in [(2,), (2, 1)]:
        dtype = pa.fixed_shape_tensor(pa.float32(), shape)
        tensors = pa.ExtensionArray.from_storage(dtype, pa.array([[1, 2], [3, 4]], type=dtype.storage_type))
        array = pa.ListArray.from_arrays([0, 1, 2], tensors)
        if len(shape) == 1:
            assert as_lists(sets_of(array)) == [[[1, 2]], [[3, 4]]]
        else:
            with pytest.raises(ValueError, match=r"X holds tensors of shape \[2, 1\]"):
                sets_of(array)


def test_a_series_keeps_its_index():
    series = pd.Series([[1.0], None, [2.0, 3.0]], index=list("xyz"), dtype=pd.ArrowDtype(pa.list_(pa.float64())))
    sets = check_sets(series.iloc[1:], missing_sets="empty")
    assert sets.index.tolist() == ["y", "z"]
    assert as_lists(sets) == [[], [[2.0], [3.0]]]
    assert check_sets(series.array, missing_sets="empty").index is None


@pytest.mark.parametrize("by_pandas", [True, False])
def test_parquet_round_trip(tmp_path, by_pandas):
    if by_pandas and int(pd.__version__.split(".")[0]) < 3:
        pytest.skip("pandas 2 cannot read what it says itself of such a column in the metadata")
    lists = [products(1, 2), None, [], products(3)]
    frame = pd.DataFrame({"id": [7, 8, 9, 10]})
    frame["products"] = pd.Series(lists, dtype=pd.ArrowDtype(pa.list_(PRODUCT)))
    if by_pandas:
        frame.to_parquet(tmp_path / "sets.parquet")
    else:
        parquet.write_table(pa.Table.from_pandas(frame).replace_schema_metadata(), tmp_path / "sets.parquet")
    read = pd.read_parquet(tmp_path / "sets.parquet", dtype_backend="pyarrow").set_index("id")
    assert is_arrow(read["products"])
    sets = check_sets(read["products"], dtype=None, missing_sets="empty")
    assert as_lists(sets) == as_rows(lists)
    assert sets.index.tolist() == [7, 8, 9, 10]
    # in many chunks, as large files come
    table = parquet.read_table(tmp_path / "sets.parquet")
    chunks = pa.concat_tables([table, table])["products"]
    assert chunks.num_chunks == 2
    assert as_lists(sets_of(chunks)) == as_rows(lists + lists)


def test_polars():
    vectors = [[[1.0, 2.0]], None, [], [[3.0, 4.0], [5.0, 6.0]]]
    shapes = [
        ([[1.0], None, [], [2.0, 3.0]], pl.List(pl.Float32)),
        ([[1, 2], None, [3, 4]], pl.Array(pl.Int64, 2)),
        (vectors, pl.List(pl.Array(pl.Float64, 2))),
        ([[{"a": 1, "b": "x", "c": "u"}], None, [{"a": 2, "b": "y", "c": "v"}]] * 2, None),
    ]
    structs = pl.List(pl.Struct({"a": pl.Int8, "b": pl.String, "c": pl.Categorical}))
    for lists, dtype in shapes:
        series = pl.Series(lists, dtype=dtype or structs)
        assert is_arrow(series)
        assert as_lists(sets_of(series)) == as_rows(lists)
        assert as_lists(sets_of(series[1:])) == as_rows(lists[1:])
        assert as_lists(sets_of(pl.concat([series, series], rechunk=False))) == as_rows(lists * 2)
    elements = sets_of(series).elements
    assert elements["a"].dtype == np.int8
    assert elements["c"].dtype == "category"
    with pytest.raises(ValueError, match=r"Set 1 holds a null \(element 0\)"):
        sets_of(pl.Series([[1], [None]]))


@pytest.mark.skipif(find_spec("nested_pandas") is None, reason="needs nested-pandas")
def test_nested_pandas():
    from nested_pandas import NestedDtype, NestedFrame

    structs = pa.list_(pa.struct([("flux", pa.float64()), ("band", pa.string())]))
    lists = [[{"flux": 1.0, "band": "g"}], None, [], [{"flux": 2.0, "band": "r"}, {"flux": 3.0, "band": "g"}]]
    series = pd.Series(lists, index=list("wxyz"), dtype=pd.ArrowDtype(structs)).astype(NestedDtype(structs))
    for given_, expected in [
        (series, lists),
        (series.iloc[1:], lists[1:]),
        (series.iloc[[3, 1]], [lists[3], None]),
        (pd.concat([series, series]), lists * 2),
    ]:
        assert is_arrow(given_)
        assert is_arrow(given_.array)
        sets = check_sets(given_, dtype=None, missing_sets="empty")
        assert as_lists(sets) == as_rows(expected)
        assert sets.index.equals(given_.index)
        assert sets.feature_names.tolist() == ["flux", "band"]

    flat = pd.DataFrame({"t": [1, 2, 3], "band": ["g", "r", "g"]}, index=[5, 5, 6])
    frame = NestedFrame({"a": [0, 1]}, index=[5, 6]).join_nested(flat, "lightcurve")
    assert not is_arrow(frame)
    assert as_lists(check_sets(frame["lightcurve"], dtype=None)) == [[[1, "g"], [2, "r"]], [[3, "g"]]]
    assert check_sets(frame, dtype=None).context["a"].tolist() == [0, 1]
    assert check_sets(frame["lightcurve"], dtype=None).index.tolist() == [5, 6]


def test_awkward():
    ak = pytest.importorskip("awkward")
    structs = [[{"pt": 1.5, "charge": 1}], [], [{"pt": 2.5, "charge": -1}, {"pt": 3.5, "charge": 1}]]
    vectors = [[[1.0, 2.0]], [], [[3.0, 4.0], [5.0, 6.0]]]
    for lists in ([[1, 2], [], [3]], [[1.5], None, [2.5]], structs):
        for extension in (True, False):
            array = ak.to_arrow(ak.Array(lists), extensionarray=extension)
            assert is_arrow(array)
            assert as_lists(sets_of(ak.Array(lists))) == as_rows(lists)
            assert as_lists(sets_of(array)) == as_rows(lists)
            assert as_lists(sets_of(array[1:])) == as_rows(lists[1:])
            assert as_lists(sets_of(pa.chunked_array([array, array]))) == as_rows(lists * 2)
    assert as_lists(sets_of(ak.to_arrow(ak.to_regular(ak.Array(vectors), axis=2)))) == vectors
    with pytest.raises(ValueError, match=r"Set 1 holds a null \(element 1\)"):
        sets_of(ak.to_arrow(ak.Array([[1], [2, None]])))
    assert as_lists(sets_of(ak.Array(vectors))) == vectors  # lists that happen to have one size
    with pytest.raises(ValueError, match=r"Set 1 has 1 features \(element 1\); the elements before it have 2"):
        sets_of(ak.Array([[[1.0, 2.0]], [[3.0, 4.0], [5.0]]]))


# From sets to Arrow and back.

KINDS = pd.DataFrame(
    {
        "amount": [1.5, np.nan, 3.0, 4.0],
        "count": np.array([1, 2, 3, 4], dtype=np.int16),
        "kind": pd.Categorical(["b", "a", "b", "b"], categories=["b", "a", "c"]),
        "text": pd.Series(["x", "y", "z", "x"], dtype="str"),
        "flag": [True, False, True, True],
    }
)
SETS = RaggedSets(KINDS, [0, 2, 2, 4])
NUMBERS = RaggedSets(np.arange(8.0).reshape(4, 2), [0, 3, 3, 4])


def sets_to_arrow(sets):
    return write(sets, np.zeros(len(sets), dtype=bool))


def same(ours, theirs):
    assert ours.offsets.tolist() == theirs.offsets.tolist()
    if isinstance(ours.elements, pd.DataFrame):
        assert_frame_equal(ours.elements.reset_index(drop=True), theirs.elements.reset_index(drop=True))
    else:
        np.testing.assert_array_equal(ours.elements, theirs.elements)
        assert ours.elements.dtype == theirs.elements.dtype


def test_named_features_are_structs_and_others_lists_of_one_size():
    assert sets_to_arrow(NUMBERS).to_pylist() == [[[0, 1], [2, 3], [4, 5]], [], [[6, 7]]]
    named = RaggedSets(NUMBERS.elements, NUMBERS.offsets, feature_names=["a", "b"])
    assert sets_to_arrow(named).to_pylist()[2] == [{"a": 6.0, "b": 7.0}]
    rows = [[{**row, "amount": row["amount"]} for row in one.to_dict("records")] for one in SETS]
    written = sets_to_arrow(SETS).to_pylist()
    assert written[2] == rows[2]
    assert np.isnan(written[0][1]["amount"])  # as it was, and no null


@pytest.mark.parametrize("sets", [SETS, NUMBERS, NUMBERS[:1], SETS[1:], SETS[[2, 0]], NUMBERS[1:2]])
def test_parquet_keeps_the_column_of_sets(sets, tmp_path):
    frame = pd.DataFrame({"age": np.arange(len(sets)), "events": sets.to_series().array})
    frame.to_parquet(tmp_path / "sets.parquet")
    back = pd.read_parquet(tmp_path / "sets.parquet")
    assert isinstance(back["events"].dtype, SetDtype)
    same(back["events"].array.sets, sets)
    assert back["age"].tolist() == frame["age"].tolist()


def test_parquet_keeps_what_is_missing_and_every_type_of_pandas(tmp_path):
    table = pd.DataFrame(
        {
            "n": pd.array([1, None, 3], dtype="Int64"),
            "kind": pd.Categorical(["a", None, "b"]),
            "time": pd.to_datetime(["2020-01-01", None, "2021-01-01"]),
        }
    )
    pd.DataFrame({"s": RaggedSets(table, [0, 2, 3]).to_series()}).to_parquet(tmp_path / "sets.parquet")
    back = pd.read_parquet(tmp_path / "sets.parquet")["s"].array.sets
    assert back.sizes.tolist() == [2, 1]
    assert back.elements.isna().to_numpy().tolist() == [[False] * 3, [True] * 3, [False] * 3]
    assert_frame_equal(back.elements.reset_index(drop=True), table)


def test_parquet_keeps_dtypes_that_it_has_no_word_for(tmp_path):
    table = pd.DataFrame(
        {
            "id": pd.Categorical([3, 1, 3]),
            "gap": pd.Categorical([3, None, 1]),
            "flag": pd.array([True, None, False], dtype="boolean"),
            "text": pd.array(["a", None, "b"], dtype="string"),
            "small": pd.array([1, 2, None], dtype="Int8"),
        }
    )
    pd.DataFrame({"s": RaggedSets(table, [0, 2, 3]).to_series()}).to_parquet(tmp_path / "sets.parquet")
    back = pd.read_parquet(tmp_path / "sets.parquet")["s"].array.sets.elements
    assert back.index.tolist() == [(0, 0), (0, 1), (1, 0)]
    assert_frame_equal(back.reset_index(drop=True), table)


def test_values_that_arrow_cannot_hold_name_the_column():
    table = pd.DataFrame({"x": [1.0, 2.0], "odd": [1, "a"]})
    with pytest.raises(TypeError, match="Column 'odd' of the elements has dtype object, which Arrow cannot store"):
        pa.array(RaggedSets(table, [0, 1, 2]).to_series())


def test_lists_of_structs_as_pandas_reads_them_are_sets(tmp_path):
    pl.from_pandas(pd.DataFrame({"age": [1, 2, 3], "s": SETS.to_series()})).write_parquet(tmp_path / "sets.parquet")
    frame = pd.read_parquet(tmp_path / "sets.parquet")
    assert frame["s"].dtype == object  # arrays of dicts
    sets = check_sets(frame, dtype=None, ensure_all_finite=False)
    assert sets.offsets.tolist() == SETS.offsets.tolist()
    assert_frame_equal(sets.elements.reset_index(drop=True), KINDS.astype({"kind": "str"}), check_dtype=False)


def test_sets_that_are_all_empty_of_unknown_width():
    sets = check_sets([[], []], ensure_min_elements=0)
    assert sets_to_arrow(sets).to_pylist() == [[], []]
    back = check_sets(sets_to_arrow(sets), ensure_min_elements=0)
    assert (back.elements.shape, back.sizes.tolist()) == ((0, 0), [0, 0])


def test_a_type_may_be_asked_for():
    wanted = pa.list_(pa.list_(pa.float32(), 2))
    assert pa.array(NUMBERS.to_series(), type=wanted).type == wanted


@settings(max_examples=50, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 4), min_size=1, max_size=5),
    dtype=st.sampled_from(["float32", "float64"]),
    names=st.booleans(),
    order=st.sampled_from("CF"),
)
def test_arrow_and_back(sizes, dtype, names, order):
    table = np.asarray(np.random.default_rng(0).normal(size=(sum(sizes), 3)).astype(dtype), order=order)
    sets = RaggedSets(table, np.r_[0, np.cumsum(sizes)], feature_names=list("abc") if names else None)
    same(check_sets(sets_to_arrow(sets), ensure_min_elements=0), sets)


def test_large_integers_beside_nulls_stay_what_they_are(tmp_path):
    ids = pd.array([1, None, 2**62 + 1], dtype="Int64")
    frame = pd.DataFrame({"s": RaggedSets(pd.DataFrame({"id": ids}), [0, 2, 3]).to_series()})
    frame.to_parquet(tmp_path / "sets.parquet")
    back = pd.read_parquet(tmp_path / "sets.parquet")["s"].array.sets.elements["id"]
    assert back.array.equals(ids)


@pytest.mark.parametrize("way", ["parquet", "table", "strings", "dicts"])
def test_rows_of_no_frame_are_matched_to_none(way, tmp_path):
    events = pd.DataFrame({"g": [1, 0, 1, 0], "a": [10.0, 11.0, 12.0, 13.0]})
    frame = pd.DataFrame({"s": RaggedSets.from_frame(events, by="g").to_series()})
    if way == "parquet":
        frame.to_parquet(tmp_path / "sets.parquet")
        frame = pd.read_parquet(tmp_path / "sets.parquet")
    elif way == "table":
        frame = ElementTransformer("passthrough").fit_transform(pa.Table.from_pandas(frame))
    else:
        items = [["a", "b"], ["c", "d"]] if way == "strings" else [[{"a": 1.0}, {"a": 2.0}]] * 2
        frame = pd.DataFrame({"s": pd.Series(items, dtype="sets")})
    sets = check_sets(frame, dtype=None)
    assert sets.rows.tolist() == [(0, 0), (0, 1), (1, 0), (1, 1)]
    with pytest.raises(ValueError, match="The index of y does not hold the rows of X"):
        read_element_targets(events["a"], sets)
    answers = sets.to_rows([[11.0, 13.0], [10.0, 12.0]])
    np.testing.assert_array_equal(read_element_targets(answers[::-1], sets), [11, 13, 10, 12])


@pytest.mark.parametrize("sets", [SETS, NUMBERS], ids=["mixed", "numbers"])
def test_missing_sets_are_nulls_and_stay_missing(sets, tmp_path):
    column = sets.to_series().reindex([0, 7, 1, 2])
    written = pa.array(column)
    assert written.is_null().to_pylist() == [False, True, False, False]
    frame = pd.DataFrame({"age": [1, 2, 3, 4], "s": column.array})
    frame.to_parquet(tmp_path / "sets.parquet")
    back = pd.read_parquet(tmp_path / "sets.parquet")["s"]
    through_polars = pl.from_pandas(frame)["s"]
    assert through_polars.is_null().to_list() == [False, True, False, False]
    for again in (back, through_polars):
        with pytest.raises(ValueError, match="1 of 4 sets is missing; the first is set 1"):
            check_sets(again, dtype=None, ensure_all_finite=False)
        if again is back or sets is NUMBERS:
            read = check_sets(again, dtype=None, ensure_all_finite=False, missing_sets="empty")
            assert read.sizes.tolist() == [sets.sizes[0], 0, *sets.sizes[1:]]
    assert back.array.missing.tolist() == [False, True, False, False]


def test_a_null_struct_of_lists_is_missing_and_an_empty_one_is_not():
    lists = [pa.array([[0.5], [1.0, 1.5], []]), pa.array([["a"], ["b", "c"], []])]
    array = pa.StructArray.from_arrays(lists, names=["price", "name"], mask=pa.array([False, True, False]))
    sets, missing = sets_from_arrow(array)
    assert missing.tolist() == [False, True, False]
    assert sets.sizes.tolist() == [1, 0, 0]
