"""The classifier of elements, and what it shares with the regressor: inputs, invariances, weights, state."""

import copy
import pickle
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax, softmax
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import accuracy_score, log_loss, r2_score
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_sample_weight

from sk_deepsets import (
    DeepSetsElementClassifier,
    DeepSetsElementRegressor,
    ElementTransformer,
    RaggedSets,
    SetPadder,
    check_sets,
)

SHORT = {"n_members": 1, "hidden_dims": (8,), "max_epochs": 3, "random_state": 0}
FULL = {"batch_size": 10_000, "max_epochs": 5}
RNG = np.random.default_rng(0)
BAGS = [RNG.normal(loc=2, scale=3, size=(size, 3)) for size in RNG.integers(1, 8, 90)]
EACH = [(bag[:, 0] > bag[:, 0].mean()).astype(int) for bag in BAGS]
LARGEST = [(bag[:, 0] == bag[:, 0].max()).astype(int) for bag in BAGS]
N_ELEMENTS = sum(map(len, BAGS))
make_each = partial(DeepSetsElementClassifier, **SHORT)
make_one = partial(DeepSetsElementClassifier, target="one_per_set", **SHORT)
CASES = {
    "each": (make_each, EACH),
    "one per set": (make_one, LARGEST),
    "regressor": (partial(DeepSetsElementRegressor, **SHORT), [part + 0.5 for part in EACH]),
    "listnet": (partial(DeepSetsElementRegressor, loss="listnet", **SHORT), EACH),
}


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]


def answers(model, X):
    """All that the estimator says of the elements, in one table of floats; of scores, how they compare in a set."""
    said = model.predict_proba(X) if hasattr(model, "predict_proba") else model.predict(X)
    if getattr(model[-1] if isinstance(model, Pipeline) else model, "loss", None) == "listnet":
        said = [part - part.mean() if len(part) else part for part in said]
    return np.vstack([np.reshape(part, (len(part), -1)) for part in said if len(part)])


def object_array(items):
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array


def with_context(bags, context=None):
    sets = check_sets(bags)
    context = np.arange(2.0 * len(sets)).reshape(-1, 2) % 7 if context is None else context
    return RaggedSets(sets.elements, sets.offsets, context=context)


def state(model):
    return {name: value.clone() for name, value in model.net_.module_.state_dict().items()}


def same_weights(one, other):
    return all(torch.equal(value, state(other)[name]) for name, value in state(one).items())


def table(context):
    frame = pd.DataFrame({"bags": check_sets(BAGS).to_series().array, "size": [len(bag) % 3 for bag in BAGS]})
    return frame if context else frame[["bags"]]


FORMS = {
    "tuple": tuple,
    "nested lists": lambda bags: [bag.tolist() for bag in bags],
    "object array": object_array,
    "Series of arrays": pd.Series,
    "RaggedSets": check_sets,
    "PaddedSets": SetPadder().fit_transform,
    "frame with a column of arrays": lambda bags: pd.DataFrame({"bags": object_array(bags)}),
    "frame with a column of sets": lambda bags: table(context=False),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_the_same_sets_trains_and_answers_the_same(case, form):
    make, y = case
    model, X = make().fit(BAGS, y), FORMS[form](BAGS)
    np.testing.assert_array_equal(answers(model, X), answers(model, BAGS))
    np.testing.assert_array_equal(answers(make().fit(X, y), BAGS), answers(model, BAGS))
    assert [len(part) for part in model.predict(X)] == [len(bag) for bag in BAGS]


def test_frames_with_names_and_a_context_are_taken(case):
    make, y = case
    frames = [pd.DataFrame(bag, columns=list("abc")) for bag in BAGS]
    model = make().fit(frames, y)
    assert model.feature_names_in_.tolist() == ["a", "b", "c"]
    np.testing.assert_array_equal(answers(model, frames), answers(make().fit(BAGS, y), BAGS))
    X = table(context=True)
    model = make().fit(X, y)
    assert model.n_context_features_ == 1
    np.testing.assert_array_equal(answers(model, X), answers(model, with_context(BAGS, X[["size"]])))


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 99), name=st.sampled_from([*CASES]), pool_type=st.sampled_from(["max", "sum"]))
def test_answers_move_with_the_elements_and_do_not_depend_on_other_sets(seed, name, pool_type):
    make, y = CASES[name]
    rng = np.random.default_rng(seed)
    model = make(pool_type=pool_type, residual=True, hidden_dims=(4, 4), max_epochs=1).fit(BAGS, y)
    wanted = np.split(answers(model, BAGS), np.cumsum([len(bag) for bag in BAGS])[:-1])
    orders = [rng.permutation(len(bag)) for bag in BAGS]
    moved = answers(model, [bag[order] for bag, order in zip(BAGS, orders, strict=True)])
    moved_wanted = np.concatenate([part[order] for part, order in zip(wanted, orders, strict=True)])
    np.testing.assert_allclose(moved, moved_wanted, rtol=1e-4, atol=1e-5)
    chosen = rng.permutation(len(BAGS))[:7]
    some = answers(model, [BAGS[i] for i in chosen])
    np.testing.assert_allclose(some, np.concatenate([wanted[i] for i in chosen]), rtol=1e-4, atol=1e-5)
    for i in chosen[:3]:
        np.testing.assert_allclose(answers(model, [BAGS[i]]), wanted[i], rtol=1e-4, atol=1e-5)


