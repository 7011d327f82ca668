"""Padding without a mask: seen where it is nearly certain, and in no data that have none."""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from sk_deepsets import DeepSetsClassifier, PaddedSets, check_sets

RNG = np.random.default_rng(0)
SIZES = RNG.integers(2, 9, 60)
MASK = np.arange(8) < SIZES[:, None]
X = np.where(MASK[..., None], RNG.normal(size=(60, 8, 3)), 0)
DATA = Path(__file__).parents[3] / "shared" / "data"


def column(x):
    """A column of the padded arrays, and another one."""
    return pd.DataFrame({"age": np.arange(60.0), "events": list(x)}, index=range(100, 160))


FORMS = [np.asarray, list, torch.from_numpy, lambda x: pd.Series(list(x)), column]
NAMES = ["array", "list", "tensor", "series", "frame"]


def read_as_shown(message, padded):
    """Sizes of the sets that the line in a message reads."""
    line = message.rstrip(".").split("padding, ")[1]
    names = {"PaddedSets": PaddedSets, "np": np, "X": padded, "x": padded}
    if line.startswith("use "):  # x = ... and X[...] = ...
        exec(line.removeprefix("use ").replace(" and ", "; "), names)
        return check_sets(names["X"]).sizes
    line, _, first = line.removeprefix("pass ").partition(", where ")
    exec(first, names)
    return check_sets(eval(line, names)).sizes


@pytest.mark.parametrize("value", [0, -999])
@pytest.mark.parametrize("form", FORMS, ids=NAMES)
@pytest.mark.parametrize("end", ["end", "begin"])
def test_rows_of_one_value_at_one_end_of_sets_are_told(value, form, end):
    x = np.where(MASK[..., None], X, value)
    padded = form(x if end == "end" else x[:, ::-1].copy())
    with pytest.warns(UserWarning, match=rf"sets {end} with rows that hold .*PaddedSets\(x, \(x != ") as caught:
        check_sets(padded)
    assert caught[0].filename == __file__
    np.testing.assert_array_equal(read_as_shown(str(caught[0].message), padded), SIZES)


@pytest.mark.parametrize("form", FORMS, ids=NAMES)
def test_the_line_for_rows_of_nan_reads_each_form(form):
    padded = form(np.where(MASK[..., None], X, np.nan))
    with pytest.raises(ValueError, match="If rows of NaN are padding") as caught:
        check_sets(padded)
    np.testing.assert_array_equal(read_as_shown(str(caught.value), padded), SIZES)


def test_padding_of_a_collection_is_told_with_its_name_and_the_line_of_the_user():
    frame = column(X).assign(visits=list(np.where(MASK[..., None], X, 7)))
    clf = DeepSetsClassifier(n_members=1, max_epochs=1, random_state=0)
    with pytest.warns(UserWarning, match="If these are padding, use x") as caught:
        clf.fit(frame, np.arange(60) % 2)
    padding = [warning for warning in caught if "padding" in str(warning.message)]
    assert [warning.filename for warning in padding] == [__file__] * 2
    assert [
        f"X['{name}'] = list" in str(one.message) for name, one in zip(("events", "visits"), padding, strict=True)
    ] == [True, True]


@pytest.mark.parametrize(
    "x",
    [
        RNG.normal(size=(60, 8, 3)),
        RNG.integers(0, 2, (60, 8, 1)),
        RNG.integers(0, 3, (60, 8, 2)),
        -np.sort(-RNG.poisson(2, (60, 8, 1)), axis=1),
        np.where(np.arange(8)[:, None] < 5, RNG.normal(size=(60, 8, 3)), 0),
        np.zeros((60, 8, 3)),
        X[:5],
        RNG.integers(0, 256, (60, 8, 8), dtype=np.uint8)
        * (np.abs(np.arange(8) - 4) < RNG.integers(2, 5, (60, 1)))[..., None],
    ],
    ids=["normal", "flags", "counts", "in order", "of one size", "zeros", "few", "margins"],
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
