"""Ensembles of the element-wise estimators: out-of-fold predictions, weights, missing targets, all losses."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.metrics import accuracy_score, log_loss, r2_score

from sk_deepsets import (
    DeepSetsClassifier,
    DeepSetsElementClassifier,
    DeepSetsElementRegressor,
    RaggedSets,
    element_scorer,
)
from sk_deepsets.io import load, save
from sk_deepsets.nn import DeepSetsEquivariant, ElementEnsemble

PACK = {"n_members": 4, "hidden_dims": (8,), "lr": 0.02, "max_epochs": 10, "random_state": 0}
RNG = np.random.default_rng(0)
SETS = [RNG.normal(size=(size, 2)) for size in [*RNG.integers(1, 9, 60), 0]]
ABOVE = [(one[:, 0] > one[:, 0].mean() if len(one) else np.zeros(0)).astype(int) for one in SETS]
LARGEST = [(one[:, 0] == one[:, 0].max(initial=-np.inf)).astype(int) for one in SETS]
VALUES = [one[:, 0] - one[:, 0].sum() / max(1, len(one)) for one in SETS]


def flat(parts):
    return np.concatenate([*parts])


@pytest.fixture(scope="module")
def classifier():
    return DeepSetsElementClassifier(**PACK).fit(SETS, np.array([*map(np.array, ABOVE)], dtype=object))


def test_the_default_is_an_ensemble_and_one_member_a_plain_net():
    assert DeepSetsElementClassifier().n_members == "auto"
    for n_members, kind, count in (("auto", ElementEnsemble, None), (1, DeepSetsEquivariant, 1)):
        net = DeepSetsElementClassifier(n_members=n_members, max_epochs=1).fit(SETS, ABOVE).net_.module_
        assert type(net) is kind
        assert count in (None, net.n_members)
    few = DeepSetsElementClassifier(max_epochs=1).fit(SETS[:3], ABOVE[:3])
    assert type(few.net_.module_) is DeepSetsEquivariant


@pytest.mark.parametrize(("n_members", "widths"), [(1, (64, 64)), (4, (32, 32))])
def test_widths_are_those_of_one_net_or_of_members(n_members, widths, tmp_path):
    options = {**PACK, "n_members": n_members, "max_epochs": 1}
    auto = DeepSetsElementRegressor(**{**options, "hidden_dims": "auto"}).fit(SETS, VALUES)
    named = DeepSetsElementRegressor(**{**options, "hidden_dims": widths}).fit(SETS, VALUES)
    wanted = flat(named.predict(SETS))
    np.testing.assert_array_equal(flat(auto.predict(SETS)), wanted)
    save(named, tmp_path / "named")  # as files were before there was "auto"
    save(auto, tmp_path / "auto")
    for name, hidden_dims in (("named", widths), ("auto", "auto")):
        loaded = load(tmp_path / name)
        assert loaded.hidden_dims == hidden_dims
        np.testing.assert_array_equal(flat(loaded.predict(SETS)), wanted)


def test_other_words_are_no_widths():
    with pytest.raises(ValueError, match="hidden_dims"):
        DeepSetsElementClassifier(hidden_dims="wide").fit(SETS, ABOVE)


def test_out_of_fold_predictions_are_cut_like_the_sets(classifier):
    assert list(map(len, classifier.oof_prediction_)) == list(map(len, SETS))
    found = flat(classifier.oof_prediction_)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert classifier.oof_score_ == pytest.approx(accuracy_score(flat(ABOVE), found.argmax(axis=1)))
    assert 0.7 < classifier.oof_score_ <= classifier.score(SETS, ABOVE) + 0.05
    # a candidate by itself, as of one epoch, is no better than those that are chosen
    lowest = min(row["valid_loss"] for row in classifier.history_ if "valid_loss" in row)
    assert log_loss(flat(ABOVE), found) < lowest + 1e-9


def test_out_of_fold_predictions_of_an_array_are_an_array():
    X = RNG.normal(size=(40, 3, 2))
    y = (X[:, :, 0] > 0).astype(int)
    found = DeepSetsElementClassifier(**PACK).fit(X, y).oof_prediction_
    assert isinstance(found, np.ndarray)
    assert found.shape == (40, 3, 2)


def test_out_of_fold_predictions_do_not_know_the_targets_of_their_set():
    """Targets at random, which each set has in all its elements: only who saw the set knows them."""
    rng = np.random.default_rng(1)
    sets = [np.repeat(rng.normal(size=(1, 2)), 6, axis=0) for _ in range(60)]
    y = [np.full(6, number % 2) for number in rng.permutation(60)]
    clf = DeepSetsElementClassifier(**{**PACK, "hidden_dims": (64,), "max_epochs": 60}).fit(sets, y)
    assert clf.oof_score_ < 0.7


def test_groups_are_held_out_together():
    rng = np.random.default_rng(2)
    group = np.arange(60) // 2
    shared = rng.normal(size=(30, 2))[group]
    sets = [np.repeat(one[None], 4, axis=0) for one in shared]
    y = [np.full(4, number) for number in rng.integers(0, 2, 30)[group]]
    options = {**PACK, "hidden_dims": (64,), "lr": 0.05, "max_epochs": 60}
    together = DeepSetsElementClassifier(**options).fit(sets, y, groups=group).oof_score_
    apart = DeepSetsElementClassifier(**options).fit(sets, y).oof_score_
    assert together < 0.75 < apart


def test_missing_targets_and_sets_of_weight_0_are_left_out():
    y = [np.where(np.arange(len(one)) == 0, np.nan, one) for one in ABOVE]
    weight = np.ones(len(SETS))
    weight[:10] = 0
    clf = DeepSetsElementClassifier(**PACK).fit(SETS, y, sample_weight=weight)
    found = list(clf.oof_prediction_)
    assert np.isnan(flat(found[:10])).all()
    labelled = ~np.isnan(flat(y[10:]))
    # an element without a target has a prediction, too, where its set teaches something
    taught = [one for one, targets in zip(found[10:], y[10:], strict=True) if not np.isnan(targets).all()]
    assert not np.isnan(flat(taught)).any()
    right = flat(found[10:])[labelled].argmax(axis=1) == flat(y[10:])[labelled]
    assert clf.oof_score_ == pytest.approx(right.mean())
    # sets of weight 0 teach nothing, whatever their targets
    other = [1 - one if number < 10 else one for number, one in enumerate(y)]
    again = clone(clf).fit(SETS, other, sample_weight=weight)
    np.testing.assert_array_equal(flat(again.predict_proba(SETS)), flat(clf.predict_proba(SETS)))


def test_one_per_set_adds_up_to_one():
    sets = [one for one in SETS if len(one)]
    chosen = [one for one in LARGEST if len(one)]
    clf = DeepSetsElementClassifier(target="one_per_set", **{**PACK, "max_epochs": 30}).fit(sets, chosen)
    for answers in (clf.oof_prediction_, clf.predict_proba(sets)):
        sums = [one[:, 1].sum() for one in answers]
        np.testing.assert_allclose(sums, 1)
    first = [one[:, 1].argmax() == wanted.argmax() for one, wanted in zip(clf.oof_prediction_, chosen, strict=True)]
    sizes = np.array([len(one) for one in sets])
    # each wrong choice is two wrong elements
    assert clf.oof_score_ == pytest.approx(1 - 2 * (~np.array(first)).sum() / sizes.sum())
    assert np.mean(first) > 0.7


@pytest.mark.parametrize("loss", ["listnet", "lambdarank"])
def test_rankings(loss):
    grades = [np.clip(np.round(one[:, 0] + 1), 0, 3) for one in SETS]
    reg = DeepSetsElementRegressor(loss=loss, **{**PACK, "max_epochs": 20}).fit(SETS, grades)
    frame = pd.Series([*reg.oof_prediction_])

    class Said:
        def predict(self, X):
            return [*frame]

    assert reg.oof_score_ == pytest.approx(element_scorer("ndcg")(Said(), SETS, grades))
    assert reg.oof_score_ > 0.9


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "poisson", "gamma", "quantile"])
def test_values(loss):
    positive = loss in ("poisson", "gamma")
    y = [np.exp(one / 2) if positive else 10 + 5 * one for one in VALUES]
    options = {**PACK, "loss": loss, "quantile": 0.5 if loss == "quantile" else None, "max_epochs": 40}
    reg = DeepSetsElementRegressor(**options).fit(SETS, y)
    found = flat(reg.oof_prediction_)
    assert reg.oof_score_ == pytest.approx(r2_score(flat(y), found))
    assert reg.oof_score_ > 0.6
    assert not positive or found.min() > 0


def test_a_fit_repeats_to_the_last_bit_and_predictions_depend_on_their_set_alone(classifier):
    again = clone(classifier).fit(SETS, ABOVE)
    whole = classifier.predict_proba(SETS)
    np.testing.assert_array_equal(flat(again.predict_proba(SETS)), flat(whole))
    order = np.random.default_rng(3).permutation(len(SETS))
    shuffled = classifier.predict_proba([SETS[i][::-1] for i in order])
    for i, found in zip(order, shuffled, strict=True):
        np.testing.assert_allclose(found[::-1], whole[i], atol=1e-5)
    np.testing.assert_allclose(classifier.predict_proba(SETS[:1])[0], whole[0], atol=1e-5)
    counts = [np.round(one * 3).astype(np.int64) for one in SETS]
    as_float = classifier.predict_proba([one.astype(np.float32) for one in counts])
    np.testing.assert_allclose(flat(as_float), flat(classifier.predict_proba(counts)), atol=1e-5)


def test_validation_sets_take_the_place_of_folds():
    reg = DeepSetsElementRegressor(**PACK).fit(SETS[:40], VALUES[:40], X_val=SETS[40:], y_val=VALUES[40:])
    assert not hasattr(reg, "oof_prediction_")
    assert "valid_loss" in reg.history_[0]


def test_context_and_categories_reach_the_members():
    rng = np.random.default_rng(4)
    kind = rng.choice(["tea", "cup"], 300)
    elements = pd.DataFrame({"amount": rng.normal(size=300), "kind": pd.Categorical(kind)})
    context = pd.DataFrame({"factor": rng.choice([-1.0, 1.0], 75)})
    sets = RaggedSets(elements, np.arange(0, 301, 4), context=context)
    y = np.where(kind == "tea", elements["amount"], 0) * np.repeat(context["factor"], 4).to_numpy()
    options = {**PACK, "hidden_dims": (32, 32), "max_epochs": 100}
    reg = DeepSetsElementRegressor(**options, fusion_type="film").fit(sets, y)
    assert reg.oof_score_ > 0.5
    plain = RaggedSets(elements, sets.offsets)
    without = DeepSetsElementRegressor(**options).fit(plain, y)
    assert without.oof_score_ < reg.oof_score_ - 0.2


def test_out_of_fold_predictions_hold_no_copy_of_the_elements(monkeypatch):
    """Elements may be larger than memory: they are read in batches alone."""
    taken = []
    take = RaggedSets.__getitem__
    monkeypatch.setattr(RaggedSets, "__getitem__", lambda self, key: taken.append(key) or take(self, key))
    sets = RaggedSets(np.concatenate(SETS), np.r_[0, np.cumsum([len(one) for one in SETS])])
    chosen = RaggedSets(np.concatenate(LARGEST)[:, None], sets.offsets)
    for model, y in (
        (DeepSetsElementClassifier(target="one_per_set", **PACK), chosen),
        (DeepSetsClassifier(n_members=4, max_epochs=2), sets.sizes > 4),
    ):
        assert model.fit(sets, y).oof_score_ > 0.4
    assert taken == []
