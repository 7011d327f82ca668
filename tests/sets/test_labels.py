"""Values that carry the labels of the sets in another order, whole and in folds; and where labels tell nothing."""

import numpy as np
import pandas as pd
import pytest

from sk_deepsets import PaddedSets, RaggedSets
from sk_deepsets.sets import check_labels

LABELS = pd.Index([30, 10, 20], name="id")


@pytest.mark.parametrize("name", ["y", "sample_weight"])
def test_labels_of_the_sets_in_another_order_are_an_error(name):
    for values in (pd.Series([1, 2, 3], index=[10, 20, 30]), pd.DataFrame({"a": [1, 2, 3]}, index=[20, 10, 30])):
        with pytest.raises(ValueError, match=rf"{name} has the labels .* pass {name}\.loc\[X\.index\]"):
            check_labels(values, LABELS, name)
        check_labels(values.loc[LABELS], LABELS, name)


def test_a_default_range_is_in_its_own_order_only():
    shuffled = pd.Series([1, 2, 3], index=[2, 0, 1])
    with pytest.raises(ValueError, match=r"pass y\.loc\[X\.index\]"):
        check_labels(shuffled, pd.RangeIndex(3), "y")
    check_labels(shuffled.reset_index(drop=True), shuffled.index, "y")


def test_ids_that_count_from_zero_are_labels_too():
    ids = pd.RangeIndex(3, name="id")
    shuffled = pd.Series([1, 2, 3], index=pd.Index([2, 0, 1]))
    for index in (ids, pd.Index([0, 1, 2])):
        with pytest.raises(ValueError, match="in another order"):
            check_labels(shuffled, index, "y")
    pairs = pd.MultiIndex.from_tuples([(1, "a"), (0, "b")])
    with pytest.raises(ValueError, match="in another order"):
        check_labels(pd.Series([1, 2], index=pairs), pairs[::-1], "y")


@pytest.mark.parametrize(
    ("values", "index"),
    [
        (pd.Series([1, 2, 3], index=[10, 20, 30]), None),
        (pd.Series([1, 2, 3], index=[10, 20, 30]), pd.RangeIndex(3)),
        (pd.Series([1, 2, 3]), LABELS),
        (pd.Series([1, 2, 3], index=[10, 20, 40]), LABELS),
        (pd.Series([1, 2], index=[10, 20]), LABELS),
        (np.array([1, 2, 3]), LABELS),
        ([1, 2, 3], LABELS),
        (None, LABELS),
    ],
)
def test_where_labels_tell_nothing_position_counts(values, index):
    check_labels(values, index, "y")


@pytest.mark.parametrize("ids", [np.arange(200), np.arange(200) * 7 + 3, [f"c{i}" for i in range(200)]])
@pytest.mark.parametrize("of_sets", ["sorted", "shuffled"])
@pytest.mark.parametrize("n_splits", [2, 5])
def test_another_order_is_seen_in_every_fold(ids, of_sets, n_splits):
    rng = np.random.default_rng(0)
    name = "id" if of_sets == "shuffled" and ids[0] == 0 else None
    index = pd.Index(ids if of_sets == "sorted" else rng.permutation(ids), name=name)
    y = pd.Series(0, index=pd.Index(rng.permutation(ids), name=name))
    for fold in range(n_splits):
        train = np.arange(200) % n_splits != fold
        check_labels(y.loc[index].iloc[train], index[train], "y")
        with pytest.raises(ValueError, match=r"y_val\.loc\[X_val\.index\]"):
            check_labels(y.iloc[train], index[train], "y_val")


def test_labels_in_common_by_chance_or_by_design_are_no_other_order():
    rng = np.random.default_rng(0)
    for seed in range(50):
        # rows of a larger table, beside sets that were numbered anew, whole and in folds
        y = pd.Series(0, index=np.random.default_rng(seed).permutation(1000)[:750])
        numbered = pd.RangeIndex(750)
        for part in (slice(None), rng.permutation(750)[:600], np.sort(rng.permutation(750)[:600])):
            check_labels(y.iloc[part], numbered[part], "y")
            # values without labels, beside sets of a table that was shuffled
            check_labels(pd.Series(0, index=numbered).iloc[part], pd.Index(rng.permutation(750))[part], "y")
    days = pd.date_range("2026-01-01", periods=100)
    check_labels(pd.Series(0, index=days[1:]), days[:-1], "y")  # what comes a day later


def test_labels_that_occur_twice_have_no_loc():
    twice = pd.Index(["a", "a", "b"])
    check_labels(pd.Series(0, index=twice), twice, "y")
    with pytest.raises(ValueError, match=r"in another order.* labels occur more than once"):
        check_labels(pd.Series(0, index=twice[::-1]), twice, "y")


def test_context_in_another_order_is_an_error_where_the_sets_are_made():
    ids = pd.Index(["a", "b", "c"], name="id")
    context = pd.DataFrame({"age": [3, 1, 2]}, index=["c", "a", "b"])
    with pytest.raises(ValueError, match=r"context has the labels .* pass context\.loc\[index\]"):
        RaggedSets(np.zeros((3, 1)), [0, 1, 2, 3], index=ids, context=context)
    with pytest.raises(ValueError, match=r"pass context\.loc\[index\]"):
        PaddedSets(np.zeros((3, 1, 1)), np.ones((3, 1)), index=ids, context=context)
    sets = RaggedSets(np.zeros((3, 1)), [0, 1, 2, 3], index=ids, context=context.loc[ids])
    assert sets.context["age"].tolist() == [1, 2, 3]


def test_sets_have_the_labels_of_their_context():
    context = pd.DataFrame({"age": [3, 1, 2]}, index=["c", "a", "b"])
    sets = RaggedSets(np.zeros((3, 1)), [0, 1, 2, 3], context=context)
    assert sets[[2, 0]].index.tolist() == sets[[2, 0]].to_series().index.tolist() == ["b", "c"]
    assert RaggedSets(np.zeros((3, 1)), [0, 1, 2, 3], context=context.reset_index(drop=True)).index is None


def test_targets_that_are_sets_have_labels_too():
    targets = RaggedSets(np.zeros((3, 1)), [0, 1, 2, 3], index=pd.Index(["a", "b", "c"]))
    index = pd.Index(["c", "a", "b"])
    with pytest.raises(ValueError, match=r"pass y\[y\.index\.get_indexer\(X\.index\)\]"):
        check_labels(targets, index, "y")
    check_labels(targets[targets.index.get_indexer(index)], index, "y")