def test_the_batch_size_changes_no_answer(case):
    make, y = case
    model = make().fit(BAGS, y)
    wanted = answers(model, BAGS)
    model.set_params(batch_size=7)
    np.testing.assert_allclose(answers(model, BAGS), wanted, rtol=1e-5)


def test_empty_sets_have_empty_answers_and_teach_nothing(case):
    make, y = case
    none, no_label = np.empty((0, 3)), np.empty(0)
    model = make().fit([none, *BAGS, none], [no_label, *y, no_label])
    np.testing.assert_allclose(answers(model, BAGS), answers(make().fit(BAGS, y), BAGS), rtol=1e-4, atol=1e-6)
    first, second, third = model.predict([none, BAGS[0], none])
    assert first.shape == third.shape == (0,)
    np.testing.assert_allclose(second, model.predict(BAGS)[0], rtol=1e-5)
    assert [part.shape for part in model.predict([none, none])] == [(0,), (0,)]
    with pytest.raises(ValueError, match="Set 1 is empty"):
        make(empty_sets="error").fit(BAGS, y).predict([BAGS[0], none])


def test_one_layer_is_lemma_3_on_standardised_elements():
    model = make_each(hidden_dims=(), pool_type="sum").fit(BAGS, EACH)
    elements = np.concatenate(BAGS)
    layer = model.net_.module_.layers[0]
    weights = [w.detach().double().numpy() for w in (layer.Lambda.weight, layer.Lambda.bias, layer.Gamma.weight)]
    for bag, proba, predicted in zip(BAGS, model.predict_proba(BAGS), model.predict(BAGS), strict=True):
        scaled = (bag - elements.mean(axis=0)) / elements.std(axis=0)
        output = scaled @ weights[0].T + weights[1] + layer.sum_scale * weights[2] @ scaled.sum(axis=0)
        np.testing.assert_allclose(proba, softmax(output, axis=1), rtol=1e-4, atol=1e-6)
        np.testing.assert_array_equal(predicted, output.argmax(axis=1))


def hide(y, mask, marker):
    """The same targets, some of them replaced."""
    return [[marker if m else v for v, m in zip(part, ms, strict=True)] for part, ms in zip(y, mask, strict=True)]


def test_elements_without_a_label_are_seen_but_not_learned_from():
    mask = [RNG.random(len(bag)) < 0.3 for bag in BAGS]
    for make, y in (CASES["each"], CASES["regressor"]):
        model = make().fit(BAGS, hide(y, mask, None))
        for marker in (np.nan, float("nan"), pd.NA, pd.NaT):
            assert same_weights(make().fit(BAGS, hide(y, mask, marker)), model)
        assert not same_weights(make().fit(BAGS, y), model)
        kept = [bag[~m] for bag, m in zip(BAGS, mask, strict=True)]
        without = make().fit(kept, [part[~m] for part, m in zip(y, mask, strict=True)])
        assert not same_weights(without, model)
        seen = ~np.concatenate(mask)
        score = accuracy_score if hasattr(model, "predict_proba") else r2_score
        wanted = score(np.concatenate(y)[seen], np.concatenate(model.predict(BAGS))[seen])
        np.testing.assert_allclose(model.score(BAGS, hide(y, mask, None)), wanted)
        assert model.score(BAGS, hide(y, mask, None)) != model.score(BAGS, y)


