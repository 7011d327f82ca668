"""Sets of all sizes, 0 and 1 among them, with targets of each kind."""

from functools import partial

import numpy as np
import pytest

from sk_deepsets import DeepSetsClassifier, DeepSetsRegressor

SMALL = {"phi_hidden_dims": (8,), "rho_hidden_dims": (8,), "max_epochs": 3, "random_state": 0}


@pytest.fixture(scope="session")
def bags():
    """60 sets of 0 to 7 elements with 3 features."""
    rng = np.random.default_rng(0)
    return [rng.normal(loc=2, scale=3, size=(size, 3)) for size in [0, 1, *rng.integers(0, 8, 58)]]


@pytest.fixture(scope="session")
def targets(bags):
    """A target of each kind for ``bags``."""
    rng = np.random.default_rng(1)
    largest = np.array([bag[:, 0].max(initial=-9) for bag in bags])
    return {
        "binary": np.where(largest > 4, "yes", "no"),
        "multi-class": np.array(["a", "b", "c"])[np.digitize(largest, [2, 5])],
        "multi-label": np.column_stack([largest > 2, largest > 5]).astype(int),
        "regression": largest + rng.normal(size=len(bags)),
        "several outputs": np.column_stack([largest, -largest]),
    }


@pytest.fixture
def fit(bags, targets):
    """Fit a small estimator to one of the targets."""

    def fit(kind="binary", X=None, **params):
        make = DeepSetsRegressor if kind in ("regression", "several outputs") else DeepSetsClassifier
        return partial(make, **SMALL)(**params).fit(bags if X is None else X, targets[kind])

    return fit
