"""DeepSetsClassifier: classes of any kind, probabilities, weights of classes."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import log_loss
from sklearn.utils.class_weight import compute_sample_weight

from sk_deepsets import DeepSetsClassifier

KINDS = {
    "int": np.array([3, -1, 7]),
    "str": np.array(["low", "mid", "zebra"]),
    "object": np.array(["low", "mid", "zebra"], dtype=object),
    "float": np.array([0.0, 1.0, 2.0]),
    "bool": np.array([False, True]),
}


@pytest.fixture(scope="module")
def three(bags):
    """Classes 0, 1, 2."""
    return np.digitize([bag[:, 0].mean() for bag in bags], [1, 3])


@pytest.mark.parametrize("kind", KINDS)
def test_labels_of_any_kind_come_back_as_they_were(make_classifier, bags, three, kind):
    names = KINDS[kind]
    y = names[three % len(names)]
    clf = make_classifier(max_epochs=100, lr=0.02, early_stopping=False).fit(bags, y)
    np.testing.assert_array_equal(clf.classes_, np.unique(y))
    predicted = clf.predict(bags)
    assert predicted.dtype == clf.classes_.dtype
    assert clf.classes_.dtype.kind == y.dtype.kind
    assert clf.score(bags, y) > 0.8
    np.testing.assert_array_equal(predicted, clf.classes_[clf.predict_proba(bags).argmax(axis=1)])


@pytest.mark.parametrize("wrap", [list, pd.Series, lambda y: pd.Series(y, dtype="category")])
def test_labels_in_any_container(make_classifier, bags, three, wrap):
    y = KINDS["str"][three]
    wanted = make_classifier().fit(bags, y).predict_proba(bags)
    np.testing.assert_array_equal(make_classifier().fit(bags, wrap(y)).predict_proba(bags), wanted)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_probabilities_are_float64_rows_that_sum_to_one(make_classifier, bags, three, n_classes):
    proba = make_classifier().fit(bags, three % n_classes).predict_proba(bags)
    assert proba.shape == (len(bags), n_classes)
    assert proba.dtype == np.float64
    assert ((proba >= 0) & (proba <= 1)).all()
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=0, atol=1e-15)


def test_probabilities_are_the_softmax_of_the_net(make_classifier, bags, three):
    clf = make_classifier().fit(bags, three)
    logits = clf.net_.forward(bags).numpy().astype(np.float64)
    wanted = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(clf.predict_proba(bags), wanted, rtol=1e-12)
    np.testing.assert_allclose(clf.net_.predict_proba(bags), wanted, rtol=1e-5)


@pytest.mark.parametrize("class_weight", [None, {0: 3.0, 1: 0.5}])
def test_the_best_epochs_validation_loss_is_the_log_loss_of_what_is_predicted(
    make_classifier, bags, labels, class_weight
):
    X, y, X_val, y_val = bags[:60], labels[:60], bags[60:], labels[60:]
    clf = make_classifier(max_epochs=60, lr=0.1, n_iter_no_change=5, class_weight=class_weight)
    clf.fit(X, y, X_val=X_val, y_val=y_val)
    assert clf.best_iteration_ < clf.n_iter_  # the last epoch is not the best: restoring is put to the test
    valid = [row["valid_loss"] for row in clf.history_]
    assert min(valid) == valid[clf.best_iteration_ - 1]
    weight = None if class_weight is None else np.array([class_weight[one] for one in y_val])
    wanted = log_loss(y_val, clf.predict_proba(X_val), sample_weight=weight)
    np.testing.assert_allclose(valid[clf.best_iteration_ - 1], wanted, rtol=1e-5)


@pytest.mark.parametrize("class_weight", ["balanced", {0: 2.0, 1: 0.25, 2: 1.0}, {0: 0.0, 1: 1.0, 2: 1.0}])
def test_class_weights_are_the_sample_weights_they_stand_for(make_classifier, bags, three, class_weight):
    by_class = make_classifier(class_weight=class_weight).fit(bags, three)
    by_sample = make_classifier().fit(bags, three, sample_weight=compute_sample_weight(class_weight, three))
    np.testing.assert_array_equal(by_class.predict_proba(bags), by_sample.predict_proba(bags))
    assert [row["valid_loss"] for row in by_class.history_] == [row["valid_loss"] for row in by_sample.history_]


def test_class_weights_and_sample_weights_multiply(make_classifier, bags, three):
    weight = np.random.default_rng(0).uniform(0.5, 2, len(bags))
    both = make_classifier(class_weight={0: 2.0, 1: 0.25, 2: 1.0}).fit(bags, three, sample_weight=weight)
    product = make_classifier().fit(bags, three, sample_weight=weight * np.array([2.0, 0.25, 1.0])[three])
    np.testing.assert_array_equal(both.predict_proba(bags), product.predict_proba(bags))


def test_balanced_weights_do_not_count_sets_of_weight_zero(make_classifier, bags, labels):
    weight = np.ones(len(bags))
    weight[np.flatnonzero(labels == 0)[:20]] = 0
    kept = [bag for bag, one in zip(bags, weight, strict=True) if one]
    with_zeros = make_classifier(class_weight="balanced").fit(bags, labels, sample_weight=weight)
    without = make_classifier(class_weight="balanced").fit(kept, labels[weight > 0])
    np.testing.assert_allclose(with_zeros.predict_proba(bags), without.predict_proba(bags), atol=1e-6)


def test_class_weights_and_sample_weights_that_leave_no_set_are_an_error(make_classifier, bags, labels):
    clf = make_classifier(class_weight={0: 0, 1: 1})
    with pytest.raises(ValueError, match=r"weight.*(zero|0)"):
        clf.fit(bags, labels, sample_weight=(labels == 0).astype(float))
    clf.partial_fit(bags, labels, classes=[0, 1])
    negatives = [bag for bag, one in zip(bags, labels, strict=True) if one == 0]
    with pytest.raises(ValueError, match=r"weight.*(zero|0)"):
        clf.partial_fit(negatives, [0] * len(negatives))


def test_a_heavy_class_is_predicted_more_often(make_classifier, bags, labels):
    rates = [
        (
            make_classifier(class_weight={0: 1, 1: heavy}, max_epochs=40, lr=0.01).fit(bags, labels).predict(bags) == 1
        ).mean()
        for heavy in (0.01, 1, 100)
    ]
    assert rates[0] < rates[1] < rates[2]


@pytest.mark.parametrize("n_rare", [1, 2])
def test_the_held_out_part_has_the_shares_of_the_classes(make_classifier, bags, n_rare, see_data):
    y = np.array([0] * 60 + [1] * (30 - n_rare) + [2] * n_rare)
    clf = make_classifier(validation_fraction=0.2, callbacks=[see_data]).fit(bags, y)
    train, valid = dict(clf.net_.callbacks_)["SeeData"].targets
    assert (len(train), len(valid)) == (72, 18)
    counts = np.bincount(valid, minlength=3)
    np.testing.assert_allclose(counts, [12, 6, 0], atol=1)
    assert set(train) == {0, 1, 2}


def test_y_val_may_lack_a_class_but_not_bring_one(make_classifier, bags, three):
    lacking = make_classifier().fit(bags, three, X_val=bags[:3], y_val=[0, 0, 1])
    assert np.isfinite(lacking.history_[-1]["valid_loss"])
    with pytest.raises(ValueError, match=r"y_val has the class .*5.*, which is not among \[0, 1, 2\]"):
        make_classifier().fit(bags, three, X_val=bags[:2], y_val=[0, 5])


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (lambda y: np.zeros(len(y), dtype=int), r"y has 1 class \(.*0.*\), but a classifier needs at least 2"),
        (lambda y: np.where(y == 0, np.nan, y), "y contains NaN"),
        (lambda y: y + 0.5 * (np.arange(len(y)) % 3), "Unknown label type"),
        (lambda y: y[:-1], "X has 90 sets, but y has 89 targets"),
        (lambda y: None, "requires y to be passed"),
    ],
)
def test_wrong_targets_are_an_error(make_classifier, bags, labels, y, message):
    with pytest.raises(ValueError, match=message):
        make_classifier().fit(bags, y(labels))


def test_partial_fit_needs_the_classes_at_the_first_call(make_classifier, bags, labels):
    clf = make_classifier()
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        clf.partial_fit(bags, labels)
    clf.partial_fit(bags[:5], [1] * 5, classes=[2, 1, 0])
    np.testing.assert_array_equal(clf.classes_, [0, 1, 2])
    assert clf.predict_proba(bags).shape == (90, 3)
    clf.partial_fit(bags, labels)
    assert clf.n_iter_ == 2
    with pytest.raises(ValueError, match=r"differ from those of the first call"):
        clf.partial_fit(bags, labels, classes=[0, 1])
    with pytest.raises(ValueError, match=r"y has the class .*9"):
        clf.partial_fit(bags[:2], [0, 9])


def test_partial_fit_refuses_balanced_weights_of_a_part(make_classifier, bags, labels):
    with pytest.raises(ValueError, match='class_weight="balanced" needs all sets at once'):
        make_classifier(class_weight="balanced").partial_fit(bags, labels, classes=[0, 1])


def test_a_problem_of_one_telling_element_is_learned():
    rng = np.random.default_rng(0)
    bags = [rng.normal(size=(size, 4)) for size in rng.integers(2, 15, 500)]
    y = np.array(["none" if (bag[:, 0] < 1.5).all() else "some" for bag in bags])
    clf = DeepSetsClassifier(n_members=5, max_epochs=20, random_state=0).fit(bags[:400], y[:400])
    assert clf.score(bags[400:], y[400:]) > 0.85
