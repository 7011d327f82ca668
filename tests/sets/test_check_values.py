"""Padding without a mask: seen where it is nearly certain, and in no data that have none."""

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from sk_deepsets import PaddedSets, check_sets

RNG = np.random.default_rng(0)
SIZES = RNG.integers(2, 9, 60)
MASK = np.arange(8) < SIZES[:, None]
X = np.where(MASK[..., None], RNG.normal(size=(60, 8, 3)), 0)
DATA = Path(__file__).parents[3] / "shared" / "data"


@pytest.mark.parametrize("value", [0, -1, -999])
@pytest.mark.parametrize("form", [np.asarray, list, torch.from_numpy])
def test_rows_of_one_value_at_the_end_of_sets_are_told(value, form):
    x = np.where(MASK[..., None], X, value)
    with pytest.warns(UserWarning, match=r"sets end with rows that hold .*PaddedSets\(x, \(x != ") as caught:
        check_sets(form(x))
    assert caught[0].filename == __file__
    line = str(caught[0].message).split("pass ")[1].rstrip(".")
    ragged = check_sets(eval(line, {"PaddedSets": PaddedSets, "x": x}))
    np.testing.assert_array_equal(ragged.sizes, SIZES)


@pytest.mark.parametrize(
    "x",
    [
        RNG.normal(size=(60, 8, 3)),
        RNG.integers(0, 2, (60, 8, 1)),
        RNG.integers(0, 3, (60, 8, 2)),
        -np.sort(-RNG.poisson(2, (60, 8, 1)), axis=1),
        np.where(np.arange(8)[:, None] < 5, RNG.normal(size=(60, 8, 3)), 0),
        X[:, ::-1],
        np.zeros((60, 8, 3)),
        X[:5],
        RNG.integers(0, 256, (60, 8, 8), dtype=np.uint8)
        * (np.abs(np.arange(8) - 4) < RNG.integers(2, 5, (60, 1)))[..., None],
    ],
    ids=["normal", "flags", "counts", "in order", "of one size", "in front", "zeros", "few", "margins"],
)
def test_what_may_be_elements_is_not(x):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_sets(x)


def test_containers_know_their_padding():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_sets(PaddedSets(X, np.ones((60, 8))))


@pytest.mark.parametrize("name", ["poker_hand", "robot_lp1", "robot_lp4", "robot_lp5"])
def test_real_sets_of_one_size_are_not_padded(name):
    if not (DATA / f"{name}.npz").exists():
        pytest.skip("no data")
    held = np.load(DATA / f"{name}.npz", allow_pickle=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_sets(held["X"].reshape(len(held["ptr"]) - 1, -1, held["X"].shape[1]))


def test_rows_of_nan_have_a_mask():
    x = np.where(MASK[..., None], X, np.nan)
    with pytest.raises(ValueError, match=r"holds NaN .*PaddedSets\(x, ~np\.isnan\(x\)\.any\(-1\)\)"):
        check_sets(x)
    np.testing.assert_array_equal(check_sets(PaddedSets(x, ~np.isnan(x).any(-1))).sizes, SIZES)
    x[0, 0, 0] = np.nan
    with pytest.raises(ValueError, match=r"impute missing values, or drop those elements, first\.$"):
        check_sets(x)
