"""scikit-learn's own estimator checks, which know rows of numbers only: here each row is a set of one element."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from sk_deepsets import (
    DeepSetsClassifier,
    DeepSetsElementClassifier,
    DeepSetsElementRegressor,
    DeepSetsRegressor,
    DeepSetsSurvival,
    ElementTransformer,
    PaddedSets,
    RaggedSets,
    SetAggregator,
    SetPadder,
)


def one_element_sets(X):
    """Each row as a set of one element; what is no table goes on to be refused by the estimator itself."""
    if isinstance(X, pd.DataFrame):
        names = X.columns if all(isinstance(name, str) for name in X.columns) else None
        return RaggedSets(X.to_numpy(), np.arange(len(X) + 1), feature_names=names)
    if hasattr(X, "toarray") or (not hasattr(X, "__array__") and not isinstance(X, list)):
        return X
    X = np.asarray(X)
    return X[:, None, :] if X.ndim == 2 else X


class Rows:
    """Before an estimator of sets: it takes rows."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        tags.input_tags.three_d_array = False
        return tags


class RowTransformer(Rows):
    def fit(self, X, y=None):
        return super().fit(one_element_sets(X), y)

    def fit_transform(self, X, y=None):
        return self.fit(X, y).transform(X)

    def transform(self, X):
        output = super().transform(one_element_sets(X))
        if isinstance(output, PaddedSets):
            return output.values[:, 0]
        return output.elements if isinstance(output, RaggedSets) else output


class RowPredictor(Rows):
    in_rows = staticmethod(lambda answers: answers)

    def fit(self, X, y, sample_weight=None, X_val=None, y_val=None):
        return super().fit(one_element_sets(X), y, sample_weight, X_val, y_val)

    def predict(self, X):
        return self.in_rows(super().predict(one_element_sets(X)))

    def score(self, X, y, sample_weight=None):
        return super().score(one_element_sets(X), y, sample_weight)


class RowClassifier(RowPredictor):
    def partial_fit(self, X, y, classes=None, sample_weight=None):
        return super().partial_fit(one_element_sets(X), y, classes, sample_weight)

    def predict_proba(self, X):
        return self.in_rows(super().predict_proba(one_element_sets(X)))


class RowRegressor(RowPredictor):
    def partial_fit(self, X, y, sample_weight=None):
        return super().partial_fit(one_element_sets(X), y, sample_weight)


class RowSetClassifier(RowClassifier, DeepSetsClassifier):
    def transform(self, X):
        return super().transform(one_element_sets(X))


class RowSetRegressor(RowRegressor, DeepSetsRegressor):
    def transform(self, X):
        return super().transform(one_element_sets(X))


class RowSetSurvival(RowPredictor, DeepSetsSurvival):
    """Numbers in y are times of events, from the least on; any other y goes on to be refused."""

    def fit(self, X, y, sample_weight=None, X_val=None, y_val=None):
        return super().fit(X, as_times(y), sample_weight, X_val, y_val)

    def score(self, X, y, sample_weight=None):
        return super().score(X, as_times(y), sample_weight)

    def transform(self, X):
        return super().transform(one_element_sets(X))


def as_times(y):
    table = np.asarray(y)
    if y is None or table.dtype.kind not in "biufO" or table.ndim != 1 or not len(table):
        return y
    y = table.astype(np.float64)
    return pd.DataFrame({"event": True, "time": y - np.nanmin(y)})


class RowElementClassifier(RowClassifier, DeepSetsElementClassifier):
    in_rows = staticmethod(np.concatenate)


class RowElementRegressor(RowRegressor, DeepSetsElementRegressor):
    in_rows = staticmethod(np.concatenate)


class RowPadder(RowTransformer, SetPadder):
    pass


class RowElementTransformer(RowTransformer, ElementTransformer):
    pass


class RowAggregator(RowTransformer, SetAggregator):
    pass


MEMBERS = 5  # one of the variants of the default, which takes a sixth of its time

ESTIMATORS = [
    RowSetClassifier(n_members=MEMBERS),
    RowSetRegressor(n_members=MEMBERS),
    RowSetClassifier(n_members=1),
    RowSetRegressor(n_members=1),
    RowSetSurvival(n_members=1),
    RowElementClassifier(n_members=MEMBERS),
    RowElementRegressor(n_members=1),
    RowPadder(),
    RowElementTransformer(StandardScaler()),
    RowAggregator(),
]

# What fails, and why.
TABLE = {"check_supervised_y_2d": "y of shape (n_sets, 1) is a table with the target of one element in each row"}
FOLDS = {
    "check_sample_weight_equivalence_on_dense_data": "copies of a set may be in two folds, a set of weight 2 is in one"
}
TIES = {"check_sample_weight_equivalence_on_dense_data": "two sets with one time are ties, one of weight 2 is none"}
EXPECTED_FAILURES = {"RowElementClassifier": TABLE, "RowElementRegressor": TABLE, "RowSetSurvival": TIES}

# These want something to be learned; the others say the same of any weights.
LEARN = {"check_classifiers_train", "check_regressors_train", "check_class_weight_classifiers"}

# These compare more digits than float32 has: they run in float64, which torch's default dtype asks for.
IN_FLOAT64 = {
    "check_methods_subset_invariance",
    "check_methods_sample_order_invariance",
    "check_sample_weight_equivalence_on_dense_data",
}


def expected_failures(estimator):
    """By name of the check, why it fails."""
    folds = FOLDS if getattr(estimator, "n_members", None) == MEMBERS else {}
    return folds | EXPECTED_FAILURES.get(type(estimator).__name__, {})


@pytest.fixture
def _float64():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@parametrize_with_checks(ESTIMATORS, expected_failed_checks=expected_failures)
def test_sklearn_check(estimator, check, request):
    name, estimator = check.func.__name__, clone(estimator)
    if name in IN_FLOAT64:
        request.getfixturevalue("_float64")
    if hasattr(estimator, "max_epochs"):
        estimator.set_params(**({"max_epochs": 5, "lr": 0.02} if name in LEARN else {"max_epochs": 3}))
    if name == "check_sample_weight_equivalence_on_dense_data" and hasattr(estimator, "batch_size"):
        # weights and repetitions are the same where the optimiser's steps are: without mini-batches, and without
        # sets held out at random
        estimator.set_params(early_stopping=False, batch_size=10_000, lr=0.002)
    check(estimator)
