"""Several quantiles at once: in the order asked for, never crossing, against scikit-learn and closed forms."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.metrics import d2_pinball_score
from sklearn.model_selection import GridSearchCV

from sk_deepsets import DeepSetsElementRegressor
from sk_deepsets.inspection import FeatureImportanceDisplay

QUANTILES = [0.9, 0.1, 0.5, 0.9]
ORDER = [1, 2, 0]  # ascending
POSITIVE = np.random.default_rng(0).gamma(2, 50, 90)
SAME = [np.ones((2, 3))] * 90
LONG = {"max_epochs": 150, "lr": 0.03, "batch_size": 90, "early_stopping": False}


@pytest.fixture
def make(make_regressor):
    def make(quantile=QUANTILES, **options):
        return make_regressor(loss="quantile", quantile=quantile, **options)

    return make


def mean_d2(y, predicted, quantiles=QUANTILES, weight=None):
    pairs = zip(predicted.T, quantiles, strict=True)
    return np.mean([d2_pinball_score(y, column, alpha=q, sample_weight=weight) for column, q in pairs])


@pytest.mark.parametrize(("n_members", "weighted"), [(1, True), (4, False), (4, True)])
def test_of_sets_that_are_all_the_same_the_predictions_are_the_quantiles(make, n_members, weighted):
    weight = np.random.default_rng(1).integers(0, 3, 90) if weighted else np.ones(90, dtype=int)
    reg = make(n_members=n_members, **LONG).fit(SAME, POSITIVE, sample_weight=weight)
    below = [np.mean(np.repeat(POSITIVE, weight) < one) for one in reg.predict(SAME[:1])[0]]
    np.testing.assert_allclose(below, QUANTILES, atol=0.06)


@pytest.mark.parametrize("n_members", [1, 4])
def test_they_have_the_order_of_the_user_and_never_cross(make, bags, values, n_members):
    # too few epochs to tell quantiles apart: outputs cross before they are sorted
    reg = make(n_members=n_members, max_epochs=1).fit(bags, values)
    predicted = reg.predict(bags)
    assert predicted.shape == (90, 4)
    assert (predicted[:, 0] == predicted[:, 3]).all()
    assert (np.diff(predicted[:, ORDER], axis=1) >= 0).all()
    ascending = make([0.1, 0.5, 0.9], n_members=n_members, max_epochs=1).fit(bags, values)
    np.testing.assert_array_equal(ascending.predict(bags), predicted[:, ORDER])


def test_scores_are_means_of_d2_and_out_of_fold(make, bags, values):
    weight = np.random.default_rng(0).uniform(0.1, 2, 90)
    reg = make(n_members=4, max_epochs=20, lr=0.02).fit(bags, pd.DataFrame({"y": values}), sample_weight=weight)
    predicted = reg.predict(bags)
    assert reg.score(bags, values) == pytest.approx(mean_d2(values, predicted))
    assert reg.score(bags, values.tolist(), weight) == pytest.approx(mean_d2(values, predicted, weight=weight))
    assert reg.oof_prediction_.shape == (90, 4)
    assert (np.diff(reg.oof_prediction_[:, ORDER], axis=1) >= 0).all()
    assert reg.oof_score_ == pytest.approx(mean_d2(values, reg.oof_prediction_, weight=weight))
    assert 0 < reg.oof_score_ < reg.score(bags, values)


def test_the_units_of_y_do_not_matter(make, bags, values):
    small, large = (make(max_epochs=5).fit(bags, a + b * values) for a, b in [(0, 1), (1e6, 1e3)])
    np.testing.assert_allclose(large.predict(bags), 1e6 + 1e3 * small.predict(bags), rtol=1e-6)


def test_a_list_of_one_is_that_quantile_as_a_column(make, bags, values):
    one, column = make(0.8).fit(bags, values), make([0.8]).fit(bags, values)
    np.testing.assert_allclose(column.predict(bags), one.predict(bags)[:, None], rtol=1e-6)


def test_further_training_clones_searches_and_importance(make, bags, values):
    reg = make(np.array(QUANTILES), warm_start=True).fit(bags, values)
    assert reg.partial_fit(bags, values).fit(bags, values).n_iter_ == 7
    with pytest.raises(ValueError, match=r"quantile=\(0.1, 0.9\), but the net to continue with was built with"):
        reg.set_params(quantile=[0.1, 0.9]).fit(bags, values)
    search = GridSearchCV(make(max_epochs=1), {"quantile": [[0.4, 0.6], (0.1, 0.9), 0.5]}, cv=2)
    search.fit(bags, values)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_estimator_.predict(bags).ndim in (1, 2)
    assert clone(reg).get_params()["quantile"] == [0.1, 0.9]
    shown = FeatureImportanceDisplay.from_estimator(reg.set_params(quantile=QUANTILES), bags, values, n_repeats=1)
    assert (shown.importances.shape, shown.score_name) == ((4, 1), "D²")


def test_occlusion_is_of_the_highest_quantile_unless_another_is_named(make, bags, values):
    reg = make().fit(bags, values)
    bag = bags[0][:3]
    without = np.stack([reg.predict([np.delete(bag, k, axis=0)])[0] for k in range(3)])
    for output, column in [(None, 0), (1, 1), (3, 3)]:
        (found,) = reg.occlusion([bag], output=output)
        np.testing.assert_allclose(found, reg.predict([bag])[0, column] - without[:, column], rtol=1e-4, atol=1e-5)
        if output is not None:
            (added,) = reg.integrated_gradients([bag], output=output, n_steps=8)
            assert np.isfinite(added).all()


@pytest.mark.parametrize("n_members", [1, 4])
def test_of_elements(n_members, bags):
    targets = [bag[:, 0] + 1 for bag in bags]
    targets[3][0] = np.nan
    options = {"hidden_dims": (8,), "n_members": n_members, "random_state": 0, "max_epochs": 10, "lr": 0.02}
    reg = DeepSetsElementRegressor(loss="quantile", quantile=QUANTILES, **options).fit(bags, targets)
    predicted = reg.predict(bags)
    assert [one.shape for one in predicted] == [(len(bag), 4) for bag in bags]
    flat, y = np.concatenate(predicted), np.concatenate(targets)
    assert (np.diff(flat[:, ORDER], axis=1) >= 0).all()
    there = ~np.isnan(y)
    assert reg.score(bags, targets) == pytest.approx(mean_d2(y[there], flat[there]))
    if n_members > 1:
        out_of_fold = np.concatenate(reg.oof_prediction_)
        assert reg.oof_score_ == pytest.approx(mean_d2(y[there], out_of_fold[there]))


@pytest.mark.parametrize("quantile", [[], [0.1, 1.0], [0.0, 0.5], (0.5, np.nan), [0.1, "0.9"], [True], [[0.1]]])
def test_what_is_no_list_of_quantiles_is_an_error(make, bags, values, quantile):
    with pytest.raises(ValueError, match=r"quantile=.*; expected a number, or a list of numbers between 0 and 1, such"):
        make(quantile).fit(bags, values)


def test_several_quantiles_of_several_targets_are_an_error(make, bags, values):
    with pytest.raises(ValueError, match=r"y has 2 outputs, but quantile=\[0.1, 0.9\] is of one: fit a regressor for"):
        make([0.1, 0.9]).fit(bags, np.c_[values, values])
