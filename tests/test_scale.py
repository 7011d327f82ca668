"""The arithmetic of examples/benchmarks/scale.py, by hand."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from sk_deepsets import DeepSetsRegressor, RaggedSets

SCRIPT = Path(__file__).parents[1] / "examples" / "benchmarks" / "scale.py"
spec = importlib.util.spec_from_file_location("scale", SCRIPT)
scale = importlib.util.module_from_spec(spec)
spec.loader.exec_module(scale)


def test_hours_and_the_share_of_the_network():
    assert scale.on_workers(1e12, 1, 3.6e-6) == (pytest.approx(1_000), 0)
    # 10^6 elements in batches of 1,000: 500 steps of 1 ms and the network on each of two workers
    network = 4 * 5_825 / 1.25e9 + 2 * 50e-6
    hours, share = scale.on_workers(1e6, 2, 1e-6, batch=1_000)
    assert hours == pytest.approx(500 * (1e-3 + network) / 3_600)
    assert share == pytest.approx(network / (1e-3 + network))
    # where the arithmetic is fast, reading 64 bytes an element at 1 GB/s takes longer
    assert scale.on_workers(1e12, 1, 1e-9)[0] == pytest.approx(64e-9 * 1e12 / 3_600)
    shares = [scale.on_workers(1e12, n_workers, 1e-6)[1] for n_workers in (1, 2, 16, 256)]
    assert shares == sorted(shares)


def test_a_fit_and_a_prediction_cost_so_many_scans():
    # 10 epochs of a tenth of the sets, and a prediction of all: 1.5 µs for an element, of which a scan takes 0.064
    assert scale.break_even(1e-6, 0.5e-6, share=0.1, epochs=10) == pytest.approx(1.5 / 0.064)


def test_the_net_has_so_many_parameters():
    sets = RaggedSets(np.random.default_rng(0).normal(size=(100, scale.N_FEATURES)), np.arange(0, 101, 10))
    reg = DeepSetsRegressor(n_members=1, max_epochs=1).fit(sets, np.arange(10.0))
    assert sum(weights.numel() for weights in reg.net_.module_.parameters()) == scale.PARAMETERS