@pytest.mark.parametrize("options", [{}, {"early_stopping": True}, {"batch_size": 4}], ids=str)
def test_sets_without_any_label_are_left_out(case, options):
    make, y = case
    labelled = RNG.permutation(90)[:10]
    some = [part if i in labelled else np.full(len(part), np.nan) for i, part in enumerate(y)]
    model = make(**options).fit(BAGS, some)
    few = make(**options).fit([BAGS[i] for i in np.sort(labelled)], [y[i] for i in np.sort(labelled)])
    np.testing.assert_allclose(answers(model, BAGS), answers(few, BAGS), rtol=1e-4, atol=1e-6)
    scores = model.score(BAGS, some), model.score([BAGS[i] for i in labelled], [y[i] for i in labelled])
    np.testing.assert_allclose(*scores, rtol=1e-5)
    with pytest.raises(ValueError, match="No element of a set with a weight above 0 has a target in y"):
        make().fit(BAGS, some, sample_weight=~np.isin(np.arange(90), labelled))


def test_weights_are_repetitions_and_zero_leaves_out(case):
    make, y = case
    weight = np.random.default_rng(0).integers(0, 4, len(BAGS))
    repeated = np.repeat(np.arange(len(BAGS)), weight)
    weighted = make(**FULL).fit(BAGS, y, sample_weight=weight)
    plain = make(**FULL).fit([BAGS[i] for i in repeated], [y[i] for i in repeated])
    np.testing.assert_allclose(answers(weighted, BAGS), answers(plain, BAGS), rtol=1e-4, atol=1e-6)
    kept = np.flatnonzero(weight)
    zeros = make(batch_size=16, early_stopping=True).fit(BAGS, y, sample_weight=weight > 0)
    without = make(batch_size=16, early_stopping=True).fit([BAGS[i] for i in kept], [y[i] for i in kept])
    np.testing.assert_allclose(answers(zeros, BAGS), answers(without, BAGS), rtol=1e-4, atol=1e-6)
    for wrong in (np.zeros(90), -np.ones(90), np.ones(N_ELEMENTS)):
        with pytest.raises(ValueError, match=r"non-zero|Negative|one weight for each of the 90 sets"):
            make().fit(BAGS, y, sample_weight=wrong)


def test_the_score_weighs_the_elements_of_a_set():
    model, weight = make_each().fit(BAGS, EACH), np.arange(90.0)
    flat = np.repeat(weight, [len(bag) for bag in BAGS])
    predicted = np.concatenate(model.predict(BAGS))
    wanted = accuracy_score(np.concatenate(EACH), predicted, sample_weight=flat)
    np.testing.assert_allclose(model.score(BAGS, EACH, sample_weight=weight), wanted)
    np.testing.assert_allclose(model.score(BAGS, EACH), accuracy_score(np.concatenate(EACH), predicted))


@pytest.mark.parametrize("target", ["each", "one_per_set"])
def test_the_first_loss_is_that_of_numpy(target):
    y = EACH if target == "each" else LARGEST
    model = make_each(target=target, max_epochs=1, lr=1e-12, batch_size=10_000).fit(BAGS, y)
    proba = model.predict_proba(BAGS)
    if target == "each":
        wanted = log_loss(np.concatenate(y), np.concatenate(proba))
    else:
        scores = [model.net_.module_(torch.from_numpy(bag)[None])[0, :, 0].detach().numpy() for bag in BAGS]
        wanted = np.mean([-log_softmax(s)[np.argmax(part)] for s, part in zip(scores, y, strict=True)])
        by_proba = np.mean([-np.log(p[np.argmax(part), 1]) for p, part in zip(proba, y, strict=True)])
        np.testing.assert_allclose(by_proba, wanted, rtol=1e-5)
    np.testing.assert_allclose(model.history_[0]["train_loss"], wanted, rtol=1e-5)


