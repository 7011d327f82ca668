"""Targets of elements in every form, and answers in the form that the sets came in; with both estimators."""

from functools import partial
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sk_deepsets import (
    DeepSetsElementClassifier,
    DeepSetsElementRegressor,
    ElementTransformer,
    RaggedSets,
    check_sets,
    element_scorer,
)
from sk_deepsets.estimators._choice import first_largest, softmax_over_sets
from sk_deepsets.estimators._element_answers import cut_like
from sk_deepsets.preprocessing import read_targets, with_rows

SHORT = {"hidden_dims": (4,), "max_epochs": 2, "random_state": 0}
ESTIMATORS = {
    "classifier": partial(DeepSetsElementClassifier, **SHORT),
    "regressor": partial(DeepSetsElementRegressor, **SHORT),
}
RNG = np.random.default_rng(0)
BAGS = [RNG.normal(size=(size, 2)) for size in [0, *RNG.integers(0, 6, 40), 5, 1]]
Y = [(bag[:, 0] > 0).astype(int) for bag in BAGS]
FLAT = np.concatenate(Y)
SIZES = [len(bag) for bag in BAGS]


def object_array(items):
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array


def ragged(y):
    return RaggedSets(np.concatenate(y).reshape(-1, 1), np.r_[0, np.cumsum([len(part) for part in y])])


FORMS = {
    "tuple of arrays": tuple,
    "list of lists": lambda y: [part.tolist() for part in y],
    "object array": object_array,
    "object array of lists": lambda y: object_array([part.tolist() for part in y]),
    "Series of arrays": lambda y: pd.Series(y, index=[f"bag {i}" for i in range(len(y))]),
    "list of Series": lambda y: [pd.Series(part) for part in y],
    "list of nullable arrays": lambda y: [pd.array(part, dtype="Int64") for part in y],
    "list of tensors": lambda y: [torch.from_numpy(part) for part in y],
    "list of columns": lambda y: [part[:, None] for part in y],
    "RaggedSets": ragged,
    "Series of sets": lambda y: ragged(y).to_series(),
    "flat array": np.concatenate,
    "flat list": lambda y: np.concatenate(y).tolist(),
    "flat Series": lambda y: pd.Series(np.concatenate(y), index=np.arange(100, 100 + sum(map(len, y)))),
    "flat categories": lambda y: pd.Categorical(np.concatenate(y)),
}


@pytest.fixture(params=ESTIMATORS)
def make(request):
    return ESTIMATORS[request.param]


def assert_cut(answers, wanted):
    assert isinstance(answers, list)
    assert len(answers) == len(wanted)
    for answer, part in zip(answers, wanted, strict=True):
        np.testing.assert_array_equal(answer, part)
        assert answer.shape == np.shape(part)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_the_same_targets_is_read_as_one_array_and_trains_the_same(make, form):
    y = FORMS[form](Y)
    np.testing.assert_array_equal(read_targets(y, check_sets(BAGS)), FLAT)
    plain, model = make().fit(BAGS, Y), make().fit(BAGS, y)
    assert_cut(model.predict(BAGS), plain.predict(BAGS))
    assert model.score(BAGS, y) == plain.score(BAGS, Y)


@pytest.mark.parametrize("kind", ["list", "array"])
def test_sets_of_one_size_have_a_table_of_targets(make, kind):
    X = RNG.normal(size=(30, 4, 2))
    y = (X[..., 0] > 0).astype(int)
    answers = make().fit(X, y if kind == "array" else y.tolist()).predict(X)
    assert answers.shape == y.shape  # an array for an array
    np.testing.assert_array_equal(answers, np.stack(make().fit(list(X), list(y)).predict(list(X))))
    np.testing.assert_array_equal(make().fit(X, y).predict(torch.from_numpy(X)), answers)
    np.testing.assert_array_equal(read_targets(y, check_sets(X)), y.ravel())


