"""The digit sums of Zaheer et al. (2017): trained on sets of at most 10 digits, right on sets of 100."""

import pytest

from sk_deepsets import DeepSetsRegressor
from sk_deepsets.datasets import make_digit_sums


@pytest.mark.parametrize("seed", [0, 1])
def test_sums_carry_over_to_sets_ten_times_larger(seed):
    X, y = make_digit_sums(5000, random_state=seed)
    reg = DeepSetsRegressor(
        pool_type="sum", rho_hidden_dims=(), n_members=1, weight_decay=0, lr=0.01, random_state=seed
    )
    reg.fit(X, y)
    for size in (20, 50, 100):
        larger, sums = make_digit_sums(300, set_size=size, random_state=seed)
        assert (reg.predict(larger).round() == sums).mean() >= 0.99
