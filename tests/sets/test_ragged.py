import copy
import pickle
import re
from operator import index as as_int

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import KFold, cross_validate, train_test_split
from sklearn.utils import _safe_indexing, shuffle

from sk_deepsets import RaggedSets, check_sets


def labelled(sizes, context="frame"):
    """Sets in which every number tells its set, its element and its feature: 100 set + 10 element + feature."""
    arrays = [np.array([[100.0 * s + 10 * e + f for f in range(2)] for e in range(n)]) for s, n in enumerate(sizes)]
    elements = np.concatenate([np.empty((0, 2)), *[a for a in arrays if len(a)]])
    offsets = [sum(sizes[:i]) for i in range(len(sizes) + 1)]
    rows = np.arange(len(sizes), dtype=float)[:, None] * [1, -1]
    return RaggedSets(
        elements,
        offsets,
        context=pd.DataFrame(rows, columns=["up", "down"]) if context == "frame" else rows,
        index=pd.Index([f"set {i}" for i in range(len(sizes))], dtype=object),
        feature_names=["a", "b"],
    )


def assert_holds(sets, numbers, sizes):
    """The sets are those with these numbers among ``labelled(sizes)``, with everything that belongs to them."""
    assert isinstance(sets, RaggedSets)
    assert len(sets) == len(numbers)
    for one_set, number in zip(sets, numbers, strict=True):
        expected = [[100 * number + 10 * e + f for f in range(2)] for e in range(sizes[number])]
        assert one_set.tolist() == expected
        assert one_set.shape == (sizes[number], 2)
    assert list(sets.index) == [f"set {number}" for number in numbers]
    assert np.asarray(sets.context).tolist() == [[number, -number] for number in numbers]
    assert list(sets.feature_names) == ["a", "b"]


SIZES = st.lists(st.integers(0, 4), max_size=8)
BOUND = st.none() | st.integers(-10, 10)


@st.composite
def sizes_and_key(draw):
    sizes = draw(SIZES.filter(bool))
    n = len(sizes)
    number = st.integers(-n, n - 1)
    key = draw(
        st.builds(slice, BOUND, BOUND, st.none() | st.integers(-3, 3).filter(bool))
        | st.lists(number)
        | st.lists(number).map(lambda numbers: np.array(numbers, dtype=np.int32))
        | st.lists(st.booleans(), min_size=n, max_size=n)
        | st.lists(st.booleans(), min_size=n, max_size=n).map(np.array)
        | st.lists(st.booleans(), min_size=n, max_size=n).map(pd.Series)
    )
    return sizes, key


def chosen_by(key, n):
    """What Python lists make of a key."""
    numbers = list(range(n))
    if isinstance(key, slice):
        return numbers[key]
    if len(key) and isinstance(next(iter(key)), bool | np.bool_):
        return [number for number, chosen in zip(numbers, key, strict=True) if chosen]
    return [numbers[as_int(i)] for i in key]


@settings(deadline=None)
@given(sizes_and_key(), st.sampled_from(["frame", "array"]))
def test_indexing_chooses_what_a_list_would_with_context_and_index(sizes_key, context):
    sizes, key = sizes_key
    numbers = chosen_by(key, len(sizes))
    assert_holds(labelled(sizes, context)[key], numbers, sizes)
    assert_holds(labelled(sizes, context)[key, ...], numbers, sizes)


@settings(deadline=None)
@given(SIZES.filter(bool), st.integers(-8, 7), st.sampled_from([int, np.int64, np.int8]))
def test_an_integer_chooses_one_array_as_a_list_would(sizes, number, kind):
    sets, arrays = labelled(sizes), list(labelled(sizes))
    if -len(sizes) <= number < len(sizes):
        np.testing.assert_array_equal(sets[kind(number)], arrays[number], strict=True)
    else:
        with pytest.raises(IndexError, match="out of range"):
            sets[kind(number)]


@settings(deadline=None)
@given(SIZES)
def test_sizes_length_shape_and_iteration_agree_with_the_arrays(sizes):
    sets = labelled(sizes)
    assert sets.sizes.tolist() == sizes
    assert sets.sizes.dtype == sets.offsets.dtype == np.int64
    assert len(sets) == len(sizes)
    assert sets.shape == (len(sizes),)
    assert sets.n_features == 2
    assert_holds(sets, list(range(len(sizes))), sizes)


def test_slices_with_step_one_and_single_sets_share_memory_and_others_do_not():
    sets = labelled([2, 3, 1])
    assert np.shares_memory(sets[1:].elements, sets.elements)
    assert np.shares_memory(sets[1], sets.elements)
    assert not np.shares_memory(sets[[0, 1]].elements, sets.elements)


