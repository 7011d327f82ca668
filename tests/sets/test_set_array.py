import io
import json
import pickle

import numpy as np
import pandas as pd
import pytest
from pandas.tests.extension import base
from sklearn.model_selection import train_test_split

from sk_deepsets import RaggedSets, check_sets
from sk_deepsets.sets._set_array import SetArray, SetDtype


def ones(values):
    """Sets of one element with one feature: numbers enough for pandas' suite to compare them with ==."""
    return SetArray(RaggedSets(np.array(values, dtype=float)[:, None], np.arange(len(values) + 1)))


PANDAS_2 = pd.__version__.startswith("2.")
# Tests of pandas' suite that ask for what sets are not, by the beginning of their names.
NOT_FOR_SETS = {
    "sets have no order": (
        *("test_is_monotonic", "test_argsort", "test_nargsort", "test_sort_", "test_rank", "test_searchsorted"),
        *("test_argmin_argmax", "test_argreduce", "test_argmax_argmin", "test_combine_le", "test_combine_add"),
    ),
    "sets have no hash": (
        *("test_hash_pandas_object", "test_factorize", "test_value_counts", "test_duplicated", "test_unique"),
        *("test_merge_on_extension_array", "test_loc_setitem_with_expansion_retains_ea_dtype"),
    ),
    "pandas takes a collection for a list of values, never for one (GH-33901)": (
        *(
            "test_series_constructor_scalar_with_index",
            "test_setitem_sequence_broadcasts[True",
            "test_setitem_2d_values",
        ),
        *("test_setitem_mask[True", "test_setitem_mask_boolean_array_with_na[True", "test_setitem_mask_broadcast"),
        *("test_setitem_integer_array[True", "test_setitem_slice[True", "test_setitem_loc_iloc_slice"),
        *("test_fillna_series[", "test_fillna_frame[", "test_fillna_limit_series", "test_fillna_limit_frame"),
        *("test_fillna_copy_series", "test_fillna_copy_frame", "test_where_series_listlike", "test_mask_listlike"),
    ),
    "pandas takes every object array for a view": ("test_readonly_propagates_to_numpy_array_method",),
    "pandas 2 leaves it to NumPy, which refuses": ("test_astype_str",) if PANDAS_2 else (),
}


@pytest.fixture(autouse=True)
def _skip(request):
    for reason, names in NOT_FOR_SETS.items():
        if request.cls is not None and f"{request.node.name}[".startswith(names):
            pytest.skip(reason)


@pytest.fixture
def dtype():
    return SetDtype()


@pytest.fixture
def data():
    return ones(range(1, 101 if PANDAS_2 else 11))


@pytest.fixture
def data_missing():
    return SetArray(RaggedSets(np.array([[1.0]]), [0, 0, 1]), [True, False])


@pytest.fixture(params=["data", "data_missing"])
def all_data(request, data, data_missing):
    return data if request.param == "data" else data_missing


@pytest.fixture
def na_value(dtype):
    return dtype.na_value


@pytest.fixture
def na_cmp():
    return lambda one_set, na_value: one_set is pd.NA and na_value is pd.NA


@pytest.fixture
def invalid_scalar():
    return object()


@pytest.fixture(params=[True, False])
def box_in_series(request):
    return request.param


@pytest.fixture(params=[True, False])
def as_array(request):
    return request.param


@pytest.fixture(params=[True, False])
def as_series(request):
    return request.param


@pytest.fixture(params=[True, False])
def as_frame(request):
    return request.param


@pytest.fixture(params=[True, False])
def use_numpy(request):
    return request.param


@pytest.fixture
def data_for_sorting():
    return ones([2, 3, 1])


@pytest.fixture
def data_missing_for_sorting():
    return ones([2, 3, 1]).take([0, -1, 2], allow_fill=True)


@pytest.fixture
def data_repeated(data):
    return lambda count: (data for _ in range(count))


@pytest.fixture(params=["ffill", "bfill"])
def fillna_method(request):
    return request.param


@pytest.fixture
def using_nan_is_na():
    return True


class TestDtype(base.BaseDtypeTests):
    pass


