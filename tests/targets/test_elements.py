"""The targets of elements in both estimators: how they are read, and what the outputs of the net mean."""

from functools import partial
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sk_deepsets import (
    DeepSetsElementClassifier,
    DeepSetsElementRegressor,
    ElementTransformer,
    RaggedSets,
    element_scorer,
)
from sk_deepsets.targets import ChosenElementTarget

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

FORMS = {
    "list of lists": lambda y: [part.tolist() for part in y],
    "Series of arrays": lambda y: pd.Series(y, index=[f"bag {i}" for i in range(len(y))]),
    "RaggedSets": lambda y: RaggedSets(np.concatenate(y).reshape(-1, 1), np.r_[0, np.cumsum(SIZES)]),
    "flat array": np.concatenate,
    "flat Series": lambda y: pd.Series(np.concatenate(y), index=np.arange(100, 100 + sum(SIZES))),
}


@pytest.fixture(params=ESTIMATORS)
def make(request):
    return ESTIMATORS[request.param]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_the_same_targets_trains_the_same(make, form):
    y = FORMS[form](Y)
    plain, model = make().fit(BAGS, Y), make().fit(BAGS, y)
    np.testing.assert_array_equal(np.concatenate(model.predict(BAGS)), np.concatenate(plain.predict(BAGS)))
    assert model.score(BAGS, y) == plain.score(BAGS, Y)


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
        (np.zeros(43), r"but y has 43 targets; expected one for each element"),
        (None, "y is None"),
        (pd.DataFrame({"a": FLAT, "b": FLAT}), r"y must be one column of targets, but is a DataFrame of \['a', 'b'\]"),
        ([[None] * size for size in SIZES], "No element has a target in y"),
        (np.full(len(FLAT), np.nan), "No element has a target in y"),
    ],
    ids=["sets", "flat", "Series", "one per set", "none", "frame", "all None", "all nan"],
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


def test_targets_follow_the_labels_of_the_rows_of_the_frame(make):
    assert (SETS.elements.index != FRAME.index).any()
    wanted = make().fit(SETS, IN_ORDER.to_numpy()).predict(SETS)
    labels = RaggedSets.from_frame(FRAME, by="id", columns=["label"], ids=[99, *range(12)])
    for y in (FRAME["label"], FRAME["label"].sample(frac=1, random_state=0).astype("Int64"), labels):
        np.testing.assert_array_equal(np.concatenate(make().fit(SETS, y).predict(SETS)), np.concatenate(wanted))
    with pytest.raises(ValueError, match="The index of y does not hold the rows of X"):
        make().fit(SETS, FRAME["label"].reset_index(drop=True))


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


def test_a_series_of_more_rows_gives_those_of_the_sets(make):
    part = SETS[[3, 1, 8]]
    model = make().fit(part, FRAME["label"])
    assert model.score(part, FRAME["label"]) == model.score(part, IN_ORDER[part.elements.index])


def test_a_pipeline_keeps_the_rows_of_the_frame():
    rng = np.random.default_rng(0)
    events = pd.DataFrame(
        {"by": rng.integers(0, 30, 200), "x": rng.normal(size=200), "kind": rng.choice(["a", "b"], 200)}
    )
    sets = RaggedSets.from_frame(events, "by")
    encode = make_column_transformer((StandardScaler(), ["x"]), (OneHotEncoder(), ["kind"]))
    pipe = make_pipeline(
        ElementTransformer(encode), DeepSetsElementClassifier(n_members=1, max_epochs=40, random_state=0)
    )
    events["predicted"] = sets.to_rows(pipe.fit(sets, events["x"] > 0).predict(sets))
    assert (events["predicted"] == (events["x"] > 0)).mean() > 0.95


@pytest.mark.parametrize("nothing", [None, np.nan, pd.NA])
def test_none_for_a_set_stands_for_no_targets(make, nothing):
    number = int(np.argmax(SIZES))
    y = [*Y[:number], nothing, *Y[number + 1 :]]
    explicit = [*Y[:number], [None] * SIZES[number], *Y[number + 1 :]]
    answers, wanted = (np.concatenate(make().fit(BAGS, one).predict(BAGS)) for one in (y, explicit))
    np.testing.assert_array_equal(answers, wanted)


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


@settings(max_examples=60, deadline=None)
@given(sizes=st.lists(st.integers(0, 4), min_size=1, max_size=6), seed=st.integers(0, 99), ties=st.booleans())
def test_probabilities_of_a_choice_are_a_softmax_over_each_set_and_its_first_largest_is_chosen(sizes, seed, ties):
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 3, sum(sizes)).astype(float) if ties else rng.normal(scale=500, size=sum(sizes))
    sets = RaggedSets(np.zeros((sum(sizes), 1)), np.r_[0, np.cumsum(sizes)])
    for chosen in (0, 1):
        target = ChosenElementTarget(classes=np.array(["a", "b"]), chosen=chosen)
        probabilities, labels = target.answers(scores[:, None], sets), target.labels(scores[:, None], sets)
        np.testing.assert_allclose(probabilities.sum(axis=1), 1)
        for first, last in pairwise(sets.offsets):
            part = scores[first:last]
            if len(part):
                np.testing.assert_allclose(probabilities[first:last, chosen], softmax(part), atol=1e-12)
                assert np.flatnonzero(labels[first:last] == target.classes[chosen]).tolist() == [np.argmax(part)]