def test_repeated_integers_repeat_sets():
    assert_holds(labelled([2, 0, 1])[[2, 2, 0, 2]], [2, 2, 0, 2], [2, 0, 1])


@pytest.mark.parametrize("key", [[True, False], [3], np.array([-4]), "a", 1.5, [[0, 1]], True, (0, 1), None])
def test_keys_that_choose_no_sets_raise_index_error(key):
    with pytest.raises(IndexError, match=r"index|axis"):
        labelled([2, 0, 1])[key]


def test_indexing_keeps_dtype_and_works_without_context_index_and_names():
    sets = RaggedSets(np.ones((3, 1), dtype=np.float32), [0, 1, 3])[[1]]
    assert sets.elements.dtype == np.float32
    assert (sets.context, sets.index, sets.feature_names) == (None, None, None)


def test_array_is_a_one_dimensional_object_array_even_when_all_sizes_are_equal():
    array = np.asarray(labelled([2, 2]))
    assert array.shape == (2,)
    assert array.dtype == object
    assert array[1].tolist() == [[100, 101], [110, 111]]
    with pytest.raises(ValueError, match=r"unequal sizes do not fit into an array of float64; use \.elements"):
        np.asarray(labelled([2, 1]), dtype=float)


def test_repr_tells_counts_sizes_dtype_and_context():
    assert repr(labelled([2, 0])) == (
        "RaggedSets(2 sets of 0 to 2 elements, 2 elements, 2 features, float64, 2 context columns)"
    )
    assert repr(RaggedSets(np.empty((0, 3), np.float32), [0])) == "RaggedSets(0 sets, 0 elements, 3 features, float32)"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"elements": np.zeros(3)}, r"elements must have shape .* but have shape \(3,\)"),
        ({"elements": np.zeros((3, 2, 1))}, r"have shape \(3, 2, 1\)"),
        ({"offsets": []}, "offsets must be a one-dimensional array of whole numbers"),
        ({"offsets": [[0, 3]]}, "offsets must be a one-dimensional"),
        ({"offsets": [1, 3]}, "begins with 0"),
        ({"offsets": [0, 2, 1, 3]}, "never fall"),
        ({"offsets": [0, 2]}, "offsets end at 2, but there are 3 elements"),
        ({"offsets": [0, 4]}, "offsets end at 4, but there are 3 elements"),
        ({"offsets": [0, 1.5, 3]}, "offsets"),
        ({"context": np.zeros((3, 1))}, "context has 3 rows for 2 sets"),
        ({"context": pd.DataFrame({"c": [1.0]})}, "context has 1 rows for 2 sets"),
        ({"context": np.zeros(2)}, "context"),
        ({"index": pd.RangeIndex(4)}, "index has 4 rows for 2 sets"),
        ({"feature_names": ["a"]}, "1 feature names for 2 features"),
        ({"rows": pd.RangeIndex(2)}, "rows has 2 labels for 3 elements"),
        (
            {"elements": pd.DataFrame(np.zeros((3, 2)), columns=["a", "b"]), "feature_names": ["b", "a"]},
            r"feature_names are \['b', 'a'\], but the DataFrame has \['a', 'b'\]",
        ),
    ],
)
def test_the_constructor_refuses_parts_that_do_not_fit(arguments, message):
    fitting = {"elements": np.zeros((3, 2)), "offsets": [0, 1, 3]}
    with pytest.raises(ValueError, match=message):
        RaggedSets(**(fitting | arguments))


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda sets: pickle.loads(pickle.dumps(sets))])
@pytest.mark.parametrize("context", ["frame", "array"])
def test_copies_and_pickles_hold_the_same_and_share_nothing(duplicate, context):
    sets = labelled([2, 0, 1], context)
    other = duplicate(sets)
    assert_holds(other, [0, 1, 2], [2, 0, 1])
    assert isinstance(other.context, type(sets.context))
    assert not np.shares_memory(other.elements, sets.elements)


@pytest.mark.parametrize(
    ("key", "numbers"), [([2, 0], [2, 0]), (np.array([False, True, True]), [1, 2]), (slice(0, 2), [0, 1])]
)
def test_safe_indexing_of_scikit_learn_keeps_ragged_sets(key, numbers):
    assert_holds(_safe_indexing(labelled([2, 0, 1]), key), numbers, [2, 0, 1])


