"""What a net learns from the training sets before it is trained: the scalings of its inputs."""

import numpy as np
import pandas as pd
import pytest
import torch

from sk_deepsets import RaggedSets, SetAggregator, check_sets
from sk_deepsets.estimators import _inputs
from sk_deepsets.estimators._inputs import ensemble_inputs, learn_columns
from sk_deepsets.estimators._variants import VARIANTS
from sk_deepsets.nn import PackedSets
from sk_deepsets.preprocessing import SetEncoder

RNG = np.random.default_rng(0)


def test_columns_are_learned_from_rows_with_a_weight():
    table = RNG.normal(3, 5, size=(50, 2))
    weight = np.repeat([2.0, 0.0], 25)
    spoiled = table.copy()
    spoiled[25:] = 1e6
    names = {"standard", "clipped", "quantiles", "intervals"}
    wanted = learn_columns(table[:25], [], None, names, True).scalings
    found = learn_columns(spoiled, [], weight, names, True).scalings
    x = torch.from_numpy(table)
    for name, values in wanted(x).items():
        torch.testing.assert_close(found(x)[name], values)
    np.testing.assert_allclose(wanted(x)["standard"][:25].mean(0), 0, atol=1e-5)


def test_weights_count_in_mean_and_spread():
    table, weight = RNG.normal(3, 5, size=(50, 2)), RNG.uniform(0, 2, 50)
    mean = np.average(table, axis=0, weights=weight)
    scale = np.sqrt(np.average((table - mean) ** 2, axis=0, weights=weight))
    found = learn_columns(table, [], weight, {"standard"}, True).scalings(torch.from_numpy(table))["standard"]
    np.testing.assert_allclose(found, (table - mean) / scale, rtol=1e-4, atol=1e-5)
    raw = learn_columns(table, [], weight, {"standard"}, False).scalings(torch.from_numpy(table))["standard"]
    np.testing.assert_allclose(raw, table, rtol=1e-5)


def test_codes_stand_behind_the_numbers_and_are_not_scaled():
    table = np.c_[RNG.normal(size=(20, 2)), RNG.integers(0, 4, 20)]
    columns = learn_columns(table, [3], None, {"standard"}, True)
    assert (columns.n_numbers, columns.n_categories, columns.scalings.n_columns) == (2, (3,), 2)


def test_of_very_many_rows_a_part_tells_the_quantiles(monkeypatch):
    monkeypatch.setattr(_inputs, "ENOUGH_ELEMENTS", 10)
    table = np.sort(RNG.normal(size=(95, 1)), axis=0)
    found = learn_columns(table, [], None, {"quantiles"}, True).scalings
    wanted = learn_columns(table[::10], [], None, {"quantiles"}, False).scalings
    x = torch.from_numpy(table)
    torch.testing.assert_close(found(x)["quantiles"], wanted(x)["quantiles"])


@pytest.mark.parametrize("weighted", [False, True])
def test_statistics_are_scaled_as_a_table_of_aggregates_would_be(weighted):
    sets = check_sets([RNG.normal(2, 3, size=(size, 2)) for size in RNG.integers(1, 9, 40)])
    weight = np.r_[RNG.uniform(0.5, 2, 30), np.zeros(10)] if weighted else None
    found = ensemble_inputs(VARIANTS[4], sets, SetEncoder().fit(sets), weight, True)
    element_weight = np.ones(len(sets.elements)) if weight is None else weight[sets.segments]
    mean = np.average(sets.elements, axis=0, weights=element_weight)
    scale = np.sqrt(np.average((sets.elements - mean) ** 2, axis=0, weights=element_weight))
    scaled = sets.replace((sets.elements - mean) / scale)
    table = SetAggregator(("mean", "std", "min", "max", "size")).fit_transform(scaled)
    table = np.c_[table, np.log1p(table[:, -1])]
    wanted = learn_columns(table, [], weight, {"clipped", "quantiles"}, True).scalings
    assert wanted.dims == found["statistic_columns"].scalings.dims
    # in units of their own, from which the scalings lead to the same
    statistics = found["statistics"](PackedSets(*map(torch.from_numpy, (sets.elements, sets.segments, sets.sizes))))
    for name, values in wanted(torch.from_numpy(table)).items():
        torch.testing.assert_close(found["statistic_columns"].scalings(statistics)[name], values, rtol=1e-3, atol=1e-3)


def test_a_context_of_numbers_and_categories():
    context = pd.DataFrame({"age": RNG.normal(40, 10, 30), "town": pd.Categorical(RNG.choice(["a", "b", "c"], 30))})
    sets = RaggedSets(RNG.normal(size=(60, 2)), np.arange(0, 61, 2), context=context)
    encoder = SetEncoder().fit(sets)
    found = ensemble_inputs(VARIANTS[1], encoder.transform(sets), encoder, None, True)["context"]
    assert found.n_numbers == 1
    assert list(found.n_categories) == encoder.n_context_categories
    assert found.scalings.names == ["clipped"]
