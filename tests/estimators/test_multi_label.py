"""Several labels for each set: the forms of answers are those of scikit-learn's MLPClassifier."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.metrics import accuracy_score
from sklearn.neural_network import MLPClassifier

from sk_deepsets import check_sets


@pytest.fixture(scope="module")
def tags(bags):
    """Three labels; the last is there for few sets."""
    return np.array([[bag[:, 0].mean() > 2, bag[:, 1].max() > 4, bag[:, 2].min() > 4] for bag in bags], dtype=int)


@pytest.fixture
def make(make_classifier):
    def make(**options):
        return make_classifier(**{"n_members": 4, "batch_size": 16, **options})

    return make


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
@pytest.mark.parametrize("n_members", [1, 4])
def test_answers_look_like_those_of_scikit_learn(make, bags, tags, n_members):
    clf = make(n_members=n_members).fit(bags, tags)
    rows = np.array([bag.mean(axis=0) for bag in bags])
    mlp = MLPClassifier(max_iter=5).fit(rows, tags)
    np.testing.assert_array_equal(clf.classes_, mlp.classes_)
    for method in ("predict", "predict_proba"):
        found, wanted = getattr(clf, method)(bags), getattr(mlp, method)(rows)
        assert (found.shape, found.dtype.kind) == (wanted.shape, wanted.dtype.kind)
    np.testing.assert_array_equal(clf.predict(bags), clf.predict_proba(bags) > 0.5)
    assert clf.score(bags, tags) == accuracy_score(tags, clf.predict(bags))


@pytest.mark.parametrize("n_members", [1, 4])
def test_labels_are_learned_each_by_itself(make, bags, tags, n_members):
    clf = make(n_members=n_members, max_epochs=80, lr=0.02).fit(bags, tags)
    assert (np.mean(clf.predict(bags) == tags, axis=0) > 0.85).all()
    assert clf.predict(bags).sum(axis=1).max() > 1  # probabilities do not compete


@pytest.mark.parametrize("weighted", [False, True])
def test_out_of_fold(make, bags, tags, weighted):
    weight = np.random.default_rng(0).uniform(0.1, 4, 90) if weighted else None
    clf = make(max_epochs=20).fit(bags, tags, sample_weight=weight)
    assert clf.oof_prediction_.shape == (90, 3)
    right = ((clf.oof_prediction_ > 0.5) == tags).all(axis=1)
    assert clf.oof_score_ == pytest.approx(np.average(right, weights=weight))


def test_the_validation_loss_is_the_mean_of_the_log_losses(make, bags, tags):
    clf = make(n_members=1).fit(bags[:60], tags[:60], X_val=bags[60:], y_val=tags[60:])
    probabilities = clf.predict_proba(bags[60:])
    losses = -np.where(tags[60:] == 1, np.log(probabilities), np.log(1 - probabilities))
    assert clf.history_[clf.best_iteration_ - 1]["valid_loss"] == pytest.approx(losses.mean(), rel=1e-4)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_prior_is_the_log_odds(make, bags, tags, weighted):
    weight = np.random.default_rng(0).uniform(0.1, 4, 90) if weighted else np.ones(90)
    clf = make().fit(bags, tags, sample_weight=weight)
    weight = weight / weight.mean()  # the unit of the weights does not matter
    share = (weight @ tags + 0.5) / (weight.sum() + 1)
    np.testing.assert_allclose(expit(clf.net_.module_.prior.numpy()), share, rtol=1e-5)


@pytest.mark.parametrize("wrap", [lambda y: y.astype(bool), lambda y: y.astype(float), pd.DataFrame, np.ndarray.tolist])
def test_labels_in_any_container(make, bags, tags, wrap):
    wanted = make().fit(bags, tags).predict_proba(bags)
    np.testing.assert_array_equal(make().fit(bags, wrap(tags)).predict_proba(bags), wanted)


def test_partial_fit_and_warm_start(make, bags, tags):
    clf = make(n_members=1).partial_fit(bags[:50], tags[:50], classes=[0, 1, 2])
    clf.partial_fit(bags[50:], tags[50:])
    assert clf.n_iter_ == 2
    warm = make(warm_start=True).fit(bags, tags).fit(bags, tags)
    assert warm.n_iter_ == 6
    with pytest.raises(ValueError, match="y has 2 labels, but 3 are expected"):
        clf.partial_fit(bags, tags[:, :2])


@pytest.mark.parametrize("change", [lambda y: y + 1, lambda y: 2 * y - 1, lambda y: y * 0.5, lambda y: y + (y > 0)])
def test_what_is_no_zero_or_one_is_an_error(make, bags, tags, change):
    with pytest.raises(ValueError, match="must hold zeros and ones, one column for each label"):
        make().fit(bags, change(tags))


def test_weights_of_classes_are_an_error(make, bags, tags):
    for class_weight in ("balanced", {0: 1, 1: 2}):
        with pytest.raises(ValueError, match=r"class_weight=.*several labels.*sample_weight"):
            make(class_weight=class_weight).fit(bags, tags)


def test_one_column_is_one_class_for_each_set(make, bags, labels):
    with pytest.warns(match="column-vector"):
        clf = make().fit(bags, labels[:, None])
    assert clf.predict(bags).shape == (90,)
    assert clf.predict_proba(bags).shape == (90, 2)


def test_labels_that_all_or_no_sets_have_stay_finite(make, bags, tags):
    y = np.c_[tags[:, 0], np.ones(90, dtype=int), np.zeros(90, dtype=int)]
    probabilities = make(max_epochs=20).fit(bags, y).predict_proba(check_sets(bags))
    assert np.isfinite(probabilities).all()
    assert probabilities[:, 1].min() > 0.9
    assert probabilities[:, 2].max() < 0.1
