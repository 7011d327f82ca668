import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator

from sk_deepsets import RaggedSets, check_sets
from sk_deepsets.preprocessing import check_features


class Estimator(BaseEstimator):
    pass


def frames(*columns):
    return check_sets([pd.DataFrame(np.ones((2, len(columns))), columns=list(columns))])


def fitted(sets):
    estimator = Estimator()
    check_features(estimator, sets, reset=True)
    return estimator


def test_reset_records_number_and_names():
    estimator = fitted(frames("a", "b"))
    assert estimator.n_features_in_ == 2
    assert list(estimator.feature_names_in_) == ["a", "b"]


def test_reset_forgets_the_names_of_an_earlier_fit():
    estimator = fitted(frames("a", "b"))
    check_features(estimator, check_sets([np.ones((1, 3))]), reset=True)
    assert estimator.n_features_in_ == 3
    assert not hasattr(estimator, "feature_names_in_")


@pytest.mark.parametrize("reset", [True, False])
def test_sets_with_the_features_of_fit_come_back_as_they_are(reset):
    sets = frames("a", "b")
    assert check_features(fitted(sets), sets, reset=reset) is sets


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        (frames("b", "a"), "Feature names must be in the same order as they were in fit"),
        (
            frames("a", "c"),
            r"unseen at fit time:\n- c\nFeature names seen at fit time, yet now missing:\n- b",
        ),
        (frames("a"), r"Feature names seen at fit time, yet now missing:\n- b"),
    ],
)
def test_other_names_are_errors(sets, message):
    with pytest.raises(ValueError, match=message):
        check_features(fitted(frames("a", "b")), sets, reset=False)


def test_another_number_of_features_is_an_error_that_names_the_estimator():
    estimator = fitted(check_sets([np.ones((1, 2))]))
    with pytest.raises(ValueError, match="X has 3 features, but Estimator is expecting 2 features as input"):
        check_features(estimator, check_sets([np.ones((1, 3))]), reset=False)


@pytest.mark.parametrize("X", [[np.ones((2, 5))], np.ones((3, 2, 5)), [np.ones((2, 5)), np.ones((2, 5))]])
def test_channels_first_show_the_line_that_transposes(X):
    estimator, line = fitted(check_sets([np.ones((1, 2))])), r"expecting 2 features.*\[one_set\.T for one_set in X\]\."
    with pytest.raises(ValueError, match=line):
        check_features(estimator, check_sets(X), reset=False)
    assert check_features(estimator, check_sets([one_set.T for one_set in X]), reset=False).n_features == 2
    with pytest.raises(ValueError, match=r"expecting 2 features as input\.$"):
        check_features(estimator, check_sets([np.ones((3, 5))]), reset=False)


def test_names_on_one_side_only_warn_as_in_scikit_learn():
    unnamed = check_sets([np.ones((1, 2))])
    with pytest.warns(UserWarning, match="X does not have valid feature names, but Estimator was fitted with"):
        check_features(fitted(frames("a", "b")), unnamed, reset=False)
    with pytest.warns(UserWarning, match="X has feature names, but Estimator was fitted without feature names"):
        check_features(fitted(unnamed), frames("a", "b"), reset=False)


@pytest.mark.parametrize("names", [["a", "b"], None])
def test_empty_sets_of_unknown_width_take_width_and_names_of_fit_and_keep_what_they_have(names):
    empty = RaggedSets(
        np.empty((0, 0), np.float32), [0, 0, 0], context=pd.DataFrame({"c": [5, 6]}), index=pd.Index([*"pq"])
    )
    estimator = fitted(RaggedSets(np.ones((1, 2)), [0, 1], feature_names=names))
    sets = check_features(estimator, empty, reset=False)
    assert sets.elements.shape == (0, 2)
    assert sets.elements.dtype == np.float32
    assert sets.sizes.tolist() == [0, 0]
    assert sets.context["c"].tolist() == [5, 6]
    assert list(sets.index) == [*"pq"]
    assert (sets.feature_names if names is None else list(sets.feature_names)) == names