def test_one_of_each_set_is_chosen_and_the_probabilities_say_which():
    model = make_one().fit(BAGS, LARGEST)
    sets = [*BAGS, np.empty((0, 3)), BAGS[0][:1]]
    for bag, proba, predicted in zip(sets, model.predict_proba(sets), model.predict(sets), strict=True):
        np.testing.assert_allclose(proba.sum(axis=1), np.ones(len(bag)))
        assert (proba >= 0).all()
        assert predicted.sum() == (len(bag) > 0)
        if len(bag):
            np.testing.assert_allclose(proba[:, 1].sum(), 1)
            assert predicted[np.argmax(proba[:, 1])] == 1
    same = model.predict([np.ones((4, 3))])[0]
    assert same.tolist() == [1, 0, 0, 0]


def changed(y, number, part):
    return [*y[:number], part, *y[number + 1 :]]


BIG = next(i for i, bag in enumerate(BAGS) if len(bag) == 4)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (
            changed(LARGEST, BIG, [0, 0, 0, 0]),
            rf"Set {BIG} has 0 elements of the class 1 in y, .* \(not so in 1 of 90 sets",
        ),
        (changed(LARGEST, BIG, [1, 0, 1, 0]), rf"Set {BIG} has 2 elements of the class"),
        (changed(LARGEST, BIG, [2, 0, 1, 0]), r"y has 3 classes .* exactly 2"),
        (changed(LARGEST, BIG, [None, 0, 1, 0]), rf"Set {BIG} has targets in y for 3 of its 4 elements"),
        ([np.ones(len(bag)) for bag in BAGS], "y has 1 class .*exactly 2"),
    ],
    ids=["none", "two", "three classes", "partly", "one class"],
)
def test_wrong_choices_are_an_error(y, message):
    with pytest.raises(ValueError, match=message):
        make_one().fit(BAGS, y)
    assert make_one().fit(BAGS, changed(LARGEST, BIG, [None] * 4)).n_iter_ == 3


def test_which_is_the_largest_and_which_is_the_odd_one_out_are_learned():
    rng = np.random.default_rng(0)
    sets = [rng.normal(size=(size, 2)) for size in rng.integers(2, 9, 200)]
    y = [one_set[:, 0] == one_set[:, 0].max() for one_set in sets]
    make = partial(DeepSetsElementClassifier, n_members=1, target="one_per_set", lr=0.01, max_epochs=40, random_state=0)
    assert make().fit(sets[:150], y[:150]).score(sets[150:], y[150:]) > 0.93
    odd = [np.eye(len(one_set))[rng.integers(len(one_set))].astype(bool) for one_set in sets]
    sets = [
        np.where(part[:, None], centre + 2, centre) + 0.1 * rng.normal(size=(len(part), 1))
        for part, centre in zip(odd, rng.normal(size=len(odd)) * 3, strict=True)
    ]
    model = make(pool_type="max").fit(sets[:150], odd[:150])
    assert model.score(sets[150:], odd[150:]) > 0.93
    assert model.classes_.tolist() == [False, True]


@pytest.mark.parametrize("names", [["no", "yes"], [False, True], [-3, 7], [2.0, 5.0]], ids=str)
@pytest.mark.parametrize("target", ["each", "one_per_set"])
def test_labels_of_any_type_come_back(names, target):
    y = EACH if target == "each" else LARGEST
    named = [np.array(names)[part] for part in y]
    model, plain = make_each(target=target).fit(BAGS, named), make_each(target=target).fit(BAGS, y)
    assert model.classes_.tolist() == names
    predicted = model.predict(BAGS)
    assert predicted[0].dtype == model.classes_.dtype
    np.testing.assert_array_equal(np.concatenate(predicted), np.array(names)[np.concatenate(plain.predict(BAGS))])
    np.testing.assert_array_equal(answers(model, BAGS), answers(plain, BAGS))
    assert model.score(BAGS, named) == plain.score(BAGS, y)


def test_three_classes_and_numbers_that_are_no_classes():
    y = [(bag[:, 0] > 0).astype(int) + (bag[:, 1] > 0) for bag in BAGS]
    model = make_each().fit(BAGS, y)
    assert {proba.shape[1] for proba in model.predict_proba(BAGS)} == {3}
    np.testing.assert_allclose(np.concatenate(model.predict_proba(BAGS)).sum(axis=1), 1)
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        make_each().fit(BAGS, [bag[:, 0] for bag in BAGS])
    with pytest.raises(ValueError, match=r"y has 1 class .*at least 2"):
        make_each().fit(BAGS, [np.zeros(len(bag)) for bag in BAGS])
    with pytest.raises(ValueError, match=r"y_val has the class .*3.*, which is not among"):
        make_each().fit(BAGS, y, X_val=BAGS, y_val=[part + 1 for part in y])