class TestConstructors(base.BaseConstructorsTests):
    pass


class TestInterface(base.BaseInterfaceTests):
    pass


class TestGetitem(base.BaseGetitemTests):
    pass


class TestSetitem(base.BaseSetitemTests):
    pass


class TestPrinting(base.BasePrintingTests):
    pass


class TestReshaping(base.BaseReshapingTests):
    pass


class TestMissing(base.BaseMissingTests):
    pass


class TestCasting(base.BaseCastingTests):
    """Text is JSON, not what NumPy prints: see ``test_a_csv_file_keeps_all_elements``."""

    @pytest.mark.skip(reason="text is JSON")
    def test_astype_str(self):
        """Not that of each value."""

    @pytest.mark.skip(reason="text is JSON")
    def test_astype_string(self):
        """Not that of each value."""


class TestMethods(base.BaseMethodsTests):
    pass


class TestIndex(base.BaseIndexTests):
    pass


N_SETS = 100_000
SIZES = [2, 0, 1, 3]


def frame(n_elements, kinds="xyz"):
    return pd.DataFrame(
        {
            "a": np.arange(n_elements, dtype=float),
            "kind": pd.Categorical.from_codes(np.arange(n_elements) % len(kinds), list(kinds)),
            "n": pd.array([None, *range(1, n_elements)][:n_elements], dtype="Int64"),
            "name": [f"name {i}" for i in range(n_elements)],
            "yes": np.arange(n_elements) % 2 == 0,
        }
    )


def set_array(sizes=SIZES, mixed=True, kinds="xyz"):
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    elements = frame(offsets[-1], kinds) if mixed else np.arange(2.0 * offsets[-1]).reshape(-1, 2)
    return SetArray(RaggedSets(elements, offsets))


def assert_sets(array, expected):
    """Set by set, the same values of the same kinds."""
    array = array.array if isinstance(array, pd.Series) else array
    assert isinstance(array, SetArray)
    assert len(array) == len(expected)
    for ours, theirs in zip(array, expected, strict=True):
        if isinstance(theirs, pd.DataFrame):
            pd.testing.assert_frame_equal(ours, theirs)
        else:
            np.testing.assert_array_equal(ours, theirs, strict=True)


@pytest.fixture(params=[True, False], ids=["mixed", "numbers"])
def mixed(request):
    return request.param


@pytest.fixture
def table(mixed):
    return pd.DataFrame({"key": list("abcd"), "sets": set_array(mixed=mixed)})


def test_the_values_are_the_sets_without_their_context_and_index(mixed):
    elements = set_array(mixed=mixed).sets.elements
    array = SetArray(RaggedSets(elements, [0, 2, 2, 3, 6], context=np.zeros((4, 1)), index=pd.Index(list("abcd"))))
    cut = elements.iloc if mixed else elements
    assert_sets(array, [cut[:2], cut[2:2], cut[2:3], cut[3:6]])
    assert array.sets.context is None
    assert array.sets.index is None
    assert array.nbytes > elements.shape[0] * 8
    with pytest.raises(TypeError, match="must be a RaggedSets"):
        SetArray(elements)


@pytest.mark.parametrize(
    "key",
    [slice(1, 3), slice(None, None, -2), [2, 0], np.array([True, False, False, True]), [], pd.array([3, 3])],
    ids=str,
)
def test_rows_are_chosen_as_of_any_column(table, key):
    numbers = np.arange(4)[key if len(table["sets"].array[key]) else slice(0)]
    expected = [table["sets"].array[number] for number in numbers]
    assert_sets(table["sets"].array[key], expected)
    assert_sets(table.iloc[key]["sets"], expected)
    if not isinstance(key, slice):
        assert_sets(table[np.isin(np.arange(4), numbers)]["sets"], [table["sets"].array[i] for i in np.unique(numbers)])


def test_frames_concatenate(table):
    both = pd.concat([table, table.iloc[[3]], table.iloc[:0]], ignore_index=True)
    assert_sets(both["sets"], [*table["sets"], table["sets"].iloc[3]])


def sizes_of(column):
    """The size of each set, None for those that are missing."""
    return [None if one_set is pd.NA else len(one_set) for one_set in column]


