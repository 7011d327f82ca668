"""Elements with very many columns: ensembles see a projection, which all that is asked of a model passes through."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.sparse import csr_matrix
from scipy.stats import f_oneway
from sklearn.decomposition import TruncatedSVD
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, Normalizer, StandardScaler

from sk_deepsets import DeepSetsClassifier, DeepSetsElementRegressor, RaggedSets, check_sets
from sk_deepsets.estimators import _projection
from sk_deepsets.estimators._projection import MOST_COLUMNS, differing_columns, learn_projection, project
from sk_deepsets.inspection import element_importance
from sk_deepsets.io import load, save
from sk_deepsets.preprocessing import SetEncoder

WORDS = MOST_COLUMNS + 20
FEW = {
    "n_members": 4,
    "phi_hidden_dims": (8,),
    "rho_hidden_dims": (8,),
    "max_epochs": 25,
    "lr": 0.02,
    "random_state": 0,
}


def documents(n_sets, seed=0):
    """Sets of word counts; those of class 1 have documents with more of the first ten words."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n_sets) % 2)
    rates = np.full(WORDS, 0.05)
    on_topic = rates.copy()
    on_topic[:10] = 4.0
    sets = [rng.poisson([on_topic if label and i < 2 else rates for i in range(rng.integers(3, 8))]) for label in y]
    return [one.astype(np.float64) for one in sets], y


SETS, Y = documents(50)


@pytest.fixture(scope="module")
def classifier():
    return DeepSetsClassifier(**FEW).fit(SETS, Y)


def read(sets):
    sets = check_sets(sets)
    return sets, SetEncoder().fit(sets)


@pytest.mark.parametrize("counts", [True, False])
def test_directions_are_those_of_a_singular_value_decomposition(counts):
    rng = np.random.default_rng(1)
    spectrum = 1.5 ** -np.arange(6)
    latent = rng.normal(size=(300, 6)) * spectrum @ rng.normal(size=(6, WORDS))
    elements = rng.poisson(np.exp(latent)).astype(float) if counts else latent * rng.uniform(1, 9, WORDS) + 5
    sets, encoder = read(np.split(elements, 30))
    found = learn_projection(sets, encoder, None)
    assert found.counts is counts
    steps = [FunctionTransformer(np.log1p), Normalizer()] if counts else [StandardScaler()]
    svd = make_pipeline(*steps, TruncatedSVD(found.output_dim, algorithm="arpack", random_state=0)).fit(elements)
    np.testing.assert_allclose(np.abs(found.components[:3].numpy() @ svd[-1].components_[:3].T), np.eye(3), atol=0.02)
    if not counts:  # there are six directions, and no more
        assert found.output_dim == 6


def test_only_wide_elements_that_are_scaled_are_projected_and_sets_without_weight_teach_nothing():
    narrow, encoder = read([one[:, :MOST_COLUMNS] for one in SETS])
    assert project(narrow, encoder, None, standardize=True)[0] is None
    sets, encoder = read(SETS)
    assert project(sets, encoder, None, standardize=False) == (None, sets, None)
    weight = np.where(np.arange(50) < 20, 0.0, 1.0)
    torch.manual_seed(0)
    wanted = learn_projection(sets, encoder, weight)
    torch.manual_seed(0)
    found = learn_projection(
        sets.replace(sets.elements * np.where(sets.segments < 20, 9.5, 1.0)[:, None]), encoder, weight
    )
    assert found.counts
    assert torch.equal(found.components, wanted.components)


def test_of_very_many_values_some_sets_tell_the_scalings(monkeypatch):
    monkeypatch.setattr(_projection, "MOST_VALUES", 40 * WORDS)
    monkeypatch.setattr(_projection, "SAMPLE_VALUES", 200 * WORDS)
    sets, encoder = read(SETS)
    projection, some, weight = project(sets, encoder, np.arange(50.0), standardize=True)
    assert len(some.elements) <= 40
    assert len(some) == len(weight)
    assert some.n_features == projection.output_dim