@settings(max_examples=40, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 4), min_size=1, max_size=6).filter(any),
    missing=st.sampled_from([None, np.nan, pd.NA]),
    kind=st.sampled_from([str, bool, int, float]),
    data=st.data(),
)
def test_missing_targets_stay_missing_and_the_others_what_they_are(sizes, missing, kind, data):
    sets = check_sets([np.zeros((size, 1)) for size in sizes])
    label = {"str": st.sampled_from("ab"), "bool": st.booleans(), "int": st.integers(0, 9), "float": st.floats(0, 9)}
    flat = data.draw(st.lists(st.one_of(st.just(missing), label[kind.__name__]), min_size=sum(sizes), max_size=100))
    flat = flat[: sum(sizes)]
    cuts = np.cumsum([0, *sizes])
    per_set = [flat[a:b] for a, b in pairwise(cuts)]
    forms = (flat, per_set, pd.Series(flat, dtype=object), object_array(per_set), [pd.Series(part) for part in per_set])
    for form in forms:
        got = read_targets(form, sets)
        assert [bool(value) for value in pd.isna(got)] == [bool(pd.isna(value)) for value in flat]
        pairs = [(a, b) for a, b in zip(got, flat, strict=True) if not pd.isna(b)]
        assert all(a == b and isinstance(a, str) == isinstance(b, str) for a, b in pairs)


def test_a_set_without_any_label_makes_no_label_of_its_missing_values():
    words = [np.where(part, "yes", "no") for part in Y]
    words[-2] = np.full(5, np.nan)
    model = ESTIMATORS["classifier"]().fit(BAGS, words)
    assert model.classes_.tolist() == ["no", "yes"]
    gone = [part.tolist() for part in words[:-2]] + [[None, *[float("nan")] * 4], words[-1].tolist()]
    assert model.score(BAGS, gone) == model.score(BAGS, words)


def test_wrong_cuts_name_the_set(make):
    y = [*Y[:-2], Y[-2][:4], Y[-1]]
    n = len(BAGS) - 2
    model = make().fit(BAGS, Y)
    for call in (make().fit, model.partial_fit, model.score):
        with pytest.raises(ValueError, match=rf"Set {n} of X has 5 elements, but 4 targets in y \(1 sets differ\)"):
            call(BAGS, y)
    with pytest.raises(ValueError, match=rf"Set {n} of X_val has 5 elements, but 4 targets in y_val"):
        make().fit(BAGS, Y, X_val=BAGS, y_val=y)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (Y[:-1], r"X has 43 sets, but y has targets for 42"),
        (FLAT[:-1], rf"X has {len(FLAT)} elements in 43 sets, but y has {len(FLAT) - 1} targets"),
        (pd.Series(FLAT[:-1]), rf"X has {len(FLAT)} elements in 43 sets, but y has {len(FLAT) - 1} targets"),
        (np.zeros(43), r"but y has 43 targets: one for each element"),
        (None, "y is None"),
        (pd.DataFrame({"a": FLAT, "b": FLAT}), r"y must be one column of targets, but is a DataFrame of \['a', 'b'\]"),
        ([[None] * size for size in SIZES], "No element has a target in y"),
        (np.full(len(FLAT), np.nan), "No element has a target in y"),
    ],
    ids=["sets", "flat", "Series", "one a set", "none", "frame", "all None", "all nan"],
)
def test_wrong_targets_are_an_error_in_fit_and_score(make, y, message):
    with pytest.raises(ValueError, match=message):
        make().fit(BAGS, y)
    with pytest.raises(ValueError, match=message):
        make().fit(BAGS, Y).score(BAGS, y)


FRAME = pd.DataFrame(
    {"id": RNG.integers(0, 12, 60), "a": RNG.normal(size=60), "b": RNG.normal(size=60)},
    index=RNG.permutation(60) + 1000,
).assign(label=lambda frame: (frame["a"] > 0).astype(int))
SETS = RaggedSets.from_frame(FRAME, by="id", columns=["a", "b"], ids=[99, *range(12)])
IN_ORDER = FRAME.loc[SETS.elements.index, "label"]


