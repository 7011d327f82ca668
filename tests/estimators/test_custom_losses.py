"""A loss of the user's own: the same fits as with the built-in ones, weights, costs, and errors before training."""

import pickle
from functools import partial

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from torch.nn import functional

from sk_deepsets import DeepSetsElementRegressor
from sk_deepsets.io import load, save

POSITIVE = np.random.default_rng(0).gamma(2, 50, 90)
SAME = [np.ones((2, 3))] * 90
LONG = {"max_epochs": 150, "lr": 0.03, "batch_size": 90, "early_stopping": False}


def squared(outputs, targets):
    return (outputs - targets) ** 2


def mean_squared(outputs, targets):
    return squared(outputs, targets).mean(dim=1)


def focal(outputs, targets, gamma=2.0):
    """Lin et al. (2017): less of what is learned already."""
    losses = functional.cross_entropy(outputs, targets, reduction="none")
    return (1 - torch.exp(-losses)) ** gamma * losses


def label_loss(outputs, targets):
    return functional.binary_cross_entropy_with_logits(outputs, targets, reduction="none").mean(dim=1)


def cost(outputs, targets, late=4.0):
    error = targets - outputs
    return torch.maximum(late * error, -error)


@pytest.fixture
def tags(bags):
    return np.array([[bag[:, 0].mean() > 2, bag[:, 1].max() > 4] for bag in bags], dtype=int)


OPTIONS = [{"n_members": 1}, {"n_members": 8, "max_epochs": 10, "lr": 0.02}]


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("weighted", [False, True])
def test_focal_with_gamma_0_is_the_log_loss(make_classifier, bags, labels, weighted, options):
    weight = np.random.default_rng(0).uniform(0, 3, 90) if weighted else None
    fits = [
        make_classifier(loss=loss, class_weight={"no": 1, "yes": 3} if weighted else None, **options).fit(
            bags, np.array(["no", "yes"])[labels], sample_weight=weight
        )
        for loss in ("log_loss", partial(focal, gamma=0.0))
    ]
    np.testing.assert_array_equal(fits[1].predict_proba(bags), fits[0].predict_proba(bags))
    losses = [[row.get("valid_loss") for row in fit.history_ if "valid_loss" in row] for fit in fits]
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-5)


@pytest.mark.parametrize("options", OPTIONS)
def test_log_losses_of_labels_are_the_built_in_one(make_classifier, bags, tags, options):
    built_in, own = (make_classifier(loss=loss, **options).fit(bags, tags) for loss in ("log_loss", label_loss))
    np.testing.assert_allclose(own.predict_proba(bags), built_in.predict_proba(bags), rtol=1e-6)


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("kind", ["one", "several", "standardize=False", "weighted"])
def test_squares_are_the_squared_error_in_any_unit(make_regressor, bags, values, kind, options):
    y, loss, options = values, squared, {**options, "standardize": kind != "standardize=False"}
    if kind == "one":
        y = 1e6 + 1e-4 * values
    elif kind == "several":  # of one spread: in the unit of y each counts by its own
        y, loss = np.c_[values, -3 - values], mean_squared
    weight = np.random.default_rng(0).integers(0, 3, 90) if kind == "weighted" else None
    built_in = make_regressor(**options).fit(bags, y, sample_weight=weight)
    own = make_regressor(loss=loss, **options).fit(bags, y, sample_weight=weight)
    np.testing.assert_allclose(own.predict(bags), built_in.predict(bags), rtol=0, atol=1e-4 * np.std(y))
    valid = [row["valid_loss"] for row in own.history_ if "valid_loss" in row]
    scaled = [row["valid_loss"] for row in built_in.history_ if "valid_loss" in row]
    unit = built_in._fitted.target.scale[0] ** 2
    np.testing.assert_allclose(valid, unit * np.array(scaled), rtol=1e-3)  # the plain loss, as the callable has it


