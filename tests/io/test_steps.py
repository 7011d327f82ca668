"""What steps make of columns, beside what scikit-learn makes of them."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

from sk_deepsets import ElementTransformer, RaggedSets
from sk_deepsets.io._steps import Columns, ColumnSteps, Steps

SCALERS = [
    StandardScaler(),
    StandardScaler(with_mean=False),
    StandardScaler(with_std=False),
    RobustScaler(),
    RobustScaler(with_centering=False, quantile_range=(5, 95)),
    RobustScaler(with_scaling=False),
    MinMaxScaler(),
    MinMaxScaler((-2, 5), clip=True),
    MaxAbsScaler(),
    FunctionTransformer(),
    "passthrough",
    SimpleImputer(),
    SimpleImputer(strategy="median", add_indicator=True),
    SimpleImputer(strategy="constant", fill_value=-7.0),
    SimpleImputer(strategy="most_frequent", keep_empty_features=True),
    make_column_transformer((StandardScaler(), [2]), ("drop", [0]), remainder=MinMaxScaler()),
    make_column_transformer((make_pipeline(SimpleImputer(add_indicator=True), RobustScaler()), slice(0, 2)),
                            (MaxAbsScaler(), [True, False, True]), ("passthrough", [])),
]  # fmt: skip


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from(SCALERS), min_size=1, max_size=4), st.integers(0, 99))
def test_any_chain_is_that_of_scikit_learn(chain, seed):
    rng = np.random.default_rng(seed)
    train, test = (rng.normal([1, -30, 1e4], [1, 9, 3], size=(40, 3)) for _ in range(2))
    for table in (train, test):
        table[rng.random(table.shape) < 0.2] = np.nan
    steps, known = [], RaggedSets(train, [0, 40])
    for step in chain:
        if known.n_features != 3 and not isinstance(step, str) and hasattr(step, "transformers"):
            continue  # its columns are three
        steps.append(ElementTransformer(step).fit(known))
        known = steps[-1].transform(known)
    wanted = RaggedSets(test, [0, 40])
    for step in steps:
        wanted = step.transform(wanted)
    columns = Steps(steps).elements
    columns = Columns.same(3) if columns is None else columns
    found = ColumnSteps(columns)(torch.from_numpy(test))
    np.testing.assert_allclose(found, wanted.elements, rtol=1e-9, atol=1e-9)


def test_a_large_offset_keeps_its_digits():
    table = 1.7e9 + np.random.default_rng(0).normal(size=(50, 1))
    scaler = make_pipeline(SimpleImputer(), StandardScaler(), MinMaxScaler())
    step = ElementTransformer(scaler).fit(RaggedSets(table, [0, 50]))
    found = ColumnSteps(Steps([step]).elements)(torch.from_numpy(table))
    np.testing.assert_allclose(found, scaler.fit_transform(table), atol=1e-9)


@pytest.mark.parametrize("steps", [[], ["passthrough", None, FunctionTransformer()]])
def test_steps_that_do_nothing_leave_no_layer(steps):
    assert Steps(steps).elements is None
    assert Columns.same(3).is_same.all()