def test_word_counts_are_learned_and_one_net_sees_them_as_they_are(classifier):
    assert f"{WORDS} → 2 → 8" in classifier._sk_visual_block_().estimators[0].names
    assert classifier.oof_score_ > 0.9
    test, y = documents(40, seed=5)
    assert log_loss(y, classifier.predict_proba(test)) < 0.3
    assert classifier.net_.module_.mean_elements()[0].shape == (WORDS,)
    one = DeepSetsClassifier(n_members=1, max_epochs=1, random_state=0).fit(SETS, Y)
    assert one.net_.module_.input_layer.mean.shape == (WORDS,)


def test_directions_of_chance_are_none():
    """Of 250 elements with 520 columns of noise, 64 directions hold half of the spread, and of new ones a seventh."""
    rng = np.random.default_rng(3)
    sets, encoder = read([rng.normal(size=(5, WORDS)) for _ in range(50)])
    assert learn_projection(sets, encoder, None) is None
    shared = rng.normal(size=(2, WORDS)) * 2
    sets, encoder = read([one + rng.normal(size=(len(one), 2)) @ shared for one in sets])
    assert learn_projection(sets, encoder, None).output_dim == 2


def test_columns_differ_between_sets_as_an_analysis_of_variance_finds():
    rng = np.random.default_rng(4)
    segments = np.repeat(np.arange(40), rng.integers(1, 9, 40))
    table = rng.normal(size=(len(segments), 30))
    table[:, [3, 7]] += rng.normal(size=(40, 2))[segments] * 2
    table[:, 11], table[:, 12] = np.arange(40)[segments], 1 / 3  # constant within sets, and altogether
    ratio = f_oneway(*np.split(table[:, :10], np.flatnonzero(np.diff(segments)) + 1)).statistic
    assert differing_columns(table, segments, 1).tolist() == [3, 7, 11]
    wanted = np.sort(np.argsort(-ratio)[:4])
    np.testing.assert_array_equal(differing_columns(table[:, :10], segments, 4), wanted)
    assert len(differing_columns(rng.normal(size=table.shape), segments, 4)) == 0
    assert len(differing_columns(table, np.arange(len(table)), 4)) == 0


def test_where_no_direction_is_shared_the_columns_in_which_sets_differ_are_learned():
    rng = np.random.default_rng(5)
    y = rng.permutation(np.arange(100) % 2)
    made = [rng.normal(size=(8, WORDS)) for _ in y]
    for one, label in zip(made, y, strict=True):
        one[:, [5, 300]] += label
    clf = DeepSetsClassifier(**FEW).fit(made[:60], y[:60])
    kept = np.flatnonzero(clf.net_.module_.projection.components.numpy().sum(axis=0))
    assert {5, 300} <= {*kept}
    assert len(kept) == _projection.FEWEST_COMPONENTS
    assert log_loss(y[60:], clf.predict_proba(made[60:])) < 0.5
    sets, encoder = read(made[:60])
    assert learn_projection(sets, encoder, None, by_set=False) is None
    # as many sets as columns tell more of all of them
    many = rng.normal(size=(WORDS, 2, WORDS))
    many[:, :, 5] += 3 * rng.normal(size=(WORDS, 1))
    for n_sets, is_projected in ((WORDS - 1, True), (WORDS, False)):
        sets, encoder = read(list(many[:n_sets]))
        assert (learn_projection(sets, encoder, None) is not None) == is_projected


def test_noise_is_no_worse_than_its_prior():
    rng = np.random.default_rng(2)
    sets, y = [rng.normal(size=(size, WORDS)) for size in rng.integers(2, 6, 90)], rng.permutation(np.arange(90) % 2)
    clf = DeepSetsClassifier(**FEW).fit(sets[:50], y[:50])
    assert log_loss(y[:50], clf.oof_prediction_) < np.log(2) + 1e-6
    assert log_loss(y[50:], clf.predict_proba(sets[50:])) < np.log(2) + 0.1


