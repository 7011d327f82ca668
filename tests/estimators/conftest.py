"""Small sets with targets for a classifier and for a regressor, and what both have in common."""

from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pytest
from skorch.callbacks import Callback

from sk_deepsets import DeepSetsClassifier, DeepSetsRegressor

SMALL = {
    "phi_hidden_dims": (8,),
    "rho_hidden_dims": (8,),
    "max_epochs": 3,
    "early_stopping": True,
    "lr": 2e-3,
    "batch_size": 128,
    "weight_decay": 0.0,
    "n_members": 1,
    "random_state": 0,
}


class Case(NamedTuple):
    """An estimator and its targets for ``bags``."""

    make: Any
    y: np.ndarray

    def outputs(self, estimator, X):
        """All that the estimator says of X, as an array of floats."""
        proba = hasattr(estimator, "predict_proba")
        return estimator.predict_proba(X) if proba else estimator.predict(X)


@pytest.fixture(scope="session")
def bags():
    """90 sets of 1 to 7 elements with 3 features."""
    rng = np.random.default_rng(0)
    return [rng.normal(loc=2, scale=3, size=(size, 3)) for size in rng.integers(1, 8, 90)]


@pytest.fixture(scope="session")
def labels(bags):
    """Two classes, 0 and 1."""
    return np.array([int(bag[:, 0].mean() > 2) for bag in bags])


@pytest.fixture(scope="session")
def values(bags):
    return np.array([bag[:, 1].mean() + bag[:, 2].max() for bag in bags])


@pytest.fixture(params=["classifier", "regressor"])
def case(request, labels, values):
    if request.param == "classifier":
        return Case(partial(DeepSetsClassifier, **SMALL), labels)
    return Case(partial(DeepSetsRegressor, **SMALL), values)


@pytest.fixture
def make_classifier():
    return partial(DeepSetsClassifier, **SMALL)


@pytest.fixture
def make_regressor():
    return partial(DeepSetsRegressor, **SMALL)


class SeeData(Callback):
    """Keeps the sets and the targets of the training and of the validation part."""

    def on_epoch_begin(self, net, dataset_train=None, dataset_valid=None, **kwargs):
        parts = [dataset_train] if dataset_valid is None else [dataset_train, dataset_valid]
        self.targets = [part.y.numpy() for part in parts]
        self.sets = [part.X for part in parts]


@pytest.fixture
def see_data():
    return SeeData()