@pytest.mark.parametrize("class_weight", ["balanced", {0: 1, 1: 5}, {1: 3}], ids=str)
def test_class_weights_weigh_the_elements_in_the_loss(class_weight):
    y = [(bag[:, 0] > 4).astype(int) for bag in BAGS]
    model = make_each(class_weight=class_weight, max_epochs=1, lr=1e-12, batch_size=10_000).fit(BAGS, y)
    flat, proba = np.concatenate(y), np.concatenate(model.predict_proba(BAGS))
    wanted = log_loss(flat, proba, sample_weight=compute_sample_weight(class_weight, flat))
    np.testing.assert_allclose(model.history_[0]["train_loss"], wanted, rtol=1e-5)
    assert abs(wanted - log_loss(flat, proba)) > 1e-3
    kept = np.arange(90) % 3 > 0
    zeros = make_each(class_weight=class_weight).fit(BAGS, y, sample_weight=kept)
    numbers = np.flatnonzero(kept)
    few = make_each(class_weight=class_weight).fit([BAGS[i] for i in numbers], [y[i] for i in numbers])
    np.testing.assert_allclose(answers(zeros, BAGS), answers(few, BAGS), rtol=1e-4, atol=1e-6)


def test_class_weights_of_absent_classes_and_of_nothing():
    model = make_each(class_weight={0: 1, 2: 5}).partial_fit(BAGS, EACH, classes=[0, 1, 2])
    assert model.predict_proba(BAGS)[0].shape == (len(BAGS[0]), 3)
    with pytest.raises(ValueError, match="needs all sets at once"):
        make_each(class_weight="balanced").partial_fit(BAGS, EACH, classes=[0, 1])
    with pytest.raises(ValueError, match="must contain at least one non-zero number"):
        make_each(class_weight={0: 0, 1: 0}).fit(BAGS, EACH)


def test_model_selection_of_scikit_learn(case):
    make, y = case
    search = GridSearchCV(make(), {"hidden_dims": [(), (4,)]}, cv=2).fit(BAGS, y)
    assert search.best_params_["hidden_dims"] in [(), (4,)]
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    scores = cross_val_score(make(), BAGS, y, cv=3)
    assert scores.shape == (3,)
    wanted = make().fit(BAGS[30:], y[30:]).score(BAGS[:30], y[:30])
    np.testing.assert_allclose(scores[0], wanted)
    predicted = cross_val_predict(make(), BAGS, y, cv=3)
    assert [len(part) for part in predicted] == [len(bag) for bag in BAGS]
    first = make().fit(BAGS[30:], y[30:]).predict(BAGS[:30])
    np.testing.assert_allclose(np.concatenate(predicted[:30]), np.concatenate(first))
    square = np.random.default_rng(0).normal(size=(30, 4, 3))
    labels = np.argsort(square[..., 0]) == 3
    predicted = cross_val_predict(make(), list(square), list(labels.astype(int)), cv=3)
    assert predicted.shape == (30,)
    assert {part.shape for part in predicted} == {(4,)}


@pytest.mark.parametrize(
    "form",
    [
        object_array,
        list,
    ],
)
def test_pipelines_with_a_transformer_of_elements(case, form):
    make, y = case
    y = form(y)
    piped = make_pipeline(ElementTransformer(StandardScaler()), make(standardize=False)).fit(BAGS, y)
    scaler = StandardScaler().fit(np.concatenate(BAGS))
    scaled = [scaler.transform(bag) for bag in BAGS]
    plain = make(standardize=False).fit(scaled, y)
    np.testing.assert_allclose(answers(piped, BAGS), answers(plain, scaled), rtol=1e-5)
    np.testing.assert_allclose(piped.score(BAGS, y), plain.score(scaled, y), rtol=1e-5)
    assert cross_val_score(piped, BAGS, y, cv=2).shape == (2,)


