"""The digit sums of Zaheer et al. (2017): trained on sets of at most 10 digits, right on sets of 100."""

import numpy as np
import pytest

from sk_deepsets import DeepSetsRegressor


def digit_sets(n_sets, smallest, largest, rng):
    digits = [rng.integers(0, 10, size) for size in rng.integers(smallest, largest + 1, n_sets)]
    return [np.eye(10)[one_set] for one_set in digits], np.array([one_set.sum() for one_set in digits])


@pytest.mark.parametrize("seed", [0, 1])
def test_sums_carry_over_to_sets_ten_times_larger(seed):
    rng = np.random.default_rng(seed)
    X, y = digit_sets(5000, 1, 10, rng)
    reg = DeepSetsRegressor(
        pool_type="sum", rho_hidden_dims=(), n_members=1, weight_decay=0, lr=0.01, random_state=seed
    )
    reg.fit(X, y)
    for size in (20, 50, 100):
        larger, sums = digit_sets(300, size, size, rng)
        assert (reg.predict(larger).round() == sums).mean() >= 0.99