@pytest.mark.parametrize("n_members", [1, 4])
def test_a_cost_that_is_not_symmetric_predicts_its_quantile(make_regressor, n_members):
    reg = make_regressor(loss=cost, n_members=n_members, **LONG).fit(SAME, POSITIVE)
    assert np.mean(reg.predict(SAME) > POSITIVE) == pytest.approx(0.8, abs=0.06)
    if n_members > 1:
        assert reg.oof_prediction_.shape == (90,)


@pytest.mark.parametrize(("loss", "n_members"), [(torch.nn.HuberLoss(reduction="none"), 1), (cost, 4)])
def test_one_outlier_does_not_set_the_scale_of_a_loss_in_which_it_counts_for_little(
    make_regressor, bags, values, loss, n_members
):
    y = 50 + values
    y[7] = 1e6
    reg = make_regressor(loss=loss, n_members=n_members, **LONG).fit(bags, y)
    others = np.arange(90) != 7
    assert np.corrcoef(reg.predict(bags)[others], y[others])[0, 1] > 0.9
    assert np.ptp(reg.predict(bags)[others]) < 2 * np.ptp(y[others])


def test_a_loss_sees_y_as_it_is(make_regressor, bags):
    """A relative error, of which the best constant is far below the median."""
    y = np.where(np.arange(90) % 3 == 0, 0.1, 100.0)
    reg = make_regressor(loss=relative, **LONG).fit(SAME, y)
    assert reg.predict(SAME[:1])[0] < 1
    seen = []

    def spy(outputs, targets):
        seen.append(targets)
        return squared(outputs, targets)

    make_regressor(loss=spy, max_epochs=1).fit(bags, np.arange(90) * 1e7)
    assert all(set(one.tolist()) <= set((np.arange(90) * 1e7).tolist()) for one in seen)


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (lambda o, t: squared(o, t).mean(), r"loss=<lambda> returned a tensor of shape \(\)"),
        (lambda o, t: squared(o, t)[:, None], r"returned a tensor of shape \(90, 1\); .*here \(90,\)"),
        (lambda o, t: squared(o, t) / 0, r"the loss of set 0 of X is \[inf\] .* \(not finite for 90 of 90 sets\)"),
        (lambda o, t: squared(o, t).tolist(), r"returned \[.* \(list\); expected a tensor of shape \(b,\)"),
        (lambda o, t: (o > t).double(), "without a gradient"),
    ],
)
def test_what_is_no_loss_is_found_before_training(make_regressor, bags, values, loss, message):
    reg = make_regressor().fit(bags, values)
    before = reg.predict(bags)
    with pytest.raises((TypeError, ValueError), match=message):
        reg.set_params(loss=loss).fit(bags, values)
    np.testing.assert_array_equal(reg.predict(bags), before)


def relative(outputs, targets):
    return ((outputs - targets) / targets).abs()


def test_the_set_whose_loss_is_not_finite_is_named_wherever_it_is(make_regressor, bags):
    weight = np.r_[0.0, np.ones(89)]
    for place in (5, 80):
        y = np.where(np.arange(90) == place, 0.0, POSITIVE)
        with pytest.raises(ValueError, match=rf"the loss of set {place} of X is \[inf\] for .* and y of \[0.0\]"):
            make_regressor(loss=relative).fit(bags, y, sample_weight=weight)
    with pytest.raises(ValueError, match=r"the loss of set 1 of X_val is \[inf\] for .* and y_val of \[0.0\]"):
        make_regressor(loss=relative).fit(bags, POSITIVE, X_val=bags[:2], y_val=[1.0, 0.0])
    y = np.r_[0.0, POSITIVE[1:]]  # not if it has no weight
    assert np.isfinite(make_regressor(loss=relative).fit(bags, y, sample_weight=weight).predict(bags)).all()