def test_clone_pickle_and_parameters(case):
    make, y = case
    model = make().fit(BAGS, y)
    again = clone(model).fit(BAGS, y)
    assert same_weights(model, again)
    np.testing.assert_array_equal(answers(pickle.loads(pickle.dumps(model)), BAGS), answers(model, BAGS))
    assert clone(model).set_params(hidden_dims=(3,), pool_type="sum").get_params()["hidden_dims"] == (3,)
    with pytest.raises(NotFittedError, match="not fitted yet"):
        clone(model).predict(BAGS)
    with pytest.raises(NotFittedError, match="not fitted yet"):
        clone(model).score(BAGS, y)
    for wrong in ({"pool_type": "mean"}, {"hidden_dims": 3}, {"residual": "yes"}, {"layer_norm": 2}, {"lr": 0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            make(**wrong).fit(BAGS, y)


def test_seeds_repeat_and_global_generators_are_left_alone(case):
    make, y = case
    np.random.seed(3)  # noqa: NPY002 - the global generator is what is looked at
    torch.manual_seed(3)
    before = (pickle.dumps(np.random.get_state()), torch.get_rng_state())  # noqa: NPY002
    model = make(dropout=0.2).fit(BAGS, y)
    model.predict(BAGS)
    assert pickle.dumps(np.random.get_state()) == before[0]  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), before[1])
    assert same_weights(make(dropout=0.2).fit(BAGS, y), model)
    assert not same_weights(make(dropout=0.2, random_state=1).fit(BAGS, y), model)


def test_a_failed_fit_leaves_the_estimator_as_it_was(case):
    make, y = case
    model = make().fit(BAGS, y)
    before, wanted = copy.copy(model.__dict__), answers(model, BAGS)
    narrow = [bag[:, :2] for bag in BAGS]
    for X, targets in ((BAGS, y[:-1]), (narrow, [[None] * len(bag) for bag in BAGS]), (narrow, [*y[:-1], [0] * 9])):
        with pytest.raises(ValueError, match=r"targets|target"):
            model.fit(X, targets)
        assert model.__dict__ == before
    np.testing.assert_array_equal(answers(model, BAGS), wanted)


def test_training_goes_on_with_partial_fit_and_warm_start(case):
    make, y = case
    is_classifier = hasattr(make(), "predict_proba")
    classes = {"classes": [0, 1]} if is_classifier else {}
    once, steps = make(max_epochs=3).fit(BAGS, y), make().partial_fit(BAGS, y, **classes)
    for _ in range(2):
        steps.partial_fit(BAGS, y)
    assert same_weights(once, steps)
    warm = make(max_epochs=1, warm_start=True)
    for _ in range(3):
        warm.fit(BAGS, y)
    assert same_weights(once, warm)
    assert warm.n_iter_ == 3
    with pytest.raises(ValueError, match="residual=True, but the net to continue with was built with False"):
        warm.set_params(residual=True).fit(BAGS, y)
    if is_classifier:
        with pytest.raises(ValueError, match="classes must be passed on the first call"):
            make().partial_fit(BAGS, y)
        with pytest.raises(ValueError, match="differ from those of the first call"):
            steps.partial_fit(BAGS, y, classes=[1, 2])


def test_early_stopping_looks_at_what_is_given(case):
    make, y = case
    model = make(lr=0.5, max_epochs=60, n_iter_no_change=3).fit(BAGS[:60], y[:60], X_val=BAGS[60:], y_val=y[60:])
    losses = [row["valid_loss"] for row in model.history_]
    assert model.n_iter_ < 60
    assert model.best_iteration_ == 1 + np.argmin(losses)
    if hasattr(model, "target") and model.target == "each":
        wanted = log_loss(np.concatenate(y[60:]), np.concatenate(model.predict_proba(BAGS[60:])))
        np.testing.assert_allclose(min(losses), wanted, rtol=1e-4)
    inside = make(early_stopping=True, validation_fraction=0.2).fit(BAGS, y)
    assert all("valid_loss" in row for row in inside.history_)
    assert "valid_loss" not in make().fit(BAGS, y).history_[0]


