"""Small estimators of many kinds, each with sets to fit on and to predict, for the tests of several folders."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import nn

from sk_deepsets import (
    DeepSetsClassifier,
    DeepSetsElementClassifier,
    DeepSetsElementRegressor,
    DeepSetsRegressor,
    DeepSetsSurvival,
    RaggedSets,
)

FAST = {"max_epochs": 2, "random_state": 0}
TRAINED = {"lr": 0.02, "max_epochs": 10, "random_state": 0}  # until a pack is not its prior
SMALL = {"phi_hidden_dims": (8,), "rho_hidden_dims": (8,), **FAST}
SINGLE = {"n_members": 1, **SMALL}
PACK = {"n_members": 6, **SMALL, **TRAINED}


class MeanNet(nn.Module):
    """A module of a user's own, with a buffer."""

    def __init__(self, input_dim, output_dim, context_dim=0):
        super().__init__()
        self.layer = nn.Linear(input_dim + context_dim, output_dim)
        self.register_buffer("factor", torch.ones(1))

    def forward(self, x, mask, context=None):
        pooled = (x * mask.unsqueeze(2)).sum(dim=1) * self.factor
        return self.layer(pooled if context is None else torch.cat([pooled, context], dim=1))


class Case(NamedTuple):
    """An estimator, and what it is fitted on: also what it predicts."""

    make: Callable[[], Any]
    X: Any
    y: Any

    def fit(self):
        return self.make().fit(self.X, self.y)


def answers(estimator, X):
    """All that the estimator says of X, one flat array."""
    method = estimator.predict_proba if hasattr(estimator, "predict_proba") else estimator.predict
    said = method(X)
    return np.concatenate([np.ravel(one) for one in said]) if isinstance(said, list) else np.asarray(said)


def numeric_sets():
    """60 sets of 0 to 7 elements, some of them empty, with 3 features."""
    rng = np.random.default_rng(0)
    return [rng.normal(loc=2, scale=3, size=(size, 3)) for size in [0, *rng.integers(0, 8, 59)]]


def mixed_frame():
    """Sets with columns of numbers and of categories, beside a context with both."""
    rng = np.random.default_rng(1)
    sizes = [0, *rng.integers(1, 8, 59)]
    n = sum(sizes)
    elements = pd.DataFrame(
        {
            "amount": rng.normal(size=n),
            "kind": pd.Categorical(rng.choice(["tea", "cup", "pot"], n)),
            "code": pd.Categorical(rng.integers(5, 9, n)),
            "size": pd.cut(rng.normal(size=n), [-9, -1, 1, 9]),
            "day": pd.Categorical(pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 3, n), "D")),
            "text": rng.choice(["a", "b"], n),
        }
    )
    sets = RaggedSets(elements, offsets=np.concatenate([[0], np.cumsum(sizes)]))
    context = {"age": rng.normal(40, 9, 60), "country": pd.Categorical(rng.choice(["de", "fr"], 60))}
    return pd.DataFrame({**context, "sets": sets.to_series()})


SETS, FRAME = numeric_sets(), mixed_frame()
CLASS = np.array([int(len(one) > 3) for one in SETS])
OF_FRAME = np.array([int(len(one) > 4) for one in FRAME["sets"]])
VALUE = np.array([one.sum() for one in SETS])
OF_ELEMENTS = [(one[:, 0] > 2).astype(int) for one in SETS]
CHOSEN = [(one[:, 0] == one[:, 0].max(initial=-np.inf)) for one in SETS]
GRADES = [np.round(one[:, 0]) for one in SETS]