def test_a_row_without_a_set_has_a_missing_one(table):
    array = table["sets"].array
    assert sizes_of(array.take([3, -1, 1], allow_fill=True)) == [3, None, 0]
    assert_sets(array.take([-1, 1], allow_fill=True, fill_value=array[3]), [array[3], array[1]])
    assert sizes_of(table.set_index("key").reindex(["d", "e", "a"])["sets"]) == [3, None, 2]
    merged = pd.DataFrame({"key": list("dxa")}).merge(table, how="left", on="key")["sets"]
    assert_sets(merged[[0, 2]], [array[3], array[0]])
    assert merged.isna().tolist() == [False, True, False]
    assert sizes_of(table["sets"].shift()) == [None, 2, 0, 1]
    assert sizes_of(table["sets"].where(table["key"] > "b")) == [None, None, 1, 3]
    assert sizes_of(table["sets"].where(table["key"] > "b", table["sets"][::-1].array)) == [3, 1, 1, 3]
    assert sizes_of(pd.concat([table, table[["key"]][:1]])["sets"]) == [2, 0, 1, 3, None]
    assert sizes_of(merged.dropna()) == [3, 2]
    nothing = array[:0].take([-1, -1], allow_fill=True)
    assert nothing.isna().all()
    assert nothing.sets.n_features == array.sets.n_features


def test_missing_sets_are_filled_with_one_set_or_those_of_their_rows(table):
    array = table["sets"].array.take([0, -1, -1, 3], allow_fill=True)
    assert_sets(array.fillna(array[0]), [array[0], array[0], array[0], array[3]])
    assert sizes_of(array.fillna(table["sets"].array)) == [2, 0, 1, 3]
    assert sizes_of(array.fillna(table["sets"].array, limit=1)) == [2, 0, None, 3]
    assert sizes_of(pd.Series(array).fillna(table["sets"])) == [2, 0, 1, 3]
    assert sizes_of(array.fillna(array[0][:0])) == [2, 0, 0, 3]
    assert sizes_of(array) == [2, None, None, 3]
    with pytest.raises(ValueError, match="Got 2 sets for 4 rows"):
        array.fillna(array[:2])


def test_sets_are_written_at_positions(table):
    array, before = table["sets"].array.copy(), list(table["sets"])
    array[0] = before[3]
    array[[1, 2]] = SetArray._from_sequence(before)[[2, 0]]
    array[3] = None
    assert_sets(array[:3], [before[3], before[2], before[0]])
    assert sizes_of(array) == [3, 1, 2, None]
    array[:] = before[2]
    assert sizes_of(array) == [1, 1, 1, 1]
    with pytest.raises(ValueError, match="2 sets at 3 positions"):
        array[:3] = array[:2]
    table.at[1, "sets"] = before[3]
    for nothing in (None, np.nan, pd.NA):
        table.loc[table["key"] == "a", "sets"] = nothing
        assert sizes_of(table["sets"]) == [None, 3, 1, 3]
        table.at[0, "sets"] = before[0]


def test_writing_to_a_copy_leaves_the_column_alone(table):
    part, copy = table["sets"][:2], table.copy()
    part[0] = None
    copy.at[3, "sets"] = None
    table["sets"].array.isna()[:] = True
    assert sizes_of(table["sets"]) == SIZES


def test_a_frame_that_loc_aligns_away_is_missing_and_not_empty(table):
    table.loc[0, "sets"] = frame(2)  # pandas aligns its columns with those of the table, and writes NaN
    assert table["sets"].isna().tolist() == [True, False, False, False]


def test_a_mask_must_fit_the_sets():
    sets = RaggedSets(np.ones((1, 1)), [0, 1, 1])
    assert SetArray(sets, [False, True]).missing.tolist() == [False, True]
    for mask in ([True, False], [False], [[False, True]]):
        with pytest.raises(ValueError, match="missing must have one boolean for each of 2 sets"):
            SetArray(sets, mask)