def test_flat_series_follow_the_index_of_the_frame_that_the_sets_were_made_of(make):
    assert (SETS.elements.index != FRAME.index).any()
    shuffled = FRAME["label"].sample(frac=1, random_state=0)
    wanted = make().fit(SETS, IN_ORDER.to_numpy()).predict(SETS)
    for y in (FRAME["label"], IN_ORDER, shuffled, shuffled.astype("Int64")):
        np.testing.assert_array_equal(read_targets(y, SETS), IN_ORDER)
        pd.testing.assert_series_equal(make().fit(SETS, y).predict(SETS), wanted)
    part = SETS[[3, 1, 8]]
    labels = IN_ORDER[part.elements.index]
    np.testing.assert_array_equal(read_targets(labels.sample(frac=1, random_state=0), part), labels)
    labels = RaggedSets.from_frame(FRAME, by="id", columns=["label"], ids=[99, *range(12)])
    pd.testing.assert_series_equal(make().fit(SETS, labels).predict(SETS), wanted, check_series_type=False)


@pytest.mark.parametrize("index", [range(60), np.r_[FRAME.index[:-1], FRAME.index[0]]], ids=["other", "twice"])
def test_a_series_with_another_index_is_an_error(make, index):
    with pytest.raises(ValueError, match="The index of y does not hold the rows of X"):
        make().fit(SETS, pd.Series(FRAME["label"].to_numpy(), index=index))


def test_answers_align_with_the_frame(make):
    model = make().fit(SETS, FRAME["label"])
    in_list = np.concatenate(make().fit([*SETS], IN_ORDER.to_numpy()).predict([*SETS]))
    frame = FRAME.copy()
    for X in (SETS, SETS.to_series(), pd.DataFrame({"sets": SETS.to_series()})):
        predicted = model.predict(X)
        assert isinstance(predicted, pd.Series)
        pd.testing.assert_index_equal(predicted.index, SETS.elements.index)
        np.testing.assert_allclose(predicted, in_list)
        frame["pred"] = predicted
        np.testing.assert_array_equal(frame["pred"].loc[SETS.elements.index], predicted)
    assert not frame["pred"].isna().any()
    part = model.predict(SETS[[3, 1]])
    pd.testing.assert_series_equal(part, model.predict(SETS)[part.index])


def test_probabilities_align_with_the_frame():
    words = FRAME["label"].map({0: "no", 1: "yes"})
    model = ESTIMATORS["classifier"]().fit(SETS, words)
    proba = model.predict_proba(SETS)
    pd.testing.assert_index_equal(proba.index, SETS.elements.index)
    assert proba.columns.tolist() == ["no", "yes"]
    np.testing.assert_array_equal(proba.idxmax(axis=1), model.predict(SETS))


@pytest.mark.parametrize("wrap", [list, pd.Series], ids=["list", "Series"])
@pytest.mark.parametrize("kinds", ["numbers", "categories"])
def test_one_frame_for_each_set_gives_one_array_for_each_set(make, wrap, kinds):
    frame = FRAME if kinds == "numbers" else FRAME.assign(b=pd.cut(FRAME["b"], 3, labels=list("xyz")))
    frames = [group[["a", "b"]] for _, group in frame.groupby("id")]
    y = [group["label"] for _, group in frame.groupby("id")]
    answers = make().fit(wrap(frames), y).predict(wrap(frames))
    assert_cut(answers, [np.asarray(answer) for answer in answers])
    assert [len(answer) for answer in answers] == [len(one) for one in frames]
    grouped = RaggedSets.from_frame(frame, by="id", columns=["a", "b"])
    np.testing.assert_allclose(np.concatenate(answers), make().fit(grouped, frame["label"]).predict(grouped))


@settings(max_examples=40, deadline=None)
@given(sizes=st.lists(st.integers(0, 4), min_size=1, max_size=6), n_columns=st.sampled_from([None, 2]))
def test_answers_are_cut_like_the_sets_and_numpy_takes_them_as_sets(sizes, n_columns):
    sets = RaggedSets(np.zeros((sum(sizes), 1)), np.r_[0, np.cumsum(sizes)])
    flat = np.arange(sum(sizes) * (n_columns or 1)).reshape(-1, *([n_columns] if n_columns else []))
    answers = cut_like(flat, list(sets), with_rows(sets, list(sets)))
    assert [len(answer) for answer in answers] == sizes
    np.testing.assert_array_equal(np.concatenate(answers), flat)
    array = np.asarray(answers)
    assert array.shape == (len(sizes),)
    assert all(a is b for a, b in zip(array, answers, strict=True))


