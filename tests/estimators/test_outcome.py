"""Values that overflow once they are scaled: an error that names the set, wherever they come in or would come out."""

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import ConvergenceWarning

from sk_deepsets import DeepSetsClassifier, DeepSetsElementRegressor, DeepSetsRegressor
from sk_deepsets.inspection import element_importance

# that such sets are far from those trained on is for test_ranges.py
pytestmark = [
    pytest.mark.filterwarnings("ignore::sk_deepsets.estimators.FarSetWarning"),
    pytest.mark.filterwarnings("ignore:X_val is far from X"),
]

RNG = np.random.default_rng(0)
SETS = [1e-3 * RNG.normal(size=(size, 2)) for size in RNG.integers(1, 5, 24)]
Y = np.array([one.mean() for one in SETS])
FAR = [one.copy() for one in SETS]
UNIT = [1e3 * one for one in SETS]
FAR[7][0, 1] = 3e38  # a float32, but not when it is divided by the standard deviation


def regressor(n_members, **parameters):
    return DeepSetsRegressor(n_members=n_members, max_epochs=2, random_state=0, **parameters)


@pytest.mark.parametrize("method", ["predict", "leave_one_out", "integrated_gradients"])
def test_what_has_no_answer_is_named(method):
    model = regressor(1).fit(SETS, Y)
    with pytest.raises(ValueError, match="The output for set 7 of X is not finite"):
        getattr(model, method)(FAR)


def test_members_that_clip_their_inputs_have_an_answer():
    assert np.isfinite(regressor(4).fit(SETS, Y).predict(FAR)).all()


@pytest.mark.parametrize("method", ["transform", "attention"])
def test_what_is_pooled_is_checked(method):
    model = regressor(1, pool_type="attention").fit(SETS, Y)
    with pytest.raises(ValueError, match="The output for set 7 of X is not finite"):
        getattr(model, method)(FAR)


def test_importance_names_the_set():
    for method in ("occlusion", "gradient"):
        with pytest.raises(ValueError, match="The output for set 7 of X is not finite"):
            element_importance(regressor(1).fit(SETS, Y), FAR, method=method)


def test_training_that_diverges_for_such_a_set_names_it_and_changes_nothing():
    model = regressor(1, warm_start=True).fit(SETS, Y)
    before = model.predict(SETS)
    for go_on in (model.fit, model.partial_fit):
        with pytest.raises(ValueError, match="The output for set 7 of X is not finite"):
            go_on(FAR, Y)
    np.testing.assert_array_equal(model.predict(SETS), before)
    with pytest.raises(ValueError, match="The output for set 7 of X_val is not finite"):
        regressor(1).fit(SETS, Y, X_val=FAR, y_val=Y)


@pytest.mark.parametrize("n_members", [1, 4, 20])
def test_an_outlier_that_was_trained_on_has_an_answer(n_members):
    assert np.isfinite(regressor(n_members).fit(FAR, Y).predict(FAR)).all()


@pytest.mark.parametrize("value", [1e39, -1e300])
@pytest.mark.parametrize(
    "model",
    [
        DeepSetsClassifier(n_members=1, max_epochs=1),
        DeepSetsClassifier(n_members=4, max_epochs=1),
        DeepSetsElementRegressor(n_members=1, max_epochs=1),
    ],
    ids=["one net", "pack", "elements"],
)
def test_context_beyond_float32_is_named_in_fit_and_predict(model, value):
    table = pd.DataFrame({"sets": SETS, "age": RNG.normal(size=len(SETS))})
    far = table.assign(age=table["age"].where(np.arange(len(SETS)) != 7, value))
    y = [one[:, 0] for one in SETS] if isinstance(model, DeepSetsElementRegressor) else np.arange(len(SETS)) % 2
    for standardize in (True, False):
        with pytest.raises(
            ValueError, match=r"Context column 'age' holds .* \(the first in row 7\), a value too large"
        ):
            model.set_params(standardize=standardize).fit(far, y)
    with pytest.raises(ValueError, match=r"Context column 'age' holds .* \(the first in row 7\), a value too large"):
        model.set_params(standardize=True).fit(table, y).predict(far)


@pytest.mark.parametrize("n_members", [1, 4, 20])
def test_targets_that_overflow_say_what_to_do(n_members):
    with pytest.raises(ValueError, match=r"Training diverged: .* Lower lr, or set standardize=True"):
        regressor(n_members, standardize=False).fit(SETS, Y / np.abs(Y).max() * 1e25)


def test_a_set_whose_answer_is_finite_but_its_square_beyond_float32_is_a_failed_training():
    far = [one.copy() for one in UNIT]
    far[7][0, 1] = 1e25
    y = np.array([one.mean() for one in UNIT])
    with pytest.warns(ConvergenceWarning, match=r"its loss is \d.*e\+4\d, far above"):
        regressor(1).fit(UNIT, y, X_val=far, y_val=y)


def test_elements_are_counted_within_their_sets():
    model = DeepSetsElementRegressor(n_members=1, max_epochs=1).fit(SETS, [one[:, 0] for one in SETS])
    X = [np.empty((0, 2)), np.empty((0, 2)), np.full((3, 2), 3e38)]  # as many elements as sets
    with pytest.raises(ValueError, match="The output for set 2 of X is not finite"):
        model.predict(X)


@pytest.mark.parametrize(
    "model", [DeepSetsRegressor(n_members=1), DeepSetsElementRegressor(n_members=1)], ids=["sets", "elements"]
)
def test_a_set_of_weight_0_is_not_blamed(model):
    far = [one.copy() for one in SETS]
    far[3][0, 0] = far[7][0, 1] = 3e38
    y = Y if isinstance(model, DeepSetsRegressor) else [one[:, 0] for one in SETS]
    model.set_params(max_epochs=2, warm_start=True, random_state=0).fit(SETS, y)
    with pytest.raises(ValueError, match="The output for set 7 of X is not finite"):
        model.fit(far, y, sample_weight=np.arange(24) != 3)
