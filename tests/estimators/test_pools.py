"""What the theory of each pool promises of the estimators, of one net and of members alike."""

from functools import cache, partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sk_deepsets import DeepSetsRegressor
from sk_deepsets.datasets import make_digit_sums

RNG = np.random.default_rng(0)
BAGS = [RNG.normal(1, 2, size=(size, 2)) for size in RNG.integers(1, 11, 60)]
SETS = st.lists(st.tuples(*[st.floats(-4, 6, width=32)] * 2), min_size=1, max_size=8).map(np.array)
MEMBERS = pytest.mark.parametrize("n_members", [1, 8])
TARGETS = {
    "sum": [one[:, 0].sum() for one in BAGS],
    "mean": [one[:, 0].mean() for one in BAGS],
    "max": [one[:, 0].max() for one in BAGS],
    "min": [one[:, 1].min() for one in BAGS],
    "std": [one[:, 0].std() for one in BAGS],
    **{name: [one[:, 0].mean() for one in BAGS] for name in ("attention", "pma")},
}


@cache
def answer(pool_type, n_members, **options):
    """The predictions of an estimator, fitted once on what its pool can tell."""
    names = (pool_type,) if isinstance(pool_type, str) else pool_type
    settings = {"phi_hidden_dims": (8,), "rho_hidden_dims": (8,), "lr": 0.02, "max_epochs": 20, "random_state": 0}
    reg = DeepSetsRegressor(pool_type=pool_type, n_members=n_members, **settings | options)
    reg.fit(BAGS, TARGETS[names[0]])
    assert np.std(reg.predict(BAGS)) > 0
    if n_members > 1:
        assert reg.net_.module_.weights[-1] < 1  # more than the prior
    return reg.predict


def alike(one, other):
    np.testing.assert_allclose(one, other, rtol=2e-4, atol=2e-4)


@MEMBERS
@settings(max_examples=20, deadline=None)  # the first example fits
@given(SETS, SETS)
def test_a_sum_with_a_linear_rho_adds_over_unions(n_members, one, other):
    predict = answer("sum", n_members, rho_hidden_dims=())
    union, first, second, nothing = predict([np.r_[one, other], one, other, one[:0]])
    alike(union + nothing, first + second)


@MEMBERS
@pytest.mark.parametrize("pool_type", ["max", "min", ("max", "min")])
@settings(max_examples=20, deadline=None)  # the first example fits
@given(SETS, st.data())
def test_extremes_do_not_see_how_often_an_element_is_there(n_members, pool_type, one, data):
    more = data.draw(st.lists(st.integers(0, len(one) - 1), max_size=9))
    first, second = answer(pool_type, n_members)([one, np.r_[one, one[more]]])
    alike(first, second)


@MEMBERS
@pytest.mark.parametrize("pool_type", ["mean", "std", "attention", "pma", ("mean", "std", "max", "min")])
@settings(max_examples=20, deadline=None)  # the first example fits
@given(SETS, st.integers(2, 4))
def test_a_set_several_times_is_the_same_distribution(n_members, pool_type, one, times):
    first, second = answer(pool_type, n_members)([one, np.tile(one, (times, 1))])
    alike(first, second)


@MEMBERS
def test_a_sum_tells_how_many_there_are(n_members):
    # over seeds 0 to 4 between 6.9 and 7.9
    predict = answer("sum", n_members, rho_hidden_dims=(), lr=0.05, max_epochs=100)
    few, many = predict([np.ones((2, 2)), np.ones((9, 2))])
    assert many - few == pytest.approx(9 - 2, abs=2)


@pytest.mark.parametrize("n_members", [5, 12])
def test_an_additive_model_is_right_on_sets_eight_times_larger(n_members):
    digits, sums = make_digit_sums(300, random_state=0)
    larger, wanted = make_digit_sums(50, set_size=80, random_state=1)
    reg = DeepSetsRegressor(pool_type="sum", rho_hidden_dims=(), n_members=n_members, lr=0.02, random_state=0)
    found = reg.set_params(max_epochs=100).fit(digits, sums).predict(larger)
    assert np.abs(found - wanted).mean() < 5  # of 360


def test_the_default_is_told_from_the_pools_that_it_has():
    make = partial(DeepSetsRegressor, n_members=8, max_epochs=1, random_state=0)
    y = TARGETS["mean"]
    default, named = (make(pool_type=pool).partial_fit(BAGS, y).net_.module_ for pool in ("auto", ("mean", "max")))
    assert default.reads_statistics
    assert not named.reads_statistics


def test_members_without_a_layer_in_phi_are_refused_with_the_way_out():
    with pytest.raises(ValueError, match=r"phi_hidden_dims=\(\), but n_members=4 .* or n_members=1"):
        DeepSetsRegressor(phi_hidden_dims=(), n_members=4).fit(BAGS, TARGETS["mean"])