@settings(max_examples=60, deadline=None)
@given(sizes=st.lists(st.integers(0, 4), min_size=1, max_size=6), seed=st.integers(0, 99), ties=st.booleans())
def test_softmax_and_the_first_largest_of_each_set(sizes, seed, ties):
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 3, sum(sizes)).astype(float) if ties else rng.normal(scale=500, size=sum(sizes))
    offsets = np.r_[0, np.cumsum(sizes)]
    shares, rows = softmax_over_sets(scores, offsets), []
    for first, last in pairwise(offsets):
        if last > first:
            part = scores[first:last]
            rows.append(first + np.argmax(part))
            np.testing.assert_allclose(shares[first:last], np.exp(part - part.max()) / np.exp(part - part.max()).sum())
    assert len(shares) == sum(sizes)
    assert first_largest(scores, offsets).tolist() == rows


def test_a_pipeline_keeps_the_rows_of_the_frame():
    rng = np.random.default_rng(0)
    events = pd.DataFrame(
        {"by": rng.integers(0, 30, 200), "x": rng.normal(size=200), "kind": rng.choice(["a", "b"], 200)}
    )
    sets = RaggedSets.from_frame(events, "by")
    encode = make_column_transformer((StandardScaler(), ["x"]), (OneHotEncoder(), ["kind"]))
    pipe = make_pipeline(ElementTransformer(encode), DeepSetsElementClassifier(max_epochs=40, random_state=0))
    predicted = pipe.fit(sets, events["x"] > 0).predict(sets)
    assert sorted(predicted.index) == list(events.index)
    assert (events.assign(predicted=predicted).eval("predicted == (x > 0)")).mean() > 0.95


def test_rows_that_share_labels_are_never_matched_by_guess():
    frame = pd.DataFrame({"by": [2, 1, 2, 1], "x": [0.0, 1.0, 2.0, 3.0], "kind": list("abab")}, index=[0, 0, 0, 0])
    sets = RaggedSets.from_frame(frame, "by")
    with pytest.raises(ValueError, match="Rows of X share their labels"):
        read_targets(frame["x"], sets)
    # labels that are the ids themselves: rows of a set keep their order
    labelled = frame.set_axis(frame["by"].to_numpy())
    sorted_frame = labelled.sort_index(kind="stable")
    assert read_targets(sorted_frame["x"], RaggedSets.from_frame(sorted_frame, "by")).tolist() == [1, 3, 0, 2]
    with pytest.raises(ValueError, match="Rows of X share their labels"):
        read_targets(labelled["x"], RaggedSets.from_frame(labelled, "by"))
    with pytest.raises(ValueError, match="Rows of X share their labels"):
        read_targets(frame["x"].reset_index(drop=True), sets)
    assert read_targets(np.array([1, 3, 0, 2]), sets).tolist() == [1, 3, 0, 2]
    assert isinstance(
        cut_like(np.zeros(4), sets, with_rows(sets, sets)), list
    )  # a Series would be aligned to the wrong rows


def test_a_list_of_frames_matches_targets_by_the_rows_labels():
    frame = pd.DataFrame({"by": [2, 1, 2, 1], "x": [0.0, 1.0, 2.0, 3.0], "kind": list("abab")})
    groups = [group[["x", "kind"]] for _, group in frame.groupby("by")]
    sets = check_sets(groups, dtype=None)
    in_order = pd.concat([group["x"] for group in groups])
    assert read_targets(in_order, sets).tolist() == [1, 3, 0, 2]
    assert read_targets(frame["x"], sets).tolist() == [1, 3, 0, 2]
    restarted = check_sets([group.reset_index(drop=True) for group in groups], dtype=None)
    assert read_targets(np.array([1, 3, 0, 2]), restarted).tolist() == [1, 3, 0, 2]


def arrow(values):
    return pytest.importorskip("pyarrow").array(values)


def polars(values):
    return pytest.importorskip("polars").Series(values)


def arrow_series(values, kind):
    pa = pytest.importorskip("pyarrow")
    dtype = pa.int64() if kind == "flat" else pa.list_(pa.int64())
    return pd.Series(values, dtype=pd.ArrowDtype(dtype))