def test_sparse_sets_and_other_dtypes_are_the_same(classifier):
    wanted = classifier.predict_proba(SETS)
    sparse = DeepSetsClassifier(**FEW).fit([csr_matrix(one) for one in SETS], Y)
    np.testing.assert_array_equal(sparse.predict_proba(SETS), wanted)
    np.testing.assert_allclose(classifier.predict_proba([one.astype(np.int16) for one in SETS]), wanted, atol=1e-6)
    np.testing.assert_allclose(classifier.predict_proba([one[::-1] for one in SETS[:9]]), wanted[:9], atol=1e-6)


def test_what_is_asked_of_a_model_goes_through_the_projection(classifier, tmp_path):
    wanted = classifier.predict_proba(SETS)
    save(classifier, tmp_path / "model")
    np.testing.assert_array_equal(load(tmp_path / "model").predict_proba(SETS), wanted)
    without = classifier.leave_one_out(SETS[:3])
    np.testing.assert_allclose(without[1][0], classifier.predict_proba([SETS[1][1:]])[0], atol=1e-6)
    added = classifier.integrated_gradients(SETS[:3], output=1, n_steps=200)
    mean = np.concatenate(SETS).mean(axis=0)
    far = classifier.predict_proba([np.tile(mean, (len(one), 1)) for one in SETS[:3]])[:, 1]
    np.testing.assert_allclose([one.sum() for one in added], wanted[:3, 1] - far, atol=0.02)
    positive = np.flatnonzero(Y == 1)[:3]
    important = element_importance(classifier, [SETS[i] for i in positive])
    for one in important:
        assert np.argmax(np.abs(one)) in (0, 1)


def test_each_collection_is_projected_by_itself(tmp_path):
    rng = np.random.default_rng(6)
    visits = [rng.normal(size=(size, 3)) for size in rng.integers(0, 4, len(SETS))]
    table = pd.DataFrame({"visits": visits, "texts": SETS})
    clf = DeepSetsClassifier(**{**FEW, "max_epochs": 12}).fit(table, Y)
    assert clf.net_.module_.projected_dims == [2, None]
    assert f"phi: texts {WORDS} → 2 → 8, visits 3 → 8" in clf._sk_visual_block_().estimators[0].names
    assert [*map(len, clf.net_.module_.mean_elements())] == [WORDS, 3]
    assert clf.oof_score_ > 0.9
    wanted = clf.predict_proba(table)
    save(clf, tmp_path / "model")
    np.testing.assert_array_equal(load(tmp_path / "model").predict_proba(table), wanted)
    shorter = table.iloc[:3].assign(texts=[SETS[0], SETS[1][1:], SETS[2]])
    without = clf.leave_one_out(table.iloc[:3])
    np.testing.assert_allclose(without["texts"][1][0], clf.predict_proba(shorter)[1], atol=1e-6)
    np.testing.assert_allclose(clf.predict_proba(table.iloc[::-1])[::-1], wanted, atol=1e-6)


def test_elements_are_seen_beside_the_others_of_their_set():
    y = [one[:, :10].sum(axis=1) - one[:, :10].sum(axis=1).mean() for one in SETS]
    options = {"n_members": 4, "hidden_dims": (8,), "max_epochs": 25, "lr": 0.02, "random_state": 0}
    codes = [np.arange(len(one))[:, None] % 3 for one in SETS]
    sets = [np.c_[one, code] for one, code in zip(SETS, codes, strict=True)]
    reg = DeepSetsElementRegressor(**options, categorical_features=[WORDS]).fit(sets, y)
    assert reg.oof_score_ > 0.5
    assert reg.net_.module_.mean_elements()[0].shape == (WORDS,)


def test_a_fit_repeats_to_the_last_bit(classifier):
    again = DeepSetsClassifier(**FEW).fit(RaggedSets(np.concatenate(SETS), np.cumsum([0, *map(len, SETS)])), Y)
    np.testing.assert_array_equal(again.predict_proba(SETS), classifier.predict_proba(SETS))
