import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from torch import nn

from sk_deepsets import (
    DeepSetsElementClassifier,
    DeepSetsElementRegressor,
    RaggedSets,
    SetAggregator,
)
from sk_deepsets.inspection import check_invariance
from sk_deepsets.inspection._predictions import read_sets
from sk_deepsets.nn import masked_pool


class SortAndRead(nn.Module):
    """Sorts the elements by a feature, then reads them one by one."""

    def __init__(self, input_dim, output_dim):
        super().__init__()
        self.rnn = nn.GRU(input_dim, 8, batch_first=True)
        self.head = nn.Linear(8, output_dim)

    def forward(self, x, mask):
        # sorts what is in the first feature alone: whether the padding comes between depends on the values
        x = x.gather(1, x[..., :1].argsort(dim=1).expand_as(x))
        return self.head(self.rnn(x)[0][:, -1])


class ReadInOrder(SortAndRead):
    def forward(self, x, mask):
        states = self.rnn(x)[0]
        return self.head((states * mask[..., None]).sum(dim=1))


class NormsOverTheBatch(nn.Module):
    def __init__(self, input_dim, output_dim):
        super().__init__()
        self.head = nn.Linear(input_dim, output_dim)

    def forward(self, x, mask):
        pooled = masked_pool(x, "mean", mask)
        return self.head(pooled - pooled.mean(dim=0))


def test_deep_sets_pass_and_a_mean_does_not_see_copies(fit, bags):
    for params in (
        {},
        {"n_members": 1, "pool_type": "attention"},
        {"encoder": "equivariant"},
        {"encoder": "attention"},
    ):
        report = check_invariance(fit(**params), bags)
        assert report.is_invariant
        assert max(report.shuffled_elements, report.other_batches, report.more_padding) < 1e-5
        assert report.other_dtypes < 1e-5
    assert check_invariance(fit(n_members=1, pool_type="mean"), bags).duplicated_elements < 1e-5
    report = check_invariance(fit("regression", n_members=1, pool_type="sum"), bags)
    assert report.is_invariant
    assert report.duplicated_elements > 0.01
    assert "repetition counts, " in repr(report)


def test_sorting_before_an_rnn_is_caught_by_the_padding(fit, bags):
    report = check_invariance(fit(module=SortAndRead), bags)
    assert report.more_padding > 0.001
    assert report.shuffled_elements < 1e-5
    assert not report.is_invariant
    assert "more padding" in repr(report)
    assert repr(report).count("CHANGES") >= 1


def test_an_rnn_is_caught_by_the_order_and_a_norm_over_the_batch_by_the_batch(fit, bags):
    report = check_invariance(fit("regression", module=ReadInOrder), bags)
    assert report.shuffled_elements > 0.001
    assert report.more_padding < 1e-5
    report = check_invariance(fit("regression", module=NormsOverTheBatch), bags)
    assert report.other_batches > 0.001
    assert report.shuffled_elements < 1e-5


def test_values_are_compared_in_units_of_their_own(fit, bags, targets):
    reg = fit("regression", n_members=1)
    large = reg.fit(bags, 1e6 * targets["regression"])
    assert check_invariance(large, bags).is_invariant


def test_answers_for_elements_move_with_the_elements(bags):
    for each, y in (
        (DeepSetsElementClassifier, [(bag[:, 0] > 1).astype(int) for bag in bags]),
        (DeepSetsElementRegressor, [bag[:, 0] for bag in bags]),
    ):
        estimator = each(max_epochs=3, random_state=0, pool_type="sum").fit(bags, y)
        report = check_invariance(estimator, bags)
        assert report.is_invariant
        assert report.duplicated_elements > 1e-4


def test_tables_pipelines_and_context(fit, bags, targets):
    table = pd.DataFrame({"bag": bags, "age": np.arange(len(bags)) / 10})
    assert check_invariance(fit(X=table), table).is_invariant
    frames = RaggedSets(
        pd.DataFrame(np.concatenate(bags), columns=list("abc")).assign(kind="x"), np.cumsum([0, *map(len, bags)])
    )
    assert check_invariance(fit(X=frames), frames).is_invariant
    full = [bag for bag in bags if len(bag)]
    y = targets["binary"][[len(bag) > 0 for bag in bags]]
    pipe = make_pipeline(SetAggregator(("mean", "size")), LogisticRegression()).fit(full, y)
    report = check_invariance(pipe, full)
    assert report.is_invariant
    assert report.duplicated_elements > 0.001


def test_sets_stay_as_small_as_the_estimator_allows(fit, bags):
    assert check_invariance(fit(n_members=1, max_set_size=14, pool_type="max"), bags).is_invariant


def test_the_report_says_what_it_is_of(fit, bags):
    torch.manual_seed(0)
    lines = repr(check_invariance(fit(n_members=1, pool_type="mean"), bags)).splitlines()
    assert len(lines) == 6
    assert lines[1].split()[:2] == ["shuffled", "elements"]
    assert lines[1].endswith("same")
    assert lines[4].split()[:2] == ["other", "dtypes"]
    assert lines[5].endswith("repetition does not count")


@pytest.mark.parametrize("tolerance", [1e-4, 1.0])
def test_the_tolerance_is_what_is_taken_for_rounding(fit, bags, tolerance):
    report = check_invariance(fit(module=ReadInOrder), bags, tolerance=tolerance)
    assert report.is_invariant == (tolerance == 1.0)


class SeesTheDtype(BaseEstimator, RegressorMixin):
    """Says how many bytes a number of the sets has, and which dtypes it was given."""

    def fit(self, X, y=None):
        self.seen_ = []
        return self

    def predict(self, X):
        elements = read_sets(X).elements
        dtypes = list(elements.dtypes) if isinstance(elements, pd.DataFrame) else [elements.dtype]
        self.seen_.append([str(dtype) for dtype in dtypes])
        return np.full(len(read_sets(X)), 1.0 + (dtypes[0] == np.float32))


@pytest.mark.parametrize("dtype", [bool, np.int16, np.int64, np.float32, np.float64])
def test_what_looks_at_the_dtype_is_caught(dtype):
    sets = [np.ones((2, 1), dtype=dtype), np.zeros((3, 1), dtype=dtype)]
    model = SeesTheDtype().fit(sets)
    report = check_invariance(model, sets)
    given = model.seen_[0][0]
    assert report.other_dtypes == (0.5 if given == "float32" else 1.0)
    assert not report.is_invariant
    assert {"float32", "float64"} == {seen for (seen,) in model.seen_}


def test_whole_numbers_stay_whole_where_they_would_be_rounded_and_categories_what_they_are():
    frame = pd.DataFrame({"id": [2**24 + 1, 2**53 + 1, 3], "kind": list("aba"), "x": [0.1, 2, 3]})
    sets = RaggedSets(frame.astype({"kind": "category"}), [0, 1, 3])
    model = SeesTheDtype().fit(sets)
    assert check_invariance(model, sets).other_dtypes == 0
    assert model.seen_[-3:-1] == [["int64", "category", "float32"], ["int64", "category", "float64"]]
