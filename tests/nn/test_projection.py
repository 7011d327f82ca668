"""Projection: what it does to numbers, in rows of any number, and the codes behind them."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import TruncatedSVD
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, Normalizer, StandardScaler

from sk_deepsets.nn import Projection, Standardize, _projection

RNG = np.random.default_rng(0)


def layer(numbers, components, counts):
    scale = np.where(numbers.std(axis=0) > 0, numbers.std(axis=0), 1)
    return Projection(Standardize(*map(torch.from_numpy, (numbers.mean(axis=0), scale))), components, counts)


@pytest.mark.parametrize("counts", [True, False])
def test_it_is_what_a_pipeline_of_scikit_learn_gives(counts, monkeypatch):
    numbers = RNG.poisson(0.7, size=(40, 30)).astype(float) if counts else RNG.normal(3, 5, size=(40, 30))
    steps = [FunctionTransformer(np.log1p), Normalizer()] if counts else [StandardScaler()]
    pipeline = make_pipeline(*steps, TruncatedSVD(4, random_state=0))
    wanted = pipeline.fit_transform(numbers)
    project = layer(numbers, torch.from_numpy(pipeline[-1].components_), counts)
    codes = RNG.integers(0, 3, size=(40, 2))
    table = torch.from_numpy(np.c_[numbers, codes])
    found = project(table)
    assert found.dtype == torch.float64
    np.testing.assert_allclose(found, np.c_[wanted, codes], atol=1e-12)
    np.testing.assert_allclose(project(table.float()), found, atol=1e-5)
    monkeypatch.setattr(_projection, "VALUES_AT_ONCE", 100)
    np.testing.assert_allclose(project(table), found, atol=1e-12)
    assert project.output_dim == 4


def test_an_element_without_counts_is_in_the_origin_and_what_is_no_count_is_none():
    project = layer(RNG.poisson(1.0, size=(9, 5)).astype(float), torch.eye(5).double(), counts=True)
    np.testing.assert_array_equal(project(torch.zeros(2, 5)), np.zeros((2, 5)))
    np.testing.assert_array_equal(project(torch.tensor([[-3.0, 0, 0, 0, 2]])), [[0, 0, 0, 0, 1.0]])
    assert project(torch.zeros(0, 5)).shape == (0, 5)


@pytest.mark.parametrize("counts", [True, False])
def test_an_exported_program_is_the_same_for_any_number_of_rows(counts):
    project = layer(RNG.poisson(1.0, size=(9, 5)).astype(float), torch.eye(5).double()[:3], counts)
    rows = {0: torch.export.Dim("rows")}
    program = torch.export.export(project, (torch.zeros(4, 5),), dynamic_shapes=(rows,)).module()
    table = torch.from_numpy(RNG.poisson(1.0, size=(7, 5))).float()
    np.testing.assert_allclose(program(table), project(table), atol=1e-12)
