"""The concordance index against a table of all pairs, and against scikit-survival where that is installed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sk_deepsets.targets._rank_metrics import concordance_index

SEEDS = st.integers(0, 2**32 - 1)


def of_all_pairs(event, time, risk, weight):
    later = (time > time[:, None]) | ((time == time[:, None]) & ~event)
    pairs = later * (event * weight)[:, None] * weight
    right = (risk < risk[:, None]) + 0.5 * (risk == risk[:, None])
    return (pairs * right).sum() / pairs.sum() if pairs.any() else np.nan


def draw(seed):
    """With ties among times, and among risks."""
    rng = np.random.default_rng(seed)
    n = rng.integers(1, 50)
    time, risk = (rng.integers(0, rng.integers(1, 40), n).astype(float) for _ in range(2))
    return rng.random(n) < 0.5, time, risk, rng.integers(0, 3, n)


@settings(max_examples=40, deadline=None)
@given(SEEDS)
def test_it_is_that_of_all_pairs(seed):
    event, time, risk, weight = draw(seed)
    plain = concordance_index(event, time, risk)
    assert plain == pytest.approx(of_all_pairs(event, time, risk, np.ones(len(time))), nan_ok=True)
    weighted = concordance_index(event, time, risk, weight * 0.3)
    assert weighted == pytest.approx(of_all_pairs(event, time, risk, weight), nan_ok=True)
    # any growing functions of time and of risk leave it as it is; the opposite risks have the rest
    assert concordance_index(event, np.exp(time), 5 + risk**3) == pytest.approx(plain, nan_ok=True)
    assert concordance_index(event, time, -risk) == pytest.approx(1 - plain, nan_ok=True)


def test_it_is_that_of_scikit_survival():
    metrics = pytest.importorskip("sksurv.metrics")
    event, time, risk, _ = (np.concatenate(parts) for parts in zip(*map(draw, range(20)), strict=True))
    wanted = metrics.concordance_index_censored(event, time, risk)[0]
    assert concordance_index(event, time, risk) == pytest.approx(wanted, rel=1e-12)


def test_of_very_many_sets_it_takes_no_table_of_pairs():
    rng = np.random.default_rng(0)
    time = rng.exponential(size=50_000)  # of which all pairs would take 20 GB
    assert concordance_index(rng.random(50_000) < 0.2, time, -time) == 1
    assert concordance_index(rng.random(50_000) < 0.2, time, rng.random(50_000)) == pytest.approx(0.5, abs=0.01)