def test_train_test_split_and_shuffle_keep_sets_context_and_targets_together():
    sizes = [2, 0, 1, 3, 4, 1, 0, 2]
    y = np.arange(8)
    train, test, y_train, y_test = train_test_split(labelled(sizes), y, test_size=3, random_state=0)
    assert_holds(train, y_train.tolist(), sizes)
    assert_holds(test, y_test.tolist(), sizes)
    assert sorted([*y_train, *y_test]) == list(range(8))
    mixed, y_mixed = shuffle(labelled(sizes), y, random_state=0)
    assert_holds(mixed, y_mixed.tolist(), sizes)


class NumberOfTheSet(ClassifierMixin, BaseEstimator):
    """Reads the number of each set off its context, so that it scores 1 if X and y were cut alike."""

    def fit(self, X, y):
        assert isinstance(X, RaggedSets)
        assert X.context["up"].tolist() == y.tolist()
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        assert isinstance(X, RaggedSets)
        return X.context["up"].to_numpy()


def test_cross_validation_indexes_ragged_sets_as_one_object():
    result = cross_validate(NumberOfTheSet(), labelled([1, 0, 2, 3, 1, 2]), np.arange(6.0), cv=KFold(3), scoring="r2")
    assert result["test_score"].tolist() == [1, 1, 1]


def test_segments_and_locate_tell_the_set_of_each_element():
    for sizes in ([2, 0, 0, 3, 1, 0], [0], [], [0, 4]):
        sets = labelled(sizes)
        wanted = [(number, place) for number, size in enumerate(sizes) for place in range(size)]
        assert sets.segments.tolist() == [number for number, _ in wanted]
        assert sets.segments.dtype == np.int64
        assert [sets.locate(row) for row in range(len(wanted))] == wanted


def test_replace_keeps_all_but_the_elements():
    sets = labelled([2, 0, 1])[[2, 0]]
    doubled = sets.replace(2 * sets.elements)
    assert [one.tolist() for one in doubled] == [[[400, 402]], [[0, 2], [20, 22]]]
    assert list(doubled.index) == ["set 2", "set 0"]
    assert doubled.context["up"].tolist() == [2, 0]
    assert list(doubled.feature_names) == ["a", "b"]
    assert doubled.rows.tolist() == sets.rows.tolist() == [(2, 0), (0, 0), (0, 1)]
    assert sets.elements.max() == 201
    assert sets.replace(np.zeros((3, 5))).feature_names is None
    assert sets.replace(np.zeros((3, 2)), feature_names=None).feature_names is None
    assert list(sets.replace(np.zeros((3, 1)), feature_names=["c"]).feature_names) == ["c"]
    frame = pd.DataFrame({"p": [1, 2, 3]}, index=[7, 8, 9])
    in_frame = sets.replace(frame)
    assert list(in_frame.feature_names) == ["p"]
    assert in_frame.elements.index.tolist() == in_frame.rows.tolist() == [(2, 0), (0, 0), (0, 1)]
    assert frame.index.tolist() == [7, 8, 9]
    with pytest.raises(ValueError, match="offsets end at 3, but there are 2 elements"):
        sets.replace(np.zeros((2, 2)))


ROWS = pd.Index(list("pqrstu"), name="event")


@pytest.mark.parametrize("given", ["argument", "frame", "frame and argument", "numbers"])
@pytest.mark.parametrize(
    "key", [slice(1, 3), [3, 0, 0], np.array([False, True, True, False]), slice(None, None, -1), []]
)
def test_the_labels_of_rows_survive(given, key):
    table = np.arange(12.0).reshape(6, 2)
    frame = pd.DataFrame(table, columns=["a", "b"], index=ROWS if given == "frame" else None)
    elements, rows = {
        "argument": (table, ROWS),
        "frame": (frame, None),
        "frame and argument": (frame, ROWS),
        "numbers": (table, None),
    }[given]
    sets = RaggedSets(elements, [0, 2, 2, 5, 6], rows=rows)
    wanted = [(s, e) for s, size in enumerate([2, 0, 3, 1]) for e in range(size)] if given == "numbers" else list(ROWS)
    assert sets.rows.tolist() == wanted
    numbers = np.arange(4)[key]
    chosen = [wanted[row] for number in numbers for row in range(sets.offsets[number], sets.offsets[number + 1])]
    part = sets[key]
    assert part.rows.tolist() == chosen
    if isinstance(part.elements, pd.DataFrame):
        assert part.elements.index.equals(part.rows)
    for other in (
        pickle.loads(pickle.dumps(part)),
        copy.deepcopy(part),
        part.replace(np.zeros((len(chosen), 1))),
        part.replace(pd.DataFrame({"z": np.zeros(len(chosen))})),
        part.to_series().array.sets,
        pd.DataFrame({"s": part.to_series()})["s"].array.sets,
    ):
        assert other.rows.tolist() == chosen
        assert other.rows.names == sets.rows.names
    assert part[::-1][::-1].rows.tolist() == chosen


