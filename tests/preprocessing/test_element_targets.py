"""One target for each element, in every form and matched by label where labels tell which row it belongs to."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sk_deepsets import RaggedSets, check_sets
from sk_deepsets.preprocessing import read_element_targets as read

RNG = np.random.default_rng(0)
BAGS = [RNG.normal(size=(size, 2)) for size in [0, 3, 1, 0, 4, 2]]
Y = [(bag[:, 0] > 0).astype(int) for bag in BAGS]
FLAT = np.concatenate(Y)

FRAME = pd.DataFrame(
    {"id": RNG.integers(0, 12, 60), "a": RNG.normal(size=60), "label": np.arange(60)},
    index=RNG.permutation(60) + 1000,
)
SETS = RaggedSets.from_frame(FRAME, by="id", columns=["a"], ids=[99, *range(12)])
IN_ORDER = FRAME.loc[SETS.rows, "label"]


def object_array(items):
    return np.fromiter(items, dtype=object, count=len(items))


def ragged(parts):
    return RaggedSets(np.concatenate(parts).reshape(-1, 1), np.r_[0, np.cumsum([len(part) for part in parts])])


def arrow(values):
    return pytest.importorskip("pyarrow").array(values)


def polars(values):
    return pytest.importorskip("polars").Series(values)


def arrow_series(values, flat):
    pa = pytest.importorskip("pyarrow")
    return pd.Series(values, dtype=pd.ArrowDtype(pa.int64() if flat else pa.list_(pa.int64())))


def lists(parts):
    return [part.tolist() for part in parts]


FORMS = {
    "list of arrays": list,
    "tuple of lists": lambda y: tuple(lists(y)),
    "object array": object_array,
    "Series of arrays": lambda y: pd.Series(y, index=[f"bag {i}" for i in range(len(y))]),
    "list of Series": lambda y: [pd.Series(part) for part in y],
    "list of frames": lambda y: [pd.DataFrame({"y": part}) for part in y],
    "list of nullable arrays": lambda y: [pd.array(part, dtype="Int64") for part in y],
    "list of tensors": lambda y: [torch.from_numpy(part) for part in y],
    "list of columns": lambda y: [part[:, None] for part in y],
    "RaggedSets": ragged,
    "column of sets": lambda y: ragged(y).to_series(),
    "one column": lambda y: pd.DataFrame({"y": np.concatenate(y)}),
    "column of an array": lambda y: np.concatenate(y)[:, None],
    "flat array": np.concatenate,
    "flat list": lambda y: np.concatenate(y).tolist(),
    "flat tensor": lambda y: torch.from_numpy(np.concatenate(y)),
    "flat Series": lambda y: pd.Series(np.concatenate(y), index=np.arange(100, 110)),
    "flat categories": lambda y: pd.Categorical(np.concatenate(y)),
    "pyarrow lists": lambda y: arrow(lists(y)),
    "pyarrow flat": lambda y: arrow(np.concatenate(y)),
    "polars lists": lambda y: polars(lists(y)),
    "polars flat": lambda y: polars(np.concatenate(y)),
    "pandas Arrow lists": lambda y: arrow_series(lists(y), flat=False),
    "pandas Arrow flat": lambda y: arrow_series(np.concatenate(y), flat=True),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_every_form_is_read_as_one_array(form):
    np.testing.assert_array_equal(read(form(Y), check_sets(BAGS)), FLAT)


def test_sets_of_one_size_have_a_table_of_targets():
    sets = check_sets(np.zeros((5, 3, 1)))
    y = np.arange(15).reshape(5, 3)
    for form in (y, y.tolist(), torch.from_numpy(y), y[:, :, None]):
        np.testing.assert_array_equal(read(form, sets), np.arange(15))
    ones = check_sets(np.zeros((5, 1, 1)))
    np.testing.assert_array_equal(read(np.arange(5)[:, None], ones), np.arange(5))


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 4), min_size=1, max_size=6).filter(any),
    missing=st.sampled_from([None, np.nan, pd.NA]),
    kind=st.sampled_from([str, bool, int, float]),
    data=st.data(),
)
def test_missing_targets_stay_missing_and_the_others_what_they_are(sizes, missing, kind, data):
    sets = check_sets([np.zeros((size, 1)) for size in sizes])
    flat = [kind(i % 2) for i in range(sum(sizes))]
    gone = data.draw(st.lists(st.booleans(), min_size=len(flat), max_size=len(flat)))
    flat = [missing if left_out else value for value, left_out in zip(flat, gone, strict=True)]
    per_set = [flat[a:b] for a, b in pairwise(sets.offsets)]
    forms = (
        flat,
        per_set,
        pd.Series(flat, dtype=object),
        object_array(per_set),
        [pd.Series(p, dtype=object) for p in per_set],
    )
    for form in forms:
        read_back = read(form, sets)
        assert pd.isna(read_back).tolist() == gone
        for value, wanted in zip(read_back, flat, strict=True):
            assert pd.isna(value) or (
                value == wanted and isinstance(value.item() if hasattr(value, "item") else value, kind)
            )


@pytest.mark.parametrize("nothing", [None, np.nan, pd.NA])
def test_a_missing_value_for_a_set_stands_for_no_targets(nothing):
    sets = check_sets(BAGS)
    y = [nothing if number == 4 else part for number, part in enumerate(Y)]
    for form in (y, object_array(y), pd.Series(y, dtype=object)):
        found = read(form, sets)
        assert pd.isna(found).tolist() == (sets.segments == 4).tolist()
        assert found[sets.segments != 4].tolist() == FLAT[sets.segments != 4].tolist()
    column = pd.Series([nothing if number == 4 else part for number, part in enumerate(Y)], dtype="sets")
    assert pd.isna(read(column, sets)).tolist() == (sets.segments == 4).tolist()
    in_arrow = arrow([None if number == 4 else part.tolist() for number, part in enumerate(Y)])
    assert pd.isna(read(in_arrow, sets)).tolist() == (sets.segments == 4).tolist()


def test_nulls_of_arrow_are_missing_targets():
    sets = RaggedSets(np.zeros((4, 1)), [0, 2, 2, 4])
    for form in (arrow([[3, None], [], [2**62 + 1, 4]]), arrow([3, None, 2**62 + 1, 4])):
        found = read(form, sets)
        assert pd.isna(found).tolist() == [False, True, False, False]
        assert found[[0, 2, 3]].tolist() == [3, 2**62 + 1, 4]
    words = read(arrow([["a", None], [], ["b", "c"]]), sets)
    assert words[[0, 2, 3]].tolist() == ["a", "b", "c"]


def test_a_number_stands_for_the_target_of_a_set_of_one():
    sets = RaggedSets(np.zeros((4, 1)), [0, 1, 3, 4])
    assert read([0.5, [1.0, 2.0], 3.0], sets).tolist() == [0.5, 1.0, 2.0, 3.0]
    with pytest.raises(ValueError, match="Set 1 of X has 2 elements, but 1 targets"):
        read([0.5, 1.0, [3.0]], sets)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (None, "One target for each element is required, but y_val is None"),
        (Y[1:], "X_val has 6 sets, but y_val has targets for 5"),
        (ragged(Y[1:]), "X_val has 6 sets, but y_val has targets for 5"),
        ([*Y[:4], Y[5], Y[4]], r"Set 4 of X_val has 4 elements, but 2 targets in y_val \(2 sets differ\)"),
        (ragged([*Y[:4], Y[5], Y[4]]), r"Set 4 of X_val has 4 elements, but 2 targets in y_val \(2 sets differ\)"),
        (FLAT[1:], "X_val has 10 elements in 6 sets, but y_val has 9 targets"),
        (pd.Series(FLAT[1:]), "X_val has 10 elements in 6 sets, but y_val has 9 targets"),
        (
            pd.DataFrame({"a": FLAT, "b": FLAT}),
            r"y_val must be one column of targets, but is a DataFrame of \['a', 'b'",
        ),
        (np.zeros((10, 3)), r"y_val has the shape \(10, 3\); expected one target for each element, \(10,\): pass one"),
        (
            [np.zeros((len(part), 3)) for part in Y],
            r"but targets of shape \(\d, 3\) in y_val \(\d sets differ\): expected one target for each.*, \(\d,\)\.",
        ),
        (check_sets(BAGS), "y_val must be one column of targets, but RaggedSets.* has 2"),
    ],
)
def test_targets_that_do_not_fit_name_the_set(y, message):
    with pytest.raises(ValueError, match=message):
        read(y, check_sets(BAGS), "_val")


def cut(series):
    return [series.iloc[a:b] for a, b in pairwise(SETS.offsets)]


def test_a_series_is_matched_by_label_whatever_its_order_and_however_many_rows_it_has():
    assert (SETS.rows != FRAME.index).any()
    for y in (
        FRAME["label"],
        FRAME[["label"]],
        IN_ORDER,
        FRAME["label"].sample(frac=1),
        FRAME["label"].astype("Int64"),
    ):
        np.testing.assert_array_equal(read(y, SETS), IN_ORDER)
        part = SETS[[3, 1, 8]]
        np.testing.assert_array_equal(read(y, part), IN_ORDER[part.rows])
    encoded = SETS.replace(np.zeros((60, 3)))  # as after ElementTransformer
    np.testing.assert_array_equal(read(FRAME["label"], encoded), IN_ORDER)
    np.testing.assert_array_equal(read(IN_ORDER.to_numpy(), SETS), IN_ORDER)
    np.testing.assert_array_equal(read(SETS.to_rows([one.to_numpy() for one in cut(IN_ORDER)]), SETS), IN_ORDER)


def test_sets_of_targets_follow_the_labels_of_their_rows():
    shuffled = FRAME.sample(frac=1, random_state=1)
    y = RaggedSets.from_frame(shuffled, by="id", columns=["label"], ids=[99, *range(12)])
    assert (y.rows != SETS.rows).any()
    in_lists = [shuffled.loc[shuffled["id"] == number, "label"] for number in SETS.index]
    with_none = [None if number == 3 else part for number, part in enumerate(in_lists)]
    for form in (y, y.to_series(), check_sets(y), in_lists, [part.to_frame() for part in in_lists]):
        np.testing.assert_array_equal(read(form, SETS), IN_ORDER)
    found = read([part if part is None or len(part) else [] for part in with_none], SETS)
    assert pd.isna(found).tolist() == (SETS.segments == 3).tolist()
    np.testing.assert_array_equal(found[SETS.segments != 3].astype(int), IN_ORDER[SETS.segments != 3])


def test_the_numbers_of_elements_that_have_no_frame_are_labels_too():
    sets = check_sets(BAGS)
    y = sets.to_rows(Y)
    for part in (sets, sets[[5, 1, 4]], sets.replace(np.zeros((10, 3)))):
        expected = y[part.rows].to_numpy()
        own = y[y.index.isin(part.rows)]
        for form in (own, own.sort_values(), own[::-1].to_frame(), expected):
            np.testing.assert_array_equal(read(form, part), expected)
    in_lists = [part[::-1] for _, part in y.groupby("set")]
    np.testing.assert_array_equal(read(in_lists, sets[sets.sizes > 0]), FLAT)
    # not where there are others, or where a set is there twice
    np.testing.assert_array_equal(read(pd.Series(FLAT, sets.rows.set_names(["id", "day"]))[::-1], sets), FLAT[::-1])
    twice = sets[[1, 1]]
    np.testing.assert_array_equal(read(pd.Series(range(6), twice.rows), twice), np.arange(6))


def test_labels_that_know_nothing_of_the_rows_leave_targets_in_their_order():
    renumbered = IN_ORDER.reset_index(drop=True)
    for form in (
        cut(renumbered),
        [part.reset_index(drop=True) for part in cut(IN_ORDER)],
        RaggedSets(renumbered.to_frame(), SETS.offsets),
        RaggedSets(IN_ORDER.to_numpy()[:, None], SETS.offsets),
    ):
        np.testing.assert_array_equal(read(form, SETS), IN_ORDER)


@pytest.mark.parametrize("index", [range(60), np.r_[FRAME.index[:-1], 7], np.r_[FRAME.index[:-1], FRAME.index[0]]])
def test_a_series_with_unknown_or_repeated_labels_is_an_error(index):
    with pytest.raises(ValueError, match="The index of y does not hold the rows of X: pass the Series of the frame"):
        read(pd.Series(FRAME["label"].to_numpy(), index=index), SETS)


def test_sets_of_targets_whose_labels_are_known_in_part_are_an_error():
    partly = IN_ORDER.set_axis(np.r_[SETS.rows[:-2], 7, 8])
    for y in (cut(partly), RaggedSets(partly.to_frame("y"), SETS.offsets)):
        with pytest.raises(ValueError, match=r"2 of 60 rows of X, such as \d+, have no target of their label in y"):
            read(y, SETS)


def test_labels_that_belong_to_another_set_are_an_error():
    with pytest.raises(ValueError, match=r"The row \d+ is in set \d+ of X, but in set \d+ of y"):
        read(cut(IN_ORDER.set_axis(SETS.rows[::-1])), SETS)
    frame = pd.DataFrame({"id": [0, 1], "x": [0.0, 1.0]})
    X, y = (RaggedSets.from_frame(frame, "id", ids=ids) for ids in ([0, 1], [1, 0]))
    with pytest.raises(ValueError, match=r"y_val\[y_val\.index\.get_indexer\(X_val\.index\)\]"):
        read(y, X, "_val")
    y.index = None
    with pytest.raises(ValueError, match="The row 0 is in set 0 of X_val, but in set 1 of y_val"):
        read(y, X, "_val")


def test_labels_of_the_sets_in_another_order_are_an_error():
    parts = pd.Series(cut(IN_ORDER), index=SETS.index).sample(frac=1, random_state=0)
    with pytest.raises(ValueError, match=r"y has the labels of the sets in another order.*y\.loc\[X\.index\]"):
        read(parts, SETS)
    np.testing.assert_array_equal(read(parts.loc[SETS.index], SETS), IN_ORDER)
    column = RaggedSets(IN_ORDER.to_numpy()[:, None], SETS.offsets, index=SETS.index).to_series()
    with pytest.raises(ValueError, match="y has the labels of the sets in another order"):
        read(column[::-1], SETS)
    np.testing.assert_array_equal(read(column, SETS), IN_ORDER)


def test_rows_that_share_labels_are_never_matched_by_guess():
    frame = pd.DataFrame({"by": [2, 1, 2, 1], "x": [0.0, 1.0, 2.0, 3.0]}, index=[0, 0, 0, 0])
    sets = RaggedSets.from_frame(frame, "by")
    labelled = frame.set_axis(frame["by"].to_numpy())
    for y, X in (
        (frame["x"], sets),
        (frame["x"].reset_index(drop=True), sets),
        (labelled["x"].iloc[[1, 0, 2, 3]], RaggedSets.from_frame(labelled, "by")),
    ):
        with pytest.raises(ValueError, match=r"Rows of X share their labels.*reset_index"):
            read(y, X)
    assert read(np.array([1, 3, 0, 2]), sets).tolist() == [1, 3, 0, 2]
    # a column of the frame itself goes with its rows, whatever their labels, and with those of some of the sets
    of_frame = RaggedSets.from_frame(labelled, "by")
    assert read(labelled["x"], of_frame).tolist() == [1, 3, 0, 2]
    assert read(labelled["x"], of_frame[[1]]).tolist() == [0, 2]
    # labels that are the ids themselves: rows of a set keep their order
    in_order = labelled.sort_index(kind="stable")
    assert read(in_order["x"], RaggedSets.from_frame(in_order, "by")).tolist() == [1, 3, 0, 2]
