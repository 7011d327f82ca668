"""One model, one list of sets: the same answers in every form, order and batch, in threads and processes."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import awkward as ak
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch

from sk_deepsets import (
    DeepSetsClassifier,
    DeepSetsElementClassifier,
    DeepSetsElementRegressor,
    DeepSetsRegressor,
    PaddedSets,
    check_sets,
)

RNG = np.random.default_rng(0)
SETS = [RNG.normal(loc=5, size=(size, 2)) for size in [0, *RNG.integers(0, 12, 119)]]
NESTED = [one.tolist() for one in SETS]
LABELS = np.array([int(len(one) > 5) for one in SETS])
SHORT = {"max_epochs": 5, "lr": 0.02, "random_state": 0}
OF_ELEMENTS = [(one[:, 0] > 5).astype(int) for one in SETS]
MODELS = {
    "single": (partial(DeepSetsClassifier, n_members=1, pool_type=("sum", "max", "std", "attention"), **SHORT), LABELS),
    "equivariant": (partial(DeepSetsRegressor, n_members=1, encoder="equivariant", **SHORT), LABELS + 0.5),
    "attention": (partial(DeepSetsRegressor, n_members=1, encoder="attention", **SHORT), LABELS + 0.5),
    "pack": (partial(DeepSetsRegressor, **SHORT), np.array([one.sum() for one in SETS])),
    "elements": (partial(DeepSetsElementClassifier, n_members=4, **SHORT), OF_ELEMENTS),
    "one per set": (
        partial(DeepSetsElementClassifier, n_members=1, target="one_per_set", **SHORT),
        [np.arange(len(one)) == 0 for one in SETS],
    ),
    "sums": (partial(DeepSetsElementRegressor, n_members=1, pool_type="sum", layer_norm=True, **SHORT), OF_ELEMENTS),
}


def objects():
    array = np.empty(len(SETS), dtype=object)
    array[:] = SETS
    return array


FORMS = {
    "list": lambda: SETS,
    "tuple of nested lists": lambda: tuple(one or np.empty((0, 2)) for one in NESTED),
    "tensors": lambda: [torch.from_numpy(one) for one in SETS],
    "object array": objects,
    "Series": lambda: pd.Series(SETS, index=range(100, 100 + len(SETS))),
    "table": lambda: pd.DataFrame({"sets": pd.Series(SETS)}),
    "column of sets": lambda: check_sets(SETS).to_series(),
    "RaggedSets": lambda: check_sets(SETS),
    "PaddedSets": lambda: PaddedSets.from_ragged(check_sets(SETS), 15, np.nan),
    "pyarrow": lambda: pa.array(NESTED, pa.list_(pa.list_(pa.float64(), 2))),
    "pandas on Arrow": lambda: pd.Series(
        pd.arrays.ArrowExtensionArray(pa.array(NESTED, pa.list_(pa.list_(pa.float64(), 2))))
    ),
    "polars": lambda: pl.Series("sets", NESTED, dtype=pl.List(pl.Array(pl.Float64, 2))),
    "awkward": lambda: ak.to_arrow(ak.Array(NESTED), extensionarray=False),
}


@pytest.fixture(scope="module", params=MODELS)
def model(request):
    make, y = MODELS[request.param]
    return make().fit(SETS, y)


def said(model, X):
    """The answers for each set."""
    method = model.predict_proba if hasattr(model, "predict_proba") else model.predict
    return [np.asarray(one) for one in method(X)]


def assert_same(found, wanted):
    assert [one.shape for one in found] == [one.shape for one in wanted]
    found, wanted = (np.concatenate([np.ravel(one) for one in answers]) for answers in (found, wanted))
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-6 * max(1, np.abs(wanted).max()))


@pytest.fixture(scope="module")
def wanted(model):
    answers = said(model, SETS)
    assert np.concatenate([np.ravel(one) for one in answers]).std() > 1e-3
    return answers


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_the_same_sets(model, wanted, form):
    assert_same(said(model, FORMS[form]()), wanted)


def test_an_array_of_three_dimensions(model, wanted):
    chosen = [number for number, one in enumerate(SETS) if len(one) == 4]
    assert len(chosen) > 3
    assert_same(said(model, np.stack([SETS[number] for number in chosen])), [wanted[number] for number in chosen])


def test_one_by_one_and_in_parts(model, wanted):
    assert_same([said(model, [one])[0] for one in SETS[:40]], wanted[:40])
    assert_same(said(model, SETS[:50]) + said(model, SETS[50:]), wanted)


@pytest.mark.parametrize("elements", [1, 7, 100])
def test_batches_of_any_size(model, wanted, elements, monkeypatch):
    monkeypatch.setattr("sk_deepsets.training._net.ELEMENTS_AT_ONCE", elements)
    assert_same(said(model, SETS), wanted)


@pytest.mark.parametrize("values", [1, 64, 500])
def test_chunks_of_any_size(model, wanted, values, monkeypatch):
    monkeypatch.setattr("sk_deepsets.nn._chunked.CHUNK_VALUES", values)
    assert_same(said(model, SETS), wanted)


def test_any_order_of_sets_and_of_elements(model, wanted):
    order = np.random.default_rng(1).permutation(len(SETS))
    assert_same(said(model, [SETS[number] for number in order]), [wanted[number] for number in order])
    backwards = said(model, [one[::-1] for one in SETS])
    per_element = isinstance(model, DeepSetsElementClassifier | DeepSetsElementRegressor)
    assert_same([one[::-1] for one in backwards] if per_element else backwards, wanted)


def test_in_eight_threads(model, wanted):
    with ThreadPoolExecutor(8) as pool:
        for answers in pool.map(partial(said, model), [SETS] * 24):
            assert_same(answers, wanted)


def test_the_input_is_left_alone(model):
    before = [one.copy() for one in SETS]
    said(model, SETS)
    assert all(np.array_equal(one, two) for one, two in zip(SETS, before, strict=True))