ARROW_FORMS = {
    "pyarrow lists": arrow,
    "pyarrow flat": lambda parts: arrow([value for part in parts for value in part]),
    "polars lists": polars,
    "polars flat": lambda parts: polars([value for part in parts for value in part]),
    "pandas lists": lambda parts: arrow_series(parts, "lists"),
    "pandas flat": lambda parts: arrow_series([value for part in parts for value in part], "flat"),
}


@pytest.mark.parametrize("form", ARROW_FORMS.values(), ids=ARROW_FORMS)
def test_targets_in_arrow_are_read_and_nulls_are_no_targets(form):
    sets = RaggedSets(np.zeros((4, 1)), [0, 2, 2, 4])
    assert read_targets(form([[3, 1], [], [2, 4]]), sets).tolist() == [3, 1, 2, 4]
    missing = read_targets(form([[3, None], [], [2, 4]]), sets)
    assert pd.isna(missing).tolist() == [False, True, False, False]
    assert missing[[0, 2, 3]].tolist() == [3, 2, 4]
    with pytest.raises(ValueError, match=r"Set 0 of X has 2 elements, but 1 targets|y has 3 targets"):
        read_targets(form([[3], [], [2, 4]]), sets)


def test_a_null_list_of_targets_stands_for_none():
    sets = RaggedSets(np.zeros((4, 1)), [0, 2, 2, 4])
    assert pd.isna(read_targets(arrow([[3, 1], None, None]), sets)).tolist() == [False, False, True, True]


def test_targets_that_are_sets_follow_the_labels_of_their_rows():
    shuffled = FRAME.sample(frac=1, random_state=1)
    y = RaggedSets.from_frame(shuffled, by="id", columns=["label"], ids=[99, *range(12)])
    assert (y.elements.index != SETS.elements.index).any()
    np.testing.assert_array_equal(read_targets(y, SETS), IN_ORDER)
    np.testing.assert_array_equal(read_targets(y.to_series(), SETS), IN_ORDER)
    renumbered = RaggedSets(IN_ORDER.to_frame().reset_index(drop=True), SETS.offsets)
    np.testing.assert_array_equal(read_targets(renumbered, SETS), IN_ORDER)
    with pytest.raises(ValueError, match="one column of targets"):
        read_targets(SETS, SETS)
    with pytest.raises(ValueError, match="X has 13 sets, but y has targets for 12"):
        read_targets(y[1:], SETS)


@pytest.mark.parametrize(
    "wrap", [list, lambda frames: pd.DataFrame({"sets": frames, "age": 1.0})], ids=["list", "table"]
)
def test_flat_targets_follow_the_rows_of_frames_of_numbers(make, wrap):
    frames = [group[["a", "b"]] for _, group in FRAME.groupby("id")]
    assert (pd.concat(frames).index != FRAME.index).any()
    by_label = make().fit(wrap(frames), FRAME["label"])
    in_order = make().fit(wrap(frames), [FRAME.loc[frame.index, "label"] for frame in frames])
    np.testing.assert_array_equal(
        np.concatenate(by_label.predict(wrap(frames))), np.concatenate(in_order.predict(wrap(frames)))
    )
    assert by_label.score(wrap(frames), FRAME["label"]) == in_order.score(wrap(frames), FRAME["label"])
    scorer = element_scorer("r2" if isinstance(by_label, DeepSetsElementRegressor) else "accuracy")
    assert scorer(by_label, wrap(frames), FRAME["label"]) == pytest.approx(by_label.score(wrap(frames), FRAME["label"]))


def test_one_column_of_a_table_is_a_column():
    sets = check_sets(BAGS)
    np.testing.assert_array_equal(read_targets(FLAT[:, None], sets), FLAT)
    np.testing.assert_array_equal(read_targets(pd.DataFrame({"label": FLAT}), sets), FLAT)
    np.testing.assert_array_equal(read_targets(FRAME[["label"]], SETS), IN_ORDER)


def test_a_series_of_more_rows_gives_those_of_the_sets(make):
    part = SETS[[3, 1, 8]]
    np.testing.assert_array_equal(read_targets(FRAME["label"], part), IN_ORDER[part.elements.index])
    model = make().fit(part, FRAME["label"])
    assert model.score(part, FRAME["label"]) == model.score(part, IN_ORDER[part.elements.index])