def test_the_rows_of_a_frame_are_those_it_had():
    events = pd.DataFrame({"by": [1, 0, 1], "x": [1.0, 2.0, 3.0]}, index=list("pqr"))
    sets = RaggedSets.from_frame(events, by="by")
    assert sets.rows.tolist() == check_sets(sets).rows.tolist() == ["q", "p", "r"]
    assert check_sets([events[["x"]], events[["x"]][:1]]).rows.tolist() == ["p", "q", "r", "p"]
    assert check_sets(pd.DataFrame({"age": [1, 2], "s": sets.to_series()})).rows.tolist() == ["q", "p", "r"]


MASKED = np.ma.array([1.0, 2.0], mask=[0, 1])


@pytest.mark.parametrize("elements", [np.ma.array([[1.0], [2.0]], mask=[[0], [1]]), [MASKED, MASKED]])
def test_masked_elements_are_refused(elements):
    with pytest.raises(ValueError, match="The table of elements has masked values"):
        RaggedSets(elements, [0, 2])


@pytest.mark.parametrize("context", [[MASKED, MASKED], np.ma.array([[1.0], [2.0]], mask=[[0], [1]])])
def test_masked_context_is_refused(context):
    with pytest.raises(ValueError, match="The context has masked values"):
        RaggedSets(np.ones((2, 1)), [0, 1, 2], context=context)


def test_bytes_are_no_numbers():
    with pytest.raises(ValueError, match="The table of elements holds strings; expected numbers"):
        RaggedSets([bytearray(b"12"), bytearray(b"34")], [0, 2])


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_tables_of_any_library_keep_the_names_of_their_columns(library):
    make = pytest.importorskip("polars").DataFrame if library == "polars" else pytest.importorskip("pyarrow").table
    elements, context = make({"b": [5.0, 6.0], "a": [1.0, 2.0]}), make({"y": [1.0], "x": [2.0]})
    sets = RaggedSets(elements, [0, 2], context=context)
    assert sets.feature_names.tolist() == ["b", "a"]
    assert sets[0]["a"].tolist() == [1.0, 2.0]
    assert sets.context["x"].tolist() == [2.0]


def test_tensors_with_a_gradient_are_read():
    torch = pytest.importorskip("torch")
    sets = RaggedSets(torch.ones(2, 1, requires_grad=True), torch.tensor([0, 2]))
    assert sets.elements.tolist() == [[1.0], [1.0]]


@pytest.mark.parametrize(
    "offsets",
    [
        *("ab", None, 2, [], [[0, 2]], [0, 0.5, 2], [0, 2, 1, 2], [1, 2]),
        *(
            [0, np.nan, 2],
            np.array([0, 2], dtype="m8[s]"),
            np.array([False, True]),
            np.array([[0], [1, 2]], dtype=object),
        ),
    ],
)
def test_offsets_that_are_none_are_shown_as_they_came(offsets):
    message = f"array of whole numbers that begins with 0 and never falls, but are {' '.join(repr(offsets).split())}."
    with pytest.raises(ValueError, match=re.escape(message)):
        RaggedSets(np.ones((2, 1)), offsets)


def test_offsets_may_be_objects():
    assert RaggedSets(np.ones((2, 1)), np.array([0, 1, 2], dtype=object)).sizes.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("context", "message"),
    [
        (3, "The context is 3; expected an array of shape .n_sets, n_context."),
        (["a", "b"], "context must have shape .n_sets, n_context., but has shape .2,."),
        ([bytearray(b"a"), bytearray(b"b")], "The context holds bytes; expected numbers or strings"),
    ],
)
def test_what_is_no_context_is_shown(context, message):
    with pytest.raises(ValueError, match=message):
        RaggedSets(np.ones((2, 1)), [0, 1, 2], context=context)


def test_context_may_hold_strings():
    sets = RaggedSets(np.ones((2, 1)), [0, 1, 2], context=[["a", "b"], ["c", "d"]])
    assert sets.context.tolist() == [["a", "b"], ["c", "d"]]


def test_masked_offsets_are_refused():
    with pytest.raises(ValueError, match="The array of offsets has masked values"):
        RaggedSets(np.ones((2, 1)), np.ma.array([0, 1, 2], mask=[0, 1, 0]))


def test_numbers_beside_strings_stay_numbers():
    sets = RaggedSets(np.ones((2, 1)), [0, 1, 2])
    assert sets.to_rows([["a"], [1.5]]).tolist() == ["a", 1.5]
