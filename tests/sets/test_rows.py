import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score

from sk_deepsets import RaggedSets, check_sets
from sk_deepsets.sets._rows import number_rows

SIZES = st.lists(st.integers(0, 4), min_size=1, max_size=6)


@given(SIZES, st.data())
def test_rows_of_no_frame_are_numbered_by_set_and_element(sizes, data):
    numbers = data.draw(st.permutations(range(10, 10 + len(sizes))))
    rows = number_rows(np.array(numbers), np.array(sizes))
    assert rows.tolist() == [(n, e) for n, size in zip(numbers, sizes, strict=True) for e in range(size)]
    assert rows.names == ["set", "element"]


@settings(deadline=None)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=30), st.booleans(), st.data())
def test_answers_come_back_to_the_rows_of_the_frame_in_its_order(keys, several, data):
    events = pd.DataFrame({"by": keys, "x": np.arange(float(len(keys)))})
    chosen = data.draw(st.lists(st.sampled_from(sorted(set(keys))), min_size=1, unique=True))
    sets = RaggedSets.from_frame(events, by="by")
    part = sets[[sets.index.get_loc(key) for key in chosen]]
    answers = [np.column_stack([one["x"], -one["x"]]) if several else one["x"].to_numpy() for one in part]
    wanted = events.loc[events["by"].isin(chosen), "x"]
    joined = part.to_rows(answers, columns=["up", "down"] if several else None)
    if several:
        pd.testing.assert_frame_equal(joined, pd.DataFrame({"up": wanted, "down": -wanted}))
    else:
        pd.testing.assert_series_equal(joined, wanted, check_names=False)


def test_answers_beside_a_frame_are_scored_without_a_thought():
    rng = np.random.default_rng(0)
    events = pd.DataFrame({"by": rng.integers(0, 9, 50), "y": rng.integers(0, 2, 50)})
    sets = RaggedSets.from_frame(events, by="by")
    assert accuracy_score(events["y"], sets.to_rows([one["y"].to_numpy() for one in sets])) == 1
    events["p"] = sets.to_rows([one["y"].tolist() for one in sets])
    assert (events["p"] == events["y"]).all()


@pytest.mark.parametrize("labels", [[1, 1, 0, 2], ["b", 1, "a", 2.5]], ids=["shared", "several types"])
def test_labels_without_an_order_leave_the_elements_in_theirs(labels):
    sets = RaggedSets(np.zeros((4, 1)), [0, 2, 2, 4], rows=pd.Index(labels, dtype=object))
    answers = sets.to_rows([[5, 6], [], [7, 8]])
    assert answers.index.tolist() == labels
    assert answers.tolist() == [5, 6, 7, 8]


def test_answers_of_every_form_are_read():
    sets = check_sets(np.zeros((2, 3, 1)))
    for answers in (np.arange(6).reshape(2, 3), [[0, 1, 2], [3, 4, 5]], [np.arange(3), np.arange(3, 6)]):
        assert sets.to_rows(answers).tolist() == [0, 1, 2, 3, 4, 5]
    objects = np.empty(2, dtype=object)
    objects[:] = [np.array(["a", "b", "c"]), np.array(["d", "e", "longer"])]
    assert sets.to_rows(objects)[(1, 2)] == "longer"
    table = sets.to_rows(np.arange(12).reshape(2, 3, 2), columns=["no", "yes"])
    assert table["yes"].tolist() == [1, 3, 5, 7, 9, 11]
    assert sets.to_rows(np.zeros((2, 3)), columns=["p"]).shape == (6, 1)
    empty = check_sets([[], [1.0]])
    assert empty.to_rows([np.empty(0), [[1.0, 2.0]]]).to_numpy().tolist() == [[1, 2]]
    assert empty[:1].to_rows([np.empty((0, 2))]).shape == (0, 2)
    assert empty[:0].to_rows([]).shape == (0,)


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ([[1, 2]], "There are 1 arrays of answers for 2 sets; expected one per set"),
        ([[1, 2], [3, 4]], r"Set 1 has 1 elements, but 2 answers \(1 sets differ\)"),
        ([[1, 2], None], "Set 1 has 1 elements, but None as answers"),
        ([[1, 2], 3], "Set 1 has 1 elements, but 3 as answers"),
        (np.array([1, 2, 3]), "There are 3 arrays of answers for 2 sets; expected one per set"),
        (np.array([0.5, 1.5]), "Set 0 has 2 elements, but .*0.5.* as answers"),
        ([[[1], [2]], [3]], r"The answers of set 1 have shape \(1,\); expected"),
        ([[[[1]], [[2]]], [[[3]]]], r"The answers of set 0 have shape \(2, 1, 1\)"),
    ],
)
def test_answers_that_do_not_fit_name_the_set(answers, message):
    with pytest.raises(ValueError, match=message):
        check_sets([[1.0, 2.0], [3.0]]).to_rows(answers)


def test_another_number_of_columns_is_an_error():
    with pytest.raises(ValueError, match=r"There are 1 names of columns for answers of shape \(3, 2\)"):
        check_sets([[1.0, 2.0], [3.0]]).to_rows([np.zeros((2, 2)), np.zeros((1, 2))], columns=["p"])


KEYS = np.random.default_rng(0).integers(0, 5, 40)
SHARED = {
    "id as index": pd.DataFrame({"x": np.arange(40.0)}, index=pd.Index(KEYS, name="by")),
    "after concat": pd.concat([pd.DataFrame({"by": part, "x": part * 1.0}) for part in (KEYS[:20], KEYS[20:])]),
    "unsorted": pd.DataFrame({"by": KEYS, "x": np.arange(40.0)}, index=np.random.default_rng(1).permutation(40)),
}


@pytest.mark.parametrize("name", SHARED)
def test_answers_come_in_the_order_of_the_frame_whatever_its_labels(name):
    frame = SHARED[name].assign(x=np.arange(40.0))
    sets = RaggedSets.from_frame(frame, by="by", columns=["x"])
    scaled = sets.replace(sets.elements.to_numpy())
    column = sets.to_series()
    again = check_sets(pd.concat([column.iloc[3:], column.iloc[:3]]))
    for same in (sets, sets[[4, 2, 0, 1, 3]], pickle.loads(pickle.dumps(sets)), scaled, again):
        answers = same.to_rows([np.asarray(one).ravel() for one in same])
        pd.testing.assert_series_equal(answers, frame["x"], check_names=False)
    frame["answer"] = sets.to_rows([one["x"] for one in sets])
    assert (frame["answer"] == frame["x"]).all()
    some = sets[[3, 1]].to_rows([one["x"] for one in sets[[3, 1]]])
    ids = frame.index if name == "id as index" else frame["by"]
    assert some.tolist() == frame["x"][np.isin(ids, [1, 3])].tolist()
    # a set that is there twice has no place of its own
    assert sets[[1, 1]].to_rows([one["x"] for one in sets[[1, 1]]]).tolist() == [*sets[1]["x"]] * 2


def test_parts_of_several_frames_have_no_common_order():
    frames = [SHARED["after concat"].assign(x=sign * np.arange(40.0)) for sign in (1, -1)]
    both = check_sets(pd.concat([RaggedSets.from_frame(frame, by="by").to_series() for frame in frames]))
    answers = [one.ravel() for one in both]
    assert both.to_rows(answers).tolist() == np.concatenate(answers).tolist()
