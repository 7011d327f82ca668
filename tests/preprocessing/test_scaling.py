"""mean_and_scale against NumPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sk_deepsets.preprocessing import _scaling, mean_and_scale, median_and_scale, weighted_quantiles

TABLES = st.tuples(st.integers(1, 40), st.integers(1, 4)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=st.integers(-1000, 1000))
)


def expected_scale(std):
    return np.where(std == 0, 1, std)


@settings(deadline=None)
@given(TABLES)
def test_mean_and_population_standard_deviation(table):
    mean, scale = mean_and_scale(table)
    np.testing.assert_allclose(mean, table.mean(axis=0), atol=1e-9)
    np.testing.assert_allclose(scale, expected_scale(table.std(axis=0)), rtol=1e-9)
    assert mean.dtype == scale.dtype == np.float64


@settings(deadline=None)
@given(TABLES, st.data())
def test_integer_weights_are_repetitions(table, data):
    weight = np.array(data.draw(st.lists(st.integers(0, 3), min_size=len(table), max_size=len(table))))
    weight[0] += 1  # at least one
    repeated = np.repeat(table, weight, axis=0)
    mean, scale = mean_and_scale(table, weight.astype(float))
    np.testing.assert_allclose(mean, repeated.mean(axis=0), atol=1e-9)
    np.testing.assert_allclose(scale, expected_scale(repeated.std(axis=0)), rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("weighted", [False, True])
def test_tables_longer_than_one_piece(monkeypatch, weighted, dtype):
    monkeypatch.setattr(_scaling, "ROWS_AT_ONCE", 7)
    rng = np.random.default_rng(0)
    table, weight = rng.normal(5, 2, size=(100, 3)).astype(dtype), rng.random(100) if weighted else None
    mean, scale = mean_and_scale(table, weight)
    wanted = np.average(table, axis=0, weights=weight)
    np.testing.assert_allclose(mean, wanted, rtol=1e-6)
    np.testing.assert_allclose(scale, np.sqrt(np.average((table - wanted) ** 2, axis=0, weights=weight)), rtol=1e-6)


@pytest.mark.parametrize(
    ("offset", "spread"), [(1.7e9, 0.1), (1.7e9, 3.0), (1.7e18, 1e9), (-1e30, 1e20), (1e-30, 1e-33), (0.0, 1e38)]
)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_rows", [40, 100_000])
def test_a_large_offset_costs_no_digits_however_many_rows(offset, spread, weighted, n_rows):
    rng = np.random.default_rng(0)
    table = offset + spread * rng.normal(size=(n_rows, 1))
    weight = rng.integers(0, 3, n_rows).astype(float) if weighted else None
    mean, scale = mean_and_scale(table, weight)
    exact = table.astype(np.longdouble)
    exact_mean = np.average(exact, axis=0, weights=weight)
    exact_scale = np.sqrt(np.average((exact - exact_mean) ** 2, axis=0, weights=weight))
    assert abs(mean - exact_mean) <= 1e-12 * exact_scale + 2e-16 * abs(exact_mean)
    np.testing.assert_allclose(scale, exact_scale.astype(float), rtol=1e-9)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e9, 1e30, -1.7e18])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_constant_column_has_scale_one(value, dtype):
    mean, scale = mean_and_scale(np.full((1_000, 1), value, dtype=dtype))
    np.testing.assert_allclose(mean, dtype(value), rtol=1e-6)
    assert scale == 1


def test_a_column_that_is_constant_up_to_rounding_has_scale_one():
    table = np.array([0.1 + 0.2, 0.3, 0.1 * 3] * 50)[:, None]
    assert len(np.unique(table)) > 1
    assert mean_and_scale(table)[1] == 1


def test_no_rows_leave_values_as_they_are():
    mean, scale = mean_and_scale(np.empty((0, 3)))
    np.testing.assert_array_equal(mean, np.zeros(3))
    np.testing.assert_array_equal(scale, np.ones(3))


@pytest.mark.parametrize("unit", [1e-160, 1e-170, 1e-300])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_tiny_spread_is_a_spread(unit, weighted):
    rng = np.random.default_rng(0)
    table = np.column_stack([rng.normal(3, 1, 50), np.zeros(50)])
    weight = rng.integers(0, 3, 50).astype(float) if weighted else None
    mean, scale = mean_and_scale(table, weight)
    of_tiny, scale_of_tiny = mean_and_scale(table * unit, weight)
    np.testing.assert_allclose(of_tiny, mean * unit, rtol=1e-12)
    np.testing.assert_allclose(scale_of_tiny, [scale[0] * unit, 1], rtol=1e-12)


@pytest.mark.parametrize("unit", [1e-300, 1e300])
def test_the_unit_of_the_weights_does_not_matter(unit):
    rng = np.random.default_rng(0)
    table, weight = rng.normal(size=(50, 2)) * [1e10, 1e-170], rng.uniform(0.1, 4, 50)
    np.testing.assert_allclose(mean_and_scale(table, weight * unit), mean_and_scale(table, weight), rtol=1e-12)


SHARES = [0.0, 0.1, 0.25, 0.5, 0.9, 1.0]


@settings(max_examples=60, deadline=None)
@given(
    column=st.lists(st.integers(-3, 3), min_size=1, max_size=30),
    seed=st.integers(0, 99),
    unit=st.sampled_from([1.0, 1e-3, 7.0, 1e300]),
)
def test_weighted_quantiles_are_those_of_repetitions_in_numpy(column, seed, unit):
    rng = np.random.default_rng(seed)
    table = np.c_[column, rng.normal(size=len(column))]
    weight = rng.integers(0, 4, len(column)) + (np.arange(len(column)) == 0)
    wanted = np.quantile(np.repeat(table, weight, axis=0), SHARES, axis=0, method="inverted_cdf")
    np.testing.assert_array_equal(weighted_quantiles(table, SHARES, unit * weight), wanted)
    plain = np.quantile(table, SHARES, axis=0, method="inverted_cdf")
    np.testing.assert_array_equal(weighted_quantiles(table, SHARES), plain)


def test_the_spread_is_that_of_a_normal_distribution_and_outliers_do_not_move_it():
    y = np.random.default_rng(0).normal(50, 3, (20_000, 2))
    np.testing.assert_allclose(median_and_scale(y), [[50, 50], [3, 3]], rtol=0.02)
    spoiled = y.copy()
    spoiled[:200, 1] = 1e12
    np.testing.assert_allclose(median_and_scale(spoiled), [[50, 50], [3, 3]], rtol=0.05)


@pytest.mark.parametrize(
    ("column", "wanted"),
    [
        ([5.0] * 10, (5, 1)),
        ([5.0] * 19 + [1e6], (5, 1e6 - 5)),
        ([0.0] * 95 + [100.0] * 4 + [1e6], (0, 100)),
        ([0.3] * 19 + [0.1 + 0.2], (0.3, 1)),  # what differs by rounding is the same
        ([7.0], (7, 1)),
    ],
)
def test_where_the_tenths_are_the_same_the_others_tell_the_spread(column, wanted):
    found = median_and_scale(np.array(column)[:, None])
    np.testing.assert_allclose(np.ravel(found), wanted)
    weighted = median_and_scale(np.r_[column, 1e9][:, None], np.r_[np.full(len(column), 0.1), 0])
    np.testing.assert_allclose(np.ravel(weighted), wanted)
