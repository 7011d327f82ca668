"""Several labels for each set: the forms of answers are those of scikit-learn's MLPClassifier."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.metrics import accuracy_score, average_precision_score, get_scorer, roc_auc_score
from sklearn.model_selection import cross_val_score
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
    with pytest.raises(ValueError, match="y has 2 labels; expected 3, as in"):
        clf.partial_fit(bags, tags[:, :2])


@pytest.mark.parametrize("n_members", [1, 4])
def test_partial_fit_needs_no_classes_and_knows_those_given(make, bags, tags, n_members):
    wanted = make(n_members=n_members).partial_fit(bags, tags, classes=[2, 0, 1])
    plain = make(n_members=n_members).partial_fit(bags, tags)
    assert plain.classes_.tolist() == [0, 1, 2]
    np.testing.assert_array_equal(plain.predict_proba(bags), wanted.predict_proba(bags))
    for classes in ([0, 1], [1, 2, 3], ["a", "b", "c"]):
        with pytest.raises(
            ValueError, match=r"3 labels, one in each column: classes=None, or their numbers \[0, 1, 2\]"
        ):
            make(n_members=n_members).partial_fit(bags, tags, classes=classes)
        with pytest.raises(ValueError, match="their numbers"):
            plain.partial_fit(bags, tags, classes=classes)
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        make(n_members=n_members).partial_fit(bags, tags[:, 0])


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_training_does_not_go_on_between_classes_and_labels(make, bags, tags, method):
    several = make(n_members=1, warm_start=True).fit(bags, tags)
    one = make(n_members=1, warm_start=True).fit(bags, tags[:, 0])
    before = several.predict_proba(bags), one.predict_proba(bags)
    with pytest.raises(ValueError, match=r"y has one class for each set; expected 3 labels, .*warm_start=False"):
        getattr(several, method)(bags, tags[:, 0])
    with pytest.raises(ValueError, match=r"y has several columns, .*expected one class for each set.*warm_start"):
        getattr(one, method)(bags, tags)
    for clf, wanted in zip((several, one), before, strict=True):
        np.testing.assert_array_equal(clf.predict_proba(bags), wanted)


@pytest.mark.parametrize("k", [2, 3])
def test_scores_by_rank_are_those_of_the_probabilities(make, bags, tags, k):
    clf, y = make(n_members=1).fit(bags, tags[:, :k]), tags[:, :k]
    for name, metric in (("roc_auc", roc_auc_score), ("average_precision", average_precision_score)):
        assert get_scorer(name)(clf, bags, y) == pytest.approx(metric(y, clf.predict_proba(bags)))
        assert np.isfinite(cross_val_score(clf, bags, y, cv=2, scoring=name, error_score="raise")).all()
    np.testing.assert_allclose(expit(clf.decision_function(bags)), clf.predict_proba(bags))
    assert not hasattr(make(), "decision_function")
    assert not hasattr(make(n_members=1).fit(bags, tags[:, 0]), "decision_function")


@pytest.mark.parametrize("change", [lambda y: y + 1, lambda y: 2 * y - 1, lambda y: y * 0.5, lambda y: y + (y > 0)])
def test_what_is_no_zero_or_one_is_an_error(make, bags, tags, change):
    with pytest.raises(ValueError, match="must hold zeros and ones, one column for each label"):
        make().fit(bags, change(tags))


WEIGHTS = [{0: 1, 1: 5}, {0: 2, 1: 0.5}, {0: 0, 1: 1}]
ALIKE = [np.ones((2, 3))] * 90


def label_weights(class_weight, tags, weight):
    """The weight of each label of each set, by hand."""
    columns = []
    for number, column in enumerate(tags.T):
        share = np.average(column, weights=weight)
        of_label = {0: 0.5 / (1 - share), 1: 0.5 / share} if class_weight == "balanced" else class_weight[number]
        columns.append([of_label[value] for value in column])
    return np.transpose(columns) * weight[:, None]


@pytest.mark.parametrize("class_weight", ["balanced", WEIGHTS])
@pytest.mark.parametrize("weighted", [False, True])
def test_weights_of_classes_weigh_the_loss_of_each_label(make, bags, tags, class_weight, weighted):
    weight = np.random.default_rng(0).uniform(0.1, 4, 90) if weighted else np.ones(90)
    one_step = {"n_members": 1, "max_epochs": 1, "lr": 1e-12, "batch_size": 90, "early_stopping": False}
    clf = make(class_weight=class_weight, **one_step).fit(bags, tags, sample_weight=weight)
    p = clf.predict_proba(bags)
    losses = -np.where(tags == 1, np.log(p), np.log(1 - p))
    wanted = np.average(losses, weights=label_weights(class_weight, tags, weight))
    assert clf.history_[0]["train_loss"] == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("n_members", [1, 4])
@pytest.mark.parametrize("class_weight", ["balanced", [*WEIGHTS[:2], {0: 1, 1: 1}]])
def test_of_sets_that_are_all_the_same_the_probability_is_the_weighted_share(make, tags, class_weight, n_members):
    weights = label_weights(class_weight, tags, np.ones(90))
    options = {"n_members": n_members, "max_epochs": 100, "lr": 0.05, "batch_size": 90, "early_stopping": False}
    clf = make(class_weight=class_weight, **options).fit(ALIKE, tags)
    wanted = (weights * tags).sum(axis=0) / weights.sum(axis=0)
    np.testing.assert_allclose(clf.predict_proba(ALIKE)[0], wanted, atol=0.03)


@pytest.mark.parametrize("n_members", [1, 4])
def test_the_validation_loss_has_the_weights_of_classes(make, bags, tags, n_members):
    clf = make(n_members=n_members, class_weight=WEIGHTS)
    clf.fit(bags[:60], tags[:60], X_val=bags[60:], y_val=tags[60:])
    p, weights = clf.predict_proba(bags[60:]), label_weights(WEIGHTS, tags[60:], np.ones(30))
    losses = -np.where(tags[60:] == 1, np.log(p), np.log(1 - p))
    if n_members == 1:  # the epoch that is kept is the whole model
        valid_loss = clf.history_[clf.best_iteration_ - 1]["valid_loss"]
        assert valid_loss == pytest.approx(np.average(losses, weights=weights), rel=1e-4)
    assert np.isfinite([row["valid_loss"] for row in clf.history_]).all()


def test_weights_of_one_are_none(make, bags, tags):
    wanted = make().fit(bags, tags).predict_proba(bags)
    ones = make(class_weight=[{0: 3, 1: 3}] * 3).fit(bags, tags).predict_proba(bags)
    np.testing.assert_allclose(ones, wanted, rtol=1e-4)


@pytest.mark.parametrize(
    ("class_weight", "message"),
    [
        ({0: 1, 1: 2}, r'expected "balanced", or a list of one dict for each label, such as \[{0: 1, 1: 5}, '),
        ([{0: 1, 1: 2}] * 2, "y has 3 labels for each set"),
        ([{0: 1, 1: -2}] * 3, "class_weight of 1 is -2"),
        ([{0: 1, 2: 2}] * 3, "class"),
        ([{0: 0, 1: 0}] * 3, "at least one non-zero number"),
    ],
)
def test_wrong_weights_of_classes_are_an_error(make, bags, tags, class_weight, message):
    with pytest.raises(ValueError, match=message):
        make(class_weight=class_weight).fit(bags, tags)
    with pytest.raises(ValueError, match="several labels"):
        make(class_weight=[{0: 1, 1: 2}]).fit(bags, tags[:, 0])


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
