"""Scalings of a table against NumPy and scikit-learn, column by column."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm, rankdata
from sklearn.preprocessing import QuantileTransformer
from torch.testing import assert_close

from sk_deepsets.nn import DeepSetsInvariant, Scalings, Standardize
from sk_deepsets.nn._scalings import (
    CLIP,
    INTERVALS,
    KNOTS,
    MOST_INTERVALS,
    PiecewiseLinear,
    Quantiles,
    SmoothClip,
    merged,
    quantiles,
    robust,
)
from sk_deepsets.preprocessing import mean_and_scale

TABLES = st.tuples(st.integers(1, 80), st.integers(1, 4), st.integers(1, 30), st.integers(0, 2**32 - 1))
ALL = {"standard", "clipped", "quantiles", "intervals"}


def table_of(shape):
    """A table with as many different values in a column as the third number says, or less."""
    n, d, n_values, seed = shape
    random = np.random.default_rng(seed)
    values = random.normal(scale=5, size=(n_values, d)).astype(np.float32)
    return np.take_along_axis(values, random.integers(n_values, size=(n, d)), axis=0)


def normal(n=500, d=2, seed=0):
    return np.random.default_rng(seed).normal(2, 3, size=(n, d)).astype(np.float32)


def standardize(table):
    return Standardize(torch.from_numpy(table.mean(0, dtype=float)), torch.from_numpy(table.std(0, dtype=float)))


@given(TABLES, st.integers(2, 40))
def test_quantiles_are_numpys(shape, count):
    table = table_of(shape)
    found = quantiles(torch.from_numpy(table), count)
    wanted = np.quantile(table.astype(float), np.linspace(0, 1, count), axis=0).T
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)


def test_quantiles_never_fall_and_end_at_the_extremes():
    table = normal()
    found = quantiles(torch.from_numpy(table), 17)
    assert (found.diff(dim=1) >= 0).all()
    np.testing.assert_array_equal(found[:, [0, -1]].T, [table.min(0), table.max(0)])


def test_quantiles_span_the_range_of_float32():
    most = torch.finfo(torch.float32).max
    found = quantiles(torch.tensor([[-most], [0.5 * most], [most]]), 5)
    torch.testing.assert_close(found, torch.tensor([[-1, -0.25, 0.5, 0.75, 1]]).double() * most)


@given(TABLES)
def test_robust_is_a_middle_value_and_the_power_of_two_behind_the_distance_of_the_outer_tenths(shape):
    table = table_of(shape).astype(float)
    tenths = np.quantile(table, [0.1, 0.9], axis=0)
    middle = np.quantile(table, 0.5, axis=0, method="lower")
    away = np.abs(table - middle).mean(axis=0)
    spread = np.where(tenths[1] - tenths[0] > 0, tenths[1] - tenths[0], away)
    layer = robust(torch.from_numpy(table))
    np.testing.assert_array_equal(layer.mean, middle)
    scale = layer.scale.numpy()
    np.testing.assert_array_equal(np.log2(scale), np.round(np.log2(scale)))
    np.testing.assert_array_equal(scale[spread == 0], 1)
    assert ((scale / 2 <= spread * (1 + 1e-12)) & (spread * (1 - 1e-12) <= scale))[spread > 0].all()


@given(st.integers(-(2**40), 2**40), st.integers(1, 1000), st.sampled_from([np.float32, np.int64, np.float64]))
def test_robust_rounds_nothing_of_what_has_few_digits(offset, spread, dtype):
    table = (np.random.default_rng(0).integers(-spread, spread, size=(50, 1)) + offset).astype(dtype)
    layer = robust(torch.from_numpy(table))
    back = layer.unrounded(torch.from_numpy(table)) * layer.scale + layer.mean
    np.testing.assert_array_equal(back, table.astype(float))


def test_a_column_of_few_other_values_has_a_spread_in_its_own_units():
    table = torch.zeros(1000, 1, dtype=torch.float64)
    table[:20] = 1e-200
    assert 2e-202 < robust(table).scale.item() < 5e-202


def test_outliers_do_not_blow_up_a_robust_scaling():
    table = normal()
    spoiled = table.copy()
    spoiled[::50] = 1e20
    plain, found = (robust(torch.from_numpy(t))(torch.from_numpy(table)) for t in (table, spoiled))
    torch.testing.assert_close(found, plain, rtol=0.2, atol=0.1)


@given(st.floats(-(2.0**100), 2.0**100, width=32))
def test_the_smooth_clip_by_its_formula(value):
    found = SmoothClip()(torch.tensor([[value]], dtype=torch.float64)).item()
    assert found == pytest.approx(value / np.sqrt(1 + (value / 4) ** 2), rel=1e-6)
    assert abs(found) <= CLIP


def test_the_smooth_clip_is_nearly_the_identity_in_the_middle_and_finite_at_the_ends_of_float32():
    z = torch.linspace(-0.5, 0.5, 11)[:, None]
    torch.testing.assert_close(SmoothClip()(z), z, rtol=0.01, atol=0)
    assert SmoothClip()(torch.tensor([[torch.finfo(torch.float32).max]])).isfinite().all()


class TestQuantiles:
    def test_few_rows_become_the_normal_quantiles_of_their_ranks(self):
        """With as many rows as knots, each row is a knot, and ties are in the middle of their ranks."""
        values = np.random.default_rng(0).integers(0, 12, size=(KNOTS, 3)).astype(np.float32)
        shares = (rankdata(values, axis=0) - 1) / (KNOTS - 1)
        found = Quantiles(torch.from_numpy(values))(torch.from_numpy(values))
        np.testing.assert_allclose(found, norm.ppf(np.clip(shares, 0.0014, 0.9986)), rtol=1e-4, atol=1e-5)

    def test_many_rows_are_those_of_scikit_learn(self):
        table = normal(5000)
        transformer = QuantileTransformer(n_quantiles=KNOTS, output_distribution="normal", subsample=None)
        wanted = transformer.fit_transform(table)
        found = Quantiles(torch.from_numpy(table))(torch.from_numpy(table)).numpy()
        middle = np.abs(wanted) < 1.8  # between the outer two knots, scikit-learn is linear in the share
        np.testing.assert_allclose(found[middle], wanted[middle], atol=0.03)

    @settings(max_examples=30)
    @given(TABLES, st.lists(st.floats(-(2.0**100), 2.0**100, width=32), min_size=2, max_size=9))
    def test_what_is_larger_is_not_smaller_afterwards_and_all_is_within_3(self, shape, values):
        table = torch.from_numpy(table_of(shape))
        x = torch.tensor(sorted(values))[:, None].expand(-1, table.shape[1])
        found = Quantiles(table)(x)
        assert (found.diff(dim=0) >= -1e-6).all()
        assert found.abs().max() < 3

    def test_between_two_knots_it_is_linear(self):
        table = torch.arange(float(KNOTS))[:, None] * 10
        scaling = Quantiles(table)
        a, middle, b = scaling(torch.tensor([[70.0], [75.0], [80.0]]))
        torch.testing.assert_close(middle, (a + b) / 2)
        torch.testing.assert_close(scaling(torch.tensor([[-99.0], [999.0]])), scaling(table[[0, -1]]))

    def test_it_depends_on_ranks_alone(self):
        table = normal(KNOTS)
        plain, stretched = torch.from_numpy(table), torch.from_numpy(np.exp(table / 2))
        torch.testing.assert_close(Quantiles(plain)(plain), Quantiles(stretched)(stretched), rtol=1e-3, atol=1e-4)

    def test_a_constant_column_is_in_the_middle_and_two_values_are_on_both_sides(self):
        table = torch.tensor([[5.0, 0.0], [5.0, 1.0], [5.0, 0.0], [5.0, 1.0]])
        found = Quantiles(table)(table)
        assert not found[:, 0].any()
        assert (found[:2, 1] * found[2:, 1] > 0).all()
        torch.testing.assert_close(found[0, 1], -found[1, 1])


class TestPiecewiseLinear:
    @settings(max_examples=40)
    @given(TABLES)
    def test_by_hand(self, shape):
        table = table_of(shape)
        encoding = PiecewiseLinear(torch.from_numpy(table))
        columns = []
        for values in table.T:
            edges = np.unique(values)
            if len(edges) > INTERVALS + 1:
                edges = np.unique(quantiles(torch.from_numpy(values[:, None]), INTERVALS + 1)[0].numpy())
            for lower, upper in pairwise(edges):
                passed = np.clip((values.astype(float) - lower) / (upper - lower), 0, 1)
                columns.append(2 * (passed - passed.mean()))
        wanted = np.stack(columns, axis=1) if columns else np.empty((len(table), 0))
        found = encoding(torch.from_numpy(table))
        assert found.shape == (len(table), encoding.output_dim)
        np.testing.assert_allclose(found, wanted, atol=1e-3)

    def test_many_columns_share_the_intervals(self):
        for n_columns, each in [(4, INTERVALS), (32, 8), (128, 2), (200, 2)]:
            assert PiecewiseLinear(torch.randn(300, n_columns)).output_dim == n_columns * each
            assert n_columns > 128 or n_columns * each <= MOST_INTERVALS
        assert PiecewiseLinear(torch.randn(300, 32), most_intervals=400).output_dim == 32 * 12

    def test_two_values_are_one_interval_and_a_constant_none(self):
        table = torch.tensor([[1.0, 7.0], [3.0, 7.0], [3.0, 7.0], [3.0, 7.0]])
        found = PiecewiseLinear(table)(torch.tensor([[1.0, 7.0], [2.0, 0.0], [99.0, 9.0]]))
        torch.testing.assert_close(found, torch.tensor([[-1.5], [-0.5], [0.5]]))


class TestScalings:
    def test_each_name_is_its_scaling(self):
        table = normal()
        x, layer = torch.from_numpy(table), standardize(table)
        found = Scalings(x, layer, ALL)(x)
        z = (table - table.mean(0)) / table.std(0)
        exact = robust(x).unrounded(x)
        assert found.keys() == ALL
        np.testing.assert_allclose(found["standard"], z, rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(found["clipped"], z / np.sqrt(1 + (z / 4) ** 2), rtol=1e-3, atol=1e-5)
        torch.testing.assert_close(found["quantiles"], Quantiles(exact)(exact))
        torch.testing.assert_close(found["intervals"], PiecewiseLinear(exact)(exact))

    @pytest.mark.parametrize("names", [{"standard"}, {"intervals"}, {"clipped", "quantiles"}, ALL])
    def test_only_the_names_asked_for_in_order_with_their_widths(self, names):
        table = normal()
        scalings = Scalings(torch.from_numpy(table), standardize(table), names)
        found = scalings(torch.from_numpy(table[:3]))
        assert list(found) == sorted(names)
        assert scalings.dims == {name: values.shape[1] for name, values in found.items()}

    def test_of_too_many_columns_intervals_are_the_clipped_columns(self):
        table = normal(40, MOST_INTERVALS // 2 + 1)
        scalings = Scalings(torch.from_numpy(table), standardize(table), {"intervals", "standard"})
        assert scalings.resolved(["intervals", "standard", "clipped"]) == ["clipped", "standard"]
        found = scalings(torch.from_numpy(table))
        assert list(found) == ["clipped", "standard"]
        torch.testing.assert_close(found["clipped"], SmoothClip()(found["standard"]))
        more = Scalings(torch.from_numpy(table), standardize(table), {"intervals"}, most_intervals=MOST_INTERVALS + 2)
        assert more.dims == {"intervals": 2 * table.shape[1]}

    @pytest.mark.parametrize("dtype", [np.float64, np.int64])
    def test_numbers_far_from_zero_keep_their_digits_in_their_own_dtype(self, dtype):
        table = normal(200, 1)
        far = np.round(table * 100).astype(dtype) + dtype(10**12)
        near = (far - dtype(10**12)).astype(np.float64)
        layer = Standardize(torch.tensor([1e12], dtype=torch.float64), torch.tensor([100.0], dtype=torch.float64))
        other = Standardize(torch.tensor([0.0], dtype=torch.float64), torch.tensor([100.0], dtype=torch.float64))
        found = Scalings(torch.from_numpy(far), layer, ALL)(torch.from_numpy(far))
        wanted = Scalings(torch.from_numpy(near), other, ALL)(torch.from_numpy(near))
        for name in ALL:
            torch.testing.assert_close(found[name], wanted[name], rtol=1e-4, atol=1e-4)

    def test_a_table_of_no_columns_has_none_in_any_scaling(self):
        nothing = torch.empty(5, 0)
        layer = Standardize(torch.empty(0, dtype=torch.float64), torch.empty(0, dtype=torch.float64))
        assert set(Scalings(nothing, layer, ALL).dims.values()) == {0}


@pytest.mark.parametrize("value", [1e15, 1e20, 3e38, np.inf])
def test_what_is_far_out_is_clipped_like_the_rest(value):
    found = SmoothClip()(torch.tensor([[value], [-value]]))
    np.testing.assert_allclose(found.ravel(), [CLIP, -CLIP], rtol=1e-6)


def test_an_outlier_in_the_range_of_float32_leaves_all_scalings_finite():
    table = normal() * np.float32(1e-3)
    table[7, 0] = 3e38
    scalings = Scalings(torch.from_numpy(table), standardize(table), ALL - {"standard"})
    for name, scaled in scalings(torch.from_numpy(table)).items():
        assert scaled.isfinite().all(), name


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=40), st.floats(0, 1), st.floats(0, 0.01))
def test_merged_knots_are_one_by_one_those_of_a_loop(values, rounding, share):
    knots, wanted = sorted(values), []
    for number, knot in enumerate(knots):
        apart = number == 0 or knot - knots[number - 1] > max(rounding, share * abs(knot))
        wanted.append(knot if apart else wanted[-1])
    table = torch.tensor([knots], dtype=torch.float64)
    found = merged(table, torch.tensor([rounding], dtype=torch.float64), share)
    assert found[0].tolist() == wanted


@pytest.mark.parametrize("names", [{"quantiles"}, {"intervals"}, {"clipped"}])
@pytest.mark.parametrize("offset", [0.0, 100.0])
@pytest.mark.parametrize("spread", [0.0, 1e-9, 1.0])
def test_rounding_in_the_table_is_no_answer(names, offset, spread):
    """Few values, each a hair off where it is computed in another order: the scalings say the same of all."""
    random = np.random.default_rng(0)
    exact = offset + spread * random.integers(0, 4, size=(500, 1))
    noise = [1 + 1e-13 * random.uniform(-1, 1, size=exact.shape) for _ in range(2)]
    one, two = (torch.from_numpy(exact * of_value + 1e-13 * (of_value - 1)) for of_value in noise)
    mean, scale = mean_and_scale(one.numpy(), resolution=2**-30)
    scalings = Scalings(one, Standardize(torch.from_numpy(mean), torch.from_numpy(scale)), names, resolution=2**-30)
    for name, found in scalings(two).items():
        torch.testing.assert_close(found, scalings(one)[name], rtol=0, atol=2e-3, msg=name)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["quantiles", "intervals"])
def test_of_values_an_ulp_apart_one_is_made(dtype, name):
    value = dtype(0.3)
    table = np.repeat([value, np.nextafter(value, dtype(1)), dtype(0.7)], 30)[:, None]
    x = torch.from_numpy(table)
    found = Scalings(x, standardize(table), {name})(x)[name]
    torch.testing.assert_close(found[0], found[30], rtol=0, atol=1e-5)
    assert (found[60] - found[0]).abs().max() > 0.5


SECONDS = 1.7e9  # since 1970: float32 knows such times to two minutes


def test_subtracts_the_mean_and_divides_by_the_scale():
    x = np.random.default_rng(0).normal(5, 3, size=(20, 3))
    mean, scale = x.mean(axis=0), x.std(axis=0)
    layer = Standardize(torch.from_numpy(mean), torch.from_numpy(scale))
    assert_close(layer(torch.from_numpy(x)), torch.from_numpy((x - mean) / scale).float())


def test_time_stamps_keep_their_seconds():
    times = SECONDS + torch.arange(4, dtype=torch.float64)[:, None]
    layer = Standardize(torch.tensor([SECONDS], dtype=torch.float64), torch.tensor([2.0], dtype=torch.float64))
    output = layer(times)
    assert output.dtype == torch.float32
    assert output.flatten().tolist() == [0.0, 0.5, 1.0, 1.5]


def test_time_stamps_keep_their_seconds_inside_a_model():
    layer = Standardize(torch.tensor([SECONDS], dtype=torch.float64), torch.ones(1, dtype=torch.float64))
    model = DeepSetsInvariant(1, [], [], 1, input_layer=layer)
    times = SECONDS + torch.tensor([[[0.0], [1.0], [5.0]]], dtype=torch.float64)
    assert model.embed(times).tolist() == [[6.0]]


@pytest.mark.parametrize("offset", [0.0, 1e3, -1e6, 1.7e9])
@pytest.mark.parametrize("spread", [1e-2, 1.0, 1e4])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_each_dtype_is_standardised_as_exactly_as_it_can_be(offset, spread, dtype):
    x = (offset + spread * np.random.default_rng(0).normal(size=(50, 2))).astype(dtype)
    exact = x.astype(np.longdouble)
    mean, scale = exact.mean(axis=0), exact.std(axis=0) + spread / 10
    layer = Standardize(torch.from_numpy(mean.astype(float)), torch.from_numpy(scale.astype(float)))
    wanted = torch.from_numpy(((exact - mean) / scale).astype(float))
    assert_close(layer(torch.from_numpy(x)).double(), wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.bool, torch.int16, torch.int64, torch.float32])
def test_the_same_values_in_any_dtype_are_the_same_to_the_last_bit(dtype):
    layer = Standardize(torch.tensor([0.1, 1e9], dtype=torch.float64), torch.tensor([0.3, 7.0], dtype=torch.float64))
    x = torch.tensor([[0, 1], [1, 1], [1, 0]]).to(dtype)
    assert torch.equal(layer(x), layer(x.double()))
    assert torch.equal(layer.unrounded(x), layer.unrounded(x.double()))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int64])
def test_the_output_has_the_dtype_of_the_model_whatever_comes_in(dtype):
    layer = Standardize(torch.zeros(2, dtype=torch.float64), torch.ones(2, dtype=torch.float64))
    assert layer(torch.ones(4, 2, dtype=dtype)).dtype == torch.float32


def test_the_dtype_is_the_default_at_construction():
    torch.set_default_dtype(torch.float64)
    try:
        layer = Standardize(torch.zeros(2), torch.ones(2))
    finally:
        torch.set_default_dtype(torch.float32)
    assert layer(torch.ones(4, 2)).dtype == torch.float64


def test_a_model_turned_to_float64_takes_its_input_layer_along():
    layer = Standardize(torch.zeros(2, dtype=torch.float64), torch.ones(2, dtype=torch.float64))
    model = DeepSetsInvariant(2, [4], [], 1, input_layer=layer).double()
    assert model(torch.ones(1, 3, 2, dtype=torch.float64)).dtype == torch.float64


def test_the_statistics_travel_in_the_state_dict_and_are_not_trained():
    layer = Standardize(torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0]))
    assert list(layer.parameters()) == []
    fresh = Standardize(torch.zeros(2), torch.ones(2))
    fresh.load_state_dict(layer.state_dict())
    x = torch.randn(5, 2)
    assert torch.equal(fresh(x), layer(x))
    assert not torch.equal(fresh(x), x)


def test_no_elements_give_no_rows():
    layer = Standardize(torch.zeros(2), torch.ones(2))
    assert layer(torch.zeros(0, 2)).shape == (0, 2)
