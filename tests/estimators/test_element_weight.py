"""element_weight: a column of the elements weighs them in pools, statistics and scalings, and is no feature of phi."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sk_deepsets import DeepSetsClassifier, DeepSetsElementClassifier, DeepSetsRegressor, DeepSetsSurvival, RaggedSets
from sk_deepsets.estimators import _projection
from sk_deepsets.inspection import critical_elements, element_importance, feature_importance
from sk_deepsets.io import load, save
from sk_deepsets.sets import _mapped
from sk_deepsets.training import _batches
from tests.models import MeanNet

RNG = np.random.default_rng(0)
SIZES = RNG.integers(0, 9, 48)
N = int(SIZES.sum())
FRAME = pd.DataFrame(
    {
        "x": RNG.normal(1, 2, N),
        "energy": RNG.gamma(2, size=N) * (RNG.random(N) > 0.15),
        "kind": pd.Categorical(RNG.choice(["a", "b"], N)),
        "y": RNG.normal(size=N),
    }
)
SETS = RaggedSets(FRAME, np.r_[0, SIZES.cumsum()])
ARRAYS = RaggedSets(FRAME[["energy", "x", "y"]].to_numpy(), SETS.offsets)
SUMS = np.array([(one["energy"] * one["x"]).sum() for one in SETS])
OPTIONS = {"phi_hidden_dims": (8,), "rho_hidden_dims": (8,), "max_epochs": 2, "random_state": 0, "batch_size": 16}
EVERY_POOL = ("sum", "mean", "max", "min", "std", "attention", "pma")
MODELS = {
    "net": {"n_members": 1, "pool_type": EVERY_POOL},
    "ensemble": {"n_members": 16},
    "pools of an ensemble": {"n_members": 4, "pool_type": EVERY_POOL},
    "equivariant": {"n_members": 1, "encoder": "equivariant"},
    "attention": {"n_members": 4, "encoder": "attention"},
    "unscaled": {"n_members": 1, "standardize": False},
}


@pytest.fixture(scope="module", params=MODELS)
def model(request):
    return DeepSetsRegressor(element_weight="energy", **OPTIONS, **MODELS[request.param]).fit(SETS, SUMS)


def split(sets, rows, shares, column="energy"):
    """The sets with some elements in two parts, which share their weights."""
    times = np.ones(len(sets.elements), dtype=int)
    times[rows] = 2
    elements = sets.elements.iloc[np.repeat(np.arange(len(times)), times)].reset_index(drop=True)
    second = np.cumsum(times)[rows] - 1
    weight = elements[column].to_numpy(copy=True)
    weight[second] *= shares
    weight[second - 1] *= 1 - shares
    return RaggedSets(elements.assign(**{column: weight}), np.r_[0, times.cumsum()][sets.offsets])


def assert_equal_answers(found, wanted, rtol=2e-5):
    np.testing.assert_allclose(found, wanted, rtol=rtol, atol=rtol * np.ptp(wanted))


@settings(max_examples=5, deadline=None)
@given(data=st.data())
def test_splitting_elements_changes_nothing(model, data):
    rows = np.flatnonzero(data.draw(st.lists(st.booleans(), min_size=N, max_size=N)))
    shares = np.array(data.draw(st.lists(st.sampled_from([0, 0.01, 0.5, 0.7]), min_size=len(rows), max_size=len(rows))))
    parts = split(SETS, rows, shares)
    assert np.ptp(model.predict(SETS)) > 1e-3
    assert_equal_answers(model.predict(parts), model.predict(SETS))
    assert_equal_answers(model.transform(parts), model.transform(SETS))


def test_an_element_without_weight_is_as_if_it_were_not_there(model):
    counted = FRAME["energy"] > 0
    others = RaggedSets(FRAME[counted], np.r_[0, counted.cumsum()][SETS.offsets])
    assert counted.sum() < N
    assert_equal_answers(model.predict(others), model.predict(SETS))
    nothing = RaggedSets(FRAME.assign(energy=0.0), SETS.offsets)
    empty = RaggedSets(FRAME[:0], np.zeros(len(SETS) + 1, dtype=int))
    assert_equal_answers(model.predict(nothing), model.predict(empty))


def test_a_model_of_split_elements_is_the_same():
    options = {"element_weight": "energy", "n_members": 1, "pool_type": ("sum", "max"), **OPTIONS, "max_epochs": 4}
    parts = split(SETS, np.arange(0, N, 2), 0.5)
    wanted = DeepSetsRegressor(**options).fit(SETS, SUMS)
    assert_equal_answers(DeepSetsRegressor(**options).fit(parts, SUMS).predict(SETS), wanted.predict(SETS), 1e-4)


def test_a_sum_is_weighted_and_the_weight_is_no_feature():
    options = {"phi_hidden_dims": (), "rho_hidden_dims": (), "lr": 0.05, "max_epochs": 150, "random_state": 0}
    numbers = RaggedSets(FRAME[["x", "energy"]], SETS.offsets)
    model = DeepSetsRegressor(n_members=1, pool_type="sum", element_weight="energy", **options).fit(numbers, SUMS)
    assert model.score(numbers, SUMS) > 0.99
    assert model.net_.module_.rho[0].in_features == 1
    more = RaggedSets(FRAME.assign(energy=100 * FRAME["energy"])[["x", "energy"]], SETS.offsets)
    with pytest.warns(UserWarning, match="'energy'"):
        found = model.predict(more)
    bias = model.predict(RaggedSets(FRAME[["x", "energy"]][:0], [0, 0]))
    assert_equal_answers(found - bias, 100 * (model.predict(numbers) - bias), 1e-4)


@pytest.mark.parametrize("n_members", [1, 4])
def test_statistics_and_scalings_are_those_of_repeated_elements(n_members):
    times = RNG.integers(0, 3, N)
    weighted = RaggedSets(np.c_[ARRAYS.elements[:, 1:], times], SETS.offsets)
    repeated = RaggedSets(np.repeat(ARRAYS.elements[:, 1:], times, axis=0), np.r_[0, times.cumsum()][SETS.offsets])
    # by quantiles, each element counts once
    options = {**OPTIONS, "n_members": n_members, "standardize": n_members == 1, "empty_sets": "zero"}
    wanted = DeepSetsRegressor(**options).fit(repeated, SUMS).predict(repeated)
    found = DeepSetsRegressor(element_weight=2, **options).fit(weighted, SUMS).predict(weighted)
    assert_equal_answers(found, wanted, 1e-4)


def test_the_weight_is_named_or_has_a_position(monkeypatch, tmp_path):
    options = {"n_members": 4, **OPTIONS}
    first = DeepSetsRegressor(element_weight=0, **options).fit(ARRAYS, SUMS)
    wanted = first.predict(ARRAYS)
    last = ARRAYS.replace(ARRAYS.elements[:, [1, 2, 0]])
    for place in (2, -1, np.int64(2)):
        model = DeepSetsRegressor(element_weight=place, **options).fit(last, SUMS)
        np.testing.assert_array_equal(model.predict(last), wanted)
    for columns in (["energy", "x", "y"], ["x", "energy", "y"]):
        named = RaggedSets(FRAME[columns], SETS.offsets)
        model = DeepSetsRegressor(element_weight="energy", **options).fit(named, SUMS)
        np.testing.assert_array_equal(model.predict(named), wanted)
    ARRAYS.save(tmp_path)
    monkeypatch.setattr(_mapped, "VALUES_AT_ONCE", 60)
    monkeypatch.setattr(_batches, "MOST_SCALED_VALUES", 0)
    mapped = RaggedSets.open(tmp_path)
    np.testing.assert_array_equal(first.fit(mapped, SUMS).predict(mapped), wanted)


def test_parts_of_large_sets_are_weighted_twice():
    model = DeepSetsRegressor(element_weight=0, n_members=4, max_set_size=4, resample=True, **OPTIONS)
    wanted = model.fit(ARRAYS, SUMS).predict(ARRAYS)
    ensemble = model.net_.module_
    data = _batches.scaled(_batches.SetDataset(model._read_sets(ARRAYS), SUMS).with_parts(4), ensemble)
    raw = _batches.SetDataset(model._read_sets(ARRAYS), SUMS).with_parts(4)
    found, other = (one.take_parts(torch.arange(9), 0)[0].inputs(ensemble).packed for one in (data, raw))
    assert torch.equal(found.weight, other.weight)
    assert torch.equal(found.elements, other.elements)
    times = np.repeat(np.maximum(SIZES[:9] / 4, 1), np.minimum(SIZES[:9], 4))
    own = ARRAYS.elements[:, 0].astype(np.float32)
    assert np.isclose(found.weight.numpy() / times[:, None], own, rtol=1e-6).any(axis=1).all()
    np.testing.assert_array_equal(model.fit(ARRAYS, SUMS).predict(ARRAYS), wanted)


@pytest.mark.parametrize("options", [MODELS["net"], MODELS["ensemble"]], ids=["net", "ensemble"])
def test_explanations_by_element_know_the_weights(options):
    model = DeepSetsRegressor(element_weight="energy", **OPTIONS, **options).fit(SETS, SUMS)
    without = model.leave_one_out(SETS)
    for row in (0, 5, int(np.flatnonzero(FRAME["energy"] == 0)[0])):
        number = SETS.segments[row]
        left = FRAME.drop(index=row)
        sets = RaggedSets(left, SETS.offsets - (SETS.offsets > row))
        assert_equal_answers(without[number][row - SETS.offsets[number]], model.predict(sets)[number], 1e-4)
    importance = np.concatenate(element_importance(model, SETS, method="occlusion"))
    assert np.abs(importance[FRAME["energy"] == 0]).max() < 1e-4 * np.abs(importance).max()
    gradients = np.concatenate(model.integrated_gradients(SETS))
    assert np.isfinite(gradients).all()


def test_attention_is_shared_by_weight():
    model = DeepSetsRegressor(element_weight="energy", n_members=4, pool_type="pma", **OPTIONS).fit(SETS, SUMS)
    shares = np.concatenate(element_importance(model, SETS))
    rows = np.arange(0, N, 3)
    halves = np.concatenate(element_importance(model, split(SETS, rows, 0.25)))
    second = np.cumsum(np.isin(np.arange(N), rows) + 1)[rows] - 1
    np.testing.assert_allclose(halves[second], 0.25 * shares[rows], rtol=1e-4, atol=1e-7)
    assert not shares[FRAME["energy"] == 0].any()
    filled = np.bincount(SETS.segments, FRAME["energy"], len(SETS)) > 0
    np.testing.assert_allclose(np.bincount(SETS.segments, shares, len(SETS)), filled, atol=1e-6)


def test_critical_elements_have_a_weight():
    options = {**OPTIONS, "pool_type": "max", "activation": "tanh", "phi_hidden_dims": (3,)}
    model = DeepSetsRegressor(element_weight="energy", n_members=1, **options).fit(SETS, SUMS)
    kept = [one + begin for one, begin in zip(critical_elements(model, SETS), SETS.offsets, strict=False)]
    rows = np.sort(np.concatenate(kept))
    assert (FRAME["energy"][rows] > 0).all()
    few = RaggedSets(FRAME.iloc[rows], np.r_[0, np.cumsum([len(one) for one in kept])])
    assert_equal_answers(model.predict(few), model.predict(SETS))


def test_features_that_matter_include_the_weight():
    model = DeepSetsRegressor(element_weight="energy", n_members=4, **{**OPTIONS, "max_epochs": 40}).fit(SETS, SUMS)
    found = feature_importance(model, SETS, SUMS, n_repeats=2, random_state=0)
    assert found.feature_names[:4].tolist() == ["x", "energy", "kind", "y"]
    assert found.importances_mean[1] > 0.01


def test_a_saved_model_says_the_same(model, tmp_path):
    save(model, tmp_path / "model")
    np.testing.assert_array_equal(load(tmp_path / "model").predict(SETS), model.predict(SETS))
    assert "weighs the elements" in model._repr_html_()


def test_other_estimators_of_sets_take_it():
    labels = (SUMS > 0).astype(int)
    model = DeepSetsClassifier(element_weight="energy", n_members=4, **OPTIONS).fit(SETS, labels)
    assert_equal_answers(model.predict_proba(split(SETS, np.arange(9), 0.5)), model.predict_proba(SETS))
    times = np.array(list(zip(labels == 1, SIZES + 1.0, strict=True)), dtype=[("event", bool), ("time", float)])
    risks = DeepSetsSurvival(element_weight="energy", n_members=1, **OPTIONS).fit(SETS, times)
    assert_equal_answers(risks.predict(split(SETS, np.arange(9), 0.5)), risks.predict(SETS))
    with pytest.raises(TypeError, match="element_weight"):
        DeepSetsElementClassifier(element_weight="energy")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"element_weight": "pt"}, r"'pt' is not among the features of the elements, which are \['x', 'energy'"),
        ({"element_weight": 4}, "element_weight=4, but the elements have 4 features"),
        ({"element_weight": "kind"}, "is a column of categories; expected numbers"),
        ({"element_weight": "y"}, r"Set \d+ has an element with the weight -.* \(negative: .* of .* elements\)"),
        ({"element_weight": "energy", "module": MeanNet}, "a module of your own"),
        ({"element_weight": "energy", "n_members": 4, "pool_type": "median"}, "pool_type"),
    ],
)
def test_what_cannot_weigh_elements_is_an_error(options, message):
    with pytest.raises(ValueError, match=message):
        DeepSetsRegressor(**{**OPTIONS, **options}).fit(SETS, SUMS)


def test_weights_are_checked_at_predict_too():
    model = DeepSetsRegressor(element_weight=0, n_members=1, **OPTIONS).fit(ARRAYS, SUMS)
    wrong = ARRAYS.elements.copy()
    wrong[SETS.offsets[7], 0] = -2.5
    number = SETS.segments[SETS.offsets[7]]
    with pytest.raises(ValueError, match=f"Set {number} has an element with the weight -2.5 .*negative: 1 of {N}"):
        model.predict(ARRAYS.replace(wrong))
    wrong[SETS.offsets[7], 0] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        model.predict(ARRAYS.replace(wrong))
    with pytest.raises(ValueError, match="have no names: give a position"):
        DeepSetsRegressor(element_weight="energy").fit(ARRAYS, SUMS)
    with pytest.raises(ValueError, match="the only feature"):
        DeepSetsRegressor(element_weight=0).fit(ARRAYS.replace(ARRAYS.elements[:, :1]), SUMS)
    model.set_params(warm_start=True, element_weight=None)
    with pytest.raises(ValueError, match="element_weight=None"):
        model.fit(ARRAYS, SUMS)


def test_wide_elements_are_projected_without_their_weight(monkeypatch):
    monkeypatch.setattr(_projection, "MOST_COLUMNS", 5)
    wide = FRAME[["x", "y"]].to_numpy() @ RNG.normal(size=(2, 8)) + 0.01 * RNG.normal(size=(N, 8))
    sets = RaggedSets(pd.DataFrame(wide).add_prefix("w").assign(energy=FRAME["energy"]), SETS.offsets)
    model = DeepSetsRegressor(element_weight="energy", n_members=4, **OPTIONS).fit(sets, SUMS)
    assert model.net_.module_.projection.components.shape[1] == 8
    assert_equal_answers(model.predict(split(sets, np.arange(0, N, 2), 0.3)), model.predict(sets))


def two_collections(particles):
    cells = RaggedSets(FRAME[["y", "kind"]], SETS.offsets)
    return pd.DataFrame({"particles": particles.to_series(), "cells": cells.to_series()})


@pytest.mark.parametrize("options", [MODELS["net"], MODELS["ensemble"]], ids=["net", "ensemble"])
def test_collections_have_weights_of_their_own(options):
    X, parts = two_collections(SETS), two_collections(split(SETS, np.arange(0, N, 2), 0.3))
    model = DeepSetsRegressor(element_weight={"particles": "energy"}, **OPTIONS, **options).fit(X, SUMS)
    assert_equal_answers(model.predict(parts), model.predict(X))
    importance = np.concatenate(element_importance(model, X)["particles"])
    assert np.abs(importance[FRAME["energy"] == 0]).max() < 1e-4 * np.abs(importance).max()
    for wrong in ("energy", {"tracks": "energy"}):
        with pytest.raises(ValueError, match="expected element_weight as a dict by collection"):
            DeepSetsRegressor(element_weight=wrong).fit(X, SUMS)
    with pytest.raises(ValueError, match="X has one"):
        DeepSetsRegressor(element_weight={"particles": "energy"}).fit(SETS, SUMS)