def test_sequences_of_every_form_are_read(mixed):
    sets = list(set_array(mixed=mixed))
    assert_sets(pd.Series([*sets, None], dtype="sets")[:4], sets)
    assert pd.Series([*sets, None], dtype="sets").isna().tolist() == [False] * 4 + [True]
    assert_sets(pd.array(SetArray._from_sequence(sets).sets, dtype="sets"), sets)
    assert_sets(pd.Series(sets, dtype=object).astype("sets"), sets)
    assert_sets(pd.Series(SetArray._from_sequence(sets)).astype(object).astype("sets"), sets)
    whole = SetArray._from_sequence([np.array([[2**60 + 1]]), np.array([[1], [2]])])
    assert whole.sets.elements.tolist() == [[2**60 + 1], [1], [2]]
    assert SetArray._from_sequence([[[1.0, 2.0]], None]).sets.sizes.tolist() == [1, 0]
    assert SetArray._from_sequence([pd.DataFrame([[1.0, 2.0]])])[0].tolist() == [[1.0, 2.0]]
    assert SetArray._from_sequence([[["a"]], []][1:]).sets.sizes.tolist() == [0]
    with pytest.raises(ValueError, match="is one set, not many"):
        SetArray._from_sequence(np.ones((3, 2)))
    with pytest.raises(ValueError, match="expected an array"):
        SetArray._from_sequence(["a"])


def test_equality_is_that_of_the_elements(table):
    array = table["sets"].array
    assert (array == array.copy()).all()  # a missing value equals a missing value
    assert (array == array[::-1]).tolist() == [False] * 4
    assert (array == array[3]).tolist() == [False, False, False, True]
    assert (array != list(array)).tolist() == [False] * 4
    assert (array == ones([1, 2, 3, 4])).tolist() == [False] * 4
    assert (array == "set").tolist() == [False] * 4
    changed = array.copy()
    changed[3] = array.take([0, 0, 0, 3])[3][::-1]
    assert (array == changed).tolist() == [True, True, True, False]
    assert table.equals(table.copy())
    assert array[0] in array
    assert None not in array
    assert pd.NA not in array
    gone = array.take([0, -1, 1, 3], allow_fill=True)
    assert pd.NA in gone
    assert (gone == gone.copy()).tolist() == [True, False, True, True]  # a missing set equals none
    assert (gone == array).tolist() == [True, False, False, True]
    assert gone.equals(gone.copy())
    with pytest.raises(ValueError, match="Lengths"):
        array == array[:2]  # noqa: B015


def test_what_needs_an_order_a_hash_or_a_sum_is_refused(table):
    for refused in (
        table["sets"].sum,
        table["sets"].unique,
        table.drop_duplicates,
        lambda: table.sort_values("sets"),
        lambda: table.groupby("sets").size(),
    ):
        with pytest.raises(TypeError, match="Sets have no order, hash or sum"):
            refused()


def test_objects_are_the_sets(table):
    objects = table["sets"].to_numpy()
    assert objects.shape == (4,)
    assert [len(one_set) for one_set in objects] == SIZES
    assert table["sets"].map(len).tolist() == SIZES
    first = table["sets"].map(lambda one_set: one_set[:1])
    assert_sets(first.astype("sets") if PANDAS_2 else first, [one_set[:1] for one_set in table["sets"]])
    words = table["sets"].map(lambda one_set: ["a"] * len(one_set))
    assert words.dtype == object  # lists that a function makes are not sets
    assert words[3] == ["a", "a", "a"]
    with pytest.raises(ValueError, match="do not fit"):
        np.asarray(table["sets"], dtype=float)


def test_a_column_prints_the_sizes(table):
    table = table.reindex(range(5))
    for text in (repr(table), repr(table["sets"]), table.to_html(), table.to_string(), repr(table["sets"].array)):
        assert [text.count(what) for what in ("2 elements", "empty", "1 element", "3 elements")] == [1, 1, 1, 1]
        assert text.replace("&lt;", "<").replace("&gt;", ">").count("<NA>") == 1
        assert "name 1" not in text
        assert "[" not in text.replace("[2 elements", "")
    info = io.StringIO()
    table.info(buf=info)
    assert "sets" in info.getvalue()