def cut(series):
    return [series.iloc[a:b] for a, b in pairwise(SETS.offsets)]


def test_one_series_a_set_follows_the_labels_of_its_rows():
    shuffled = FRAME.sample(frac=1, random_state=3)
    y = [shuffled.loc[shuffled["id"] == number, "label"] for number in SETS.index]
    assert pd.concat(y).index.tolist() != SETS.elements.index.tolist()
    np.testing.assert_array_equal(read_targets(y, SETS), IN_ORDER)
    # labels that are not those of the rows tell nothing
    renumbered = cut(IN_ORDER.reset_index(drop=True))
    np.testing.assert_array_equal(read_targets(renumbered, SETS), IN_ORDER)
    with_none = [None if len(part) == SETS.sizes.max() else part for part in y]
    found = read_targets([part if part is None or len(part) else [] for part in with_none], SETS)
    left_out = np.repeat(SETS.sizes == SETS.sizes.max(), SETS.sizes)
    assert pd.isna(found).tolist() == left_out.tolist()
    np.testing.assert_array_equal(found[~left_out].astype(int), IN_ORDER[~left_out])
    np.testing.assert_array_equal(read_targets([part.to_frame() for part in y], SETS), IN_ORDER)


def test_labels_that_belong_to_another_set_are_an_error():
    with pytest.raises(ValueError, match=r"The row \d+ is in set \d+ of X, but in set \d+ of y"):
        read_targets(cut(IN_ORDER.set_axis(SETS.elements.index[::-1])), SETS)
    frame = pd.DataFrame({"id": [0, 1], "x": [0.0, 1.0]})
    X, y = (RaggedSets.from_frame(frame, "id", ids=ids) for ids in ([0, 1], [1, 0]))
    with pytest.raises(ValueError, match="The row 0 is in set 0 of X_val, but in set 1 of y_val"):
        read_targets(y, X, "_val")


@pytest.mark.parametrize("nothing", [None, np.nan, pd.NA])
def test_none_for_a_set_stands_for_no_targets(make, nothing):
    number = int(np.argmax(SIZES))
    y = [*Y[:number], nothing, *Y[number + 1 :]]
    missing = pd.isna(read_targets(y, check_sets(BAGS)))
    assert missing.sum() == SIZES[number]
    explicit = [*Y[:number], [None] * SIZES[number], *Y[number + 1 :]]
    for answer, wanted in zip(make().fit(BAGS, y).predict(BAGS), make().fit(BAGS, explicit).predict(BAGS), strict=True):
        np.testing.assert_array_equal(answer, wanted)


def test_what_no_estimator_can_learn_says_so():
    words = [np.where(part, "yes", "no") for part in Y]
    with pytest.raises(ValueError, match="y must hold numbers: could not convert string to float"):
        ESTIMATORS["regressor"]().fit(BAGS, [part.astype(object) for part in words])
    with pytest.raises(ValueError, match="y must hold numbers: it has dtype <U3"):
        ESTIMATORS["regressor"]().fit(BAGS, words)
    with pytest.raises(ValueError, match="y must hold numbers: it has dtype datetime64"):
        ESTIMATORS["regressor"]().fit(BAGS, np.full(len(FLAT), np.datetime64("2020-01-01")))
    with pytest.raises(ValueError, match=r"y holds labels of several types: '\w+' and some of"):
        ESTIMATORS["classifier"]().fit(BAGS, [*words[:5], *Y[5:]])
    with pytest.raises(ValueError, match='class_weight needs target="each"'):
        ESTIMATORS["classifier"](target="one_per_set", class_weight="balanced").fit(BAGS, Y)


def test_a_number_stands_for_the_target_of_a_set_of_one():
    sets = RaggedSets(np.zeros((4, 1)), [0, 1, 3, 4])
    assert read_targets([0.5, [1.0, 2.0], 3.0], sets).tolist() == [0.5, 1.0, 2.0, 3.0]
    with pytest.raises(ValueError, match="Set 1 of X has 2 elements, but 1 targets"):
        read_targets([0.5, 1.0, [3.0]], sets)