@pytest.mark.parametrize("fusion_type", ["concat", "add", "film"])
@pytest.mark.parametrize("hidden_dims", [(8,), ()], ids=["hidden", "one layer"])
def test_context_is_used_and_needed_again(fusion_type, hidden_dims):
    sets = with_context(BAGS)
    model = make_each(fusion_type=fusion_type, hidden_dims=hidden_dims).fit(sets, EACH)
    wanted = answers(model, sets)
    assert not np.allclose(answers(model, with_context(BAGS, sets.context[::-1])), wanted)
    np.testing.assert_allclose(answers(model, sets[:5]), wanted[: sum(map(len, BAGS[:5]))], rtol=1e-4, atol=1e-6)
    with pytest.raises(ValueError, match=r"X has no context features, but .* was fitted with 2"):
        model.predict(BAGS)


def test_context_that_alone_tells_the_answer_is_learned():
    told = np.arange(90.0)[:, None] % 2
    y = [np.full(len(bag), number % 2) for number, bag in enumerate(BAGS)]
    for fusion_type in ("concat", "add", "film"):
        model = make_each(fusion_type=fusion_type, max_epochs=60, lr=0.02).fit(with_context(BAGS, told), y)
        assert model.score(with_context(BAGS, told), y) > 0.95


def test_categories_of_elements_are_embedded():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"id": np.repeat(np.arange(60), 4), "x": rng.normal(size=240)})
    frame["kind"] = pd.Categorical(rng.choice(["tea", "cup", "pot"], 240))
    frame = frame.sample(frac=1, random_state=0)
    sets = RaggedSets.from_frame(frame, by="id")
    model = make_each(max_epochs=40, lr=0.02).fit(sets, frame["kind"] == "tea")
    assert model.score(sets, frame["kind"] == "tea") > 0.95
    assert (frame.assign(tea=sets.to_rows(model.predict(sets))).query("tea")["kind"] == "tea").mean() > 0.9
    assert np.isfinite(np.concatenate(model.predict_proba(sets[:3]))).all()


def test_residual_layers_and_layer_norm_change_the_model(case):
    make, y = case
    options = ({}, {"residual": True}, {"layer_norm": True}, {"residual": True, "layer_norm": True})
    outputs = [answers(make(hidden_dims=(6, 6), **option).fit(BAGS, y), BAGS) for option in options]
    for number, output in enumerate(outputs):
        assert np.isfinite(output).all()
        assert not any(np.allclose(output, other) for other in outputs[:number])


@pytest.mark.parametrize("first", [True, False], ids=["first by order", "second by order"])
def test_the_chosen_class_is_the_one_that_each_set_has_once(first):
    chosen, other = ("bought", "left") if first else ("take", "leave")
    y = [np.where(bag[:, 0] == bag[:, 0].max(initial=-np.inf), chosen, other) for bag in BAGS]
    model = make_one().fit(BAGS, y)
    numbers = make_one().fit(BAGS, [(part == chosen).astype(int) for part in y])
    column = model.classes_.tolist().index(chosen)
    for words, ours in zip(model.predict_proba(BAGS), numbers.predict_proba(BAGS), strict=True):
        np.testing.assert_array_equal(words[:, column], ours[:, 1])
        np.testing.assert_allclose(words.sum(axis=1), 1)
    for words, ours in zip(model.predict(BAGS), numbers.predict(BAGS), strict=True):
        np.testing.assert_array_equal(words == chosen, ours == 1)
    both = [part.copy() for part in y]
    wrong = next(i for i, part in enumerate(both) if len(part) > 2)
    both[wrong][:2] = chosen
    both[wrong][2:] = other
    with pytest.raises(ValueError, match=f"Set {wrong} has 2 elements of the class '{chosen}' in y_val"):
        make_one().fit(BAGS, y, X_val=BAGS, y_val=both)


def test_in_pairs_the_chosen_class_is_the_second_by_order():
    bags = [bag[:2] for bag in BAGS if len(bag) > 1]
    y = [np.array(["a", "b"])[(bag[:, 0] > bag[::-1, 0]).astype(int)] for bag in bags]
    model = make_one().fit(bags, y)
    numbers = make_one().fit(bags, [(part == "b").astype(int) for part in y])
    for words, ours in zip(model.predict_proba(bags), numbers.predict_proba(bags), strict=True):
        np.testing.assert_array_equal(words, ours)