def test_formatters_of_the_user_get_the_sets():
    table = pd.DataFrame({"sets": set_array(mixed=False)})
    assert "total 6" in table.to_string(formatters={"sets": lambda one_set: f"total {one_set.sum():.0f}"})


def test_no_object_is_made_for_each_set(monkeypatch, mixed):
    sizes = np.arange(N_SETS) % 4
    table = pd.DataFrame({"key": np.arange(N_SETS), "sets": set_array(sizes, mixed=mixed)})
    calls = []
    cut = RaggedSets._cut
    monkeypatch.setattr(RaggedSets, "_cut", lambda self, key: calls.append(key) or cut(self, key))

    assigned = table.assign(again=table["sets"])
    assert len(assigned.iloc[10:-10:3]) == len(assigned.sample(frac=0.5).iloc[: len(assigned.iloc[10:-10:3])])
    train, test = train_test_split(table, random_state=0)
    both = pd.concat([train, test]).sort_values("key")
    back = pickle.loads(pickle.dumps(both))
    assert back.equals(table)
    assert (back["sets"].array.sets.sizes == sizes).all()
    assert len(back.merge(table[table["key"] > 9], on="key", how="left")) == N_SETS
    assert len(table.set_index("key").reindex(np.arange(-5, N_SETS))) == N_SETS + 5
    table.loc[table["key"] % 2 == 0, "sets"] = None
    table.copy().memory_usage(deep=True)
    for text in (repr(back), repr(back["sets"]), back._repr_html_(), repr(back["sets"].array)):
        assert "3 elements" in text
    assert len(calls) < 100


TEXTS = {
    "mixed": RaggedSets(
        pd.DataFrame({"amount": [0.1, 1e-17, 3.0], "item": pd.Categorical(["a,b", "b", 'say "a"']), "n": [1, 2, 3]}),
        [0, 2, 2, 3],
    ),
    "array": RaggedSets(np.random.default_rng(0).normal(size=(2003, 3)), [0, 2000, 2000, 2003]),
    "named": RaggedSets(np.random.default_rng(0).normal(size=(5, 2)), [0, 2, 2, 5], feature_names=["a", "b"]),
    "scalars": RaggedSets(np.arange(4)[:, None], [0, 3, 3, 4]),
}


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("name", TEXTS)
def test_a_csv_file_keeps_all_elements(name, missing, tmp_path):
    sets = TEXTS[name]
    gone = np.array([False, missing, False])
    data = pd.DataFrame({"age": [1, 2, 3], "events": SetArray(sets, gone)})
    data.to_csv(tmp_path / "data.csv", index=False)
    back = pd.read_csv(tmp_path / "data.csv")
    texts = data["events"].astype("str")
    assert back["events"].dropna().tolist() == texts.dropna().tolist()
    assert (back["events"].isna() == gone).all()
    for column in (back["events"], texts):
        again = check_sets(column.astype(object).map(json.loads, na_action="ignore"), dtype=None, missing_sets="empty")
        assert again.sizes.tolist() == sets.sizes.tolist()
        wanted = pd.DataFrame(sets.elements, columns=sets.feature_names).astype(object)
        assert pd.DataFrame(again.elements).to_numpy().tolist() == wanted.to_numpy().tolist()
    assert "elements" in str(data)
    assert check_sets(data.astype(object)[["events"]], missing_sets="empty", dtype=None).sizes.tolist() == [*sets.sizes]


def test_times_are_text_in_a_csv_file():
    events = pd.DataFrame({"at": pd.to_datetime(["2026-01-02 03:04", None]), "x": [1.0, np.nan]})
    text = RaggedSets(events, [0, 2]).to_series().astype("str")[0]
    assert json.loads(text)[0] == {"at": "2026-01-02 03:04:00", "x": 1.0}


def test_len_of_each_set_is_that_of_its_table():
    column = TEXTS["mixed"].to_series()
    assert column.map(len).tolist() == [2, 0, 1]
    holed = pd.Series(SetArray(TEXTS["mixed"], [False, True, False]))
    assert holed.map(len, na_action="ignore").tolist()[::2] == [2, 1]
    with pytest.raises(TypeError):
        holed.map(len)