def test_a_loss_of_torch_is_a_callable(make_regressor, bags, values):
    huber = torch.nn.HuberLoss(reduction="none", delta=1e6)  # half the square, as far as it goes
    half, whole = (clone(make_regressor(loss=loss)).fit(bags, values).predict(bags) for loss in (huber, squared))
    np.testing.assert_allclose(half, whole, rtol=1e-5)


def test_a_loss_that_fails_later_leaves_the_estimator_as_it_was(make_regressor, bags, values):
    reg = make_regressor(loss=lambda o, t: squared(o, t) if len(o) == 90 else squared(o, t).mean(), batch_size=32)
    with pytest.raises(ValueError, match=r"returned a tensor of shape \(\); .*here \(32,\)"):
        reg.fit(bags, values)
    assert not hasattr(reg, "net_")


def test_what_callables_are_not_for(make_classifier, bags, labels, tags, values):
    with pytest.raises(ValueError, match=r"class_weight with several labels .* but a callable gives one loss"):
        make_classifier(loss=label_loss, class_weight="balanced").fit(bags, tags)
    with pytest.raises(ValueError, match="'loss' parameter of DeepSetsElementRegressor must be a str"):
        DeepSetsElementRegressor(loss=squared).fit(bags, [bag[:, 0] for bag in bags])
    with pytest.raises(ValueError, match="'loss' parameter of DeepSetsClassifier must be a str"):
        make_classifier(loss="hinge").fit(bags, labels)


def test_searches_clones_pickles_files_and_further_training(make_classifier, bags, labels, tmp_path):
    losses = [focal, partial(focal, gamma=1.0), "log_loss"]
    search = GridSearchCV(make_classifier(max_epochs=1), {"loss": losses}, cv=2).fit(bags, labels)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    clf = make_classifier(loss=focal, warm_start=True).fit(bags, labels)
    assert clone(clf).get_params()["loss"] is focal
    answers = clf.predict_proba(bags)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(clf)).predict_proba(bags), answers)
    assert "loss=" in clf._repr_html_()
    path = tmp_path / "model.safetensors"
    save(clf, path)
    with pytest.raises(ValueError, match=r"with the loss .*test_custom_losses.focal: pass it, load\(path, loss=...\)"):
        load(path)
    loaded = load(path, loss=focal)
    assert loaded.get_params()["loss"] is focal
    np.testing.assert_array_equal(loaded.predict_proba(bags), answers)
    assert loaded.partial_fit(bags, labels).n_iter_ == 4
    with pytest.raises(ValueError, match="loss='log_loss', but the net to continue with was built with"):
        clf.set_params(loss="log_loss").fit(bags, labels)
    save(make_classifier(max_epochs=1).fit(bags, labels), path)
    with pytest.raises(ValueError, match="without a loss of your own"):
        load(path, loss=focal)


def test_files_of_a_regressor_with_a_loss_of_its_own(make_regressor, bags, values, tmp_path):
    reg = make_regressor(loss=cost, n_members=4).fit(bags, values)
    save(reg, tmp_path / "model.safetensors")
    loaded = load(tmp_path / "model.safetensors", loss=cost)
    np.testing.assert_array_equal(loaded.predict(bags), reg.predict(bags))
    assert reg._fitted.target.custom_loss is cost  # saving takes nothing away
    for one in (loaded, reg):
        one.partial_fit(bags, values)
    np.testing.assert_allclose(loaded.predict(bags), reg.predict(bags), rtol=1e-5)


def test_callbacks_score_probabilities(make_classifier, bags, labels):
    from skorch.callbacks import EpochScoring

    scoring = EpochScoring("neg_log_loss", lower_is_better=False)
    clf = make_classifier(loss=partial(focal, gamma=0.0), callbacks=[scoring]).fit(bags, labels)
    found = [(-row["neg_log_loss"], row["valid_loss"]) for row in clf.history_]
    np.testing.assert_allclose(*np.transpose(found), rtol=1e-4)