def set_cases():
    """Estimators with one answer per set, by their names."""
    for pool_type in ("sum", "mean", "max", "min", "std", "attention", "pma", ("mean", "max", "std")):
        name = "-".join(pool_type) if isinstance(pool_type, tuple) else pool_type
        yield f"single-{name}", DeepSetsClassifier, {**SINGLE, "pool_type": pool_type}, SETS, CLASS
        yield f"pack-{name}", DeepSetsRegressor, {**PACK, "pool_type": pool_type}, SETS, VALUE
    for fusion_type in ("concat", "add", "film"):
        for kind, options in (("single", SINGLE), ("pack", PACK)):
            options = {**options, "fusion_type": fusion_type, "encoder": "equivariant"}
            yield f"{kind}-context-{fusion_type}", DeepSetsClassifier, options, FRAME, OF_FRAME
    for kind, options in (("single", SINGLE), ("pack", PACK)):
        yield f"{kind}-encoder", DeepSetsRegressor, {**options, "encoder": "attention"}, SETS, VALUE
    for loss in ("squared_error", "absolute_error", "huber", "poisson", "gamma", "quantile"):
        several = {**PACK, "quantile": [0.9, 0.2, 0.9]} if loss == "quantile" else {}
        yield loss, DeepSetsRegressor, {**SINGLE, **several, "loss": loss}, SETS, np.exp(VALUE / 9)
    yield "default", DeepSetsClassifier, TRAINED, SETS, CLASS
    yield "default-positive", DeepSetsRegressor, {**TRAINED, "loss": "poisson"}, SETS, np.exp(VALUE / 9)
    yield "deep", DeepSetsRegressor, {**SINGLE, "phi_hidden_dims": (8, 8), "activation": "gelu"}, SETS, VALUE
    yield "unscaled", DeepSetsRegressor, {**PACK, "standardize": False}, SETS, VALUE
    censored = pd.DataFrame({"event": CLASS > 0, "time": np.exp(VALUE / 9)})
    yield "survival", DeepSetsSurvival, PACK, SETS, censored
    yield "several-outputs", DeepSetsRegressor, PACK, SETS, np.c_[VALUE, -VALUE]
    labels = np.c_[CLASS, 1 - CLASS, VALUE > 0].astype(int)
    yield "single-labels", DeepSetsClassifier, SINGLE, SETS, labels
    yield "pack-labels", DeepSetsClassifier, PACK, SETS, labels


def element_cases():
    """Estimators with one answer per element, by their names."""
    options = {"n_members": 1, "hidden_dims": (8, 8), **FAST}
    yield "each", DeepSetsElementClassifier, options, SETS, OF_ELEMENTS
    yield "one-per-set", DeepSetsElementClassifier, {**options, "target": "one_per_set"}, SETS, CHOSEN
    for loss in ("listnet", "lambdarank"):
        yield (
            loss,
            DeepSetsElementRegressor,
            {**options, "loss": loss},
            SETS,
            [grades - np.min(grades, initial=0) for grades in GRADES],
        )
    deep = {**options, "residual": True, "layer_norm": True, "dropout": 0.1, "pool_type": "sum"}
    yield "element-values", DeepSetsElementRegressor, deep, SETS, GRADES
    of_frame = [np.arange(len(one)) for one in FRAME["sets"]]
    for loss in ("poisson", "gamma", "quantile"):
        of_loss = {**options, "loss": loss, "quantile": (0.6, 0.3)}
        yield f"element-{loss}", DeepSetsElementRegressor, of_loss, SETS, [np.exp(one / 9) for one in GRADES]
    yield "element-context", DeepSetsElementRegressor, {**options, "fusion_type": "film"}, FRAME, of_frame
    pack = {"n_members": 8, "hidden_dims": (8, 8), **TRAINED}
    yield "element-pack", DeepSetsElementClassifier, {**pack, "layer_norm": True}, SETS, OF_ELEMENTS
    context = {**pack, "n_members": 4, "fusion_type": "add", "target": "one_per_set"}
    chosen = [np.arange(len(one)) == 0 for one in FRAME["sets"]]
    yield "choice-pack", DeepSetsElementClassifier, context, FRAME, chosen


CASES = {name: Case(partial(cls, **options), X, y) for name, cls, options, X, y in (*set_cases(), *element_cases())}
