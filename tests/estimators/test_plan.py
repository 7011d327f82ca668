"""FitPlan: which sets are trained on, which are evaluated, by which members."""

import numpy as np
import pytest

from sk_deepsets import check_sets
from sk_deepsets.estimators._plan import ENOUGH_TO_HOLD_OUT, FitPlan
from sk_deepsets.estimators._variants import SINGLE_NET, VARIANTS, Layout
from sk_deepsets.targets import Encoded
from sk_deepsets.training import SetDataset

EARLY = {"early_stopping": True, "validation_fraction": 0.25, "trains_all": False}


def encoded(n_sets, weight=None, strata=None):
    return Encoded(check_sets([[float(number)] for number in range(n_sets)]), np.arange(n_sets), weight, strata)


def members(n_folds):
    return lambda n_sets, n_elements: Layout(VARIANTS[1], n_folds)


def test_a_held_out_part_has_no_weight_in_training_and_is_split_off():
    weight = np.array([2.0, 0, 5, 1, 3])
    plan = FitPlan.make(encoded(5, weight), None, members(1), 0, **EARLY)
    assert len(plan.held_out) == 1
    assert sorted([*plan.trained, *plan.held_out]) == [0, 2, 3, 4]
    expected = weight.copy()
    expected[plan.held_out] = 0
    np.testing.assert_array_equal(plan.training_weight(weight), expected)
    np.testing.assert_array_equal(plan.training_weight(None) > 0, ~np.isin(np.arange(5), plan.held_out))
    train, valid = plan.split(SetDataset(encoded(5).sets, np.arange(5)))
    assert train.y.tolist() == plan.trained.tolist()
    assert valid.y.tolist() == plan.held_out.tolist()
    assert plan.used.tolist() == [0, 2, 3, 4]


def test_members_hold_out_folds_of_the_sets_with_a_weight():
    weight = np.r_[0.0, np.ones(9)]
    plan = FitPlan.make(encoded(10, weight), None, members(3), 0, **EARLY)
    assert plan.fold[0] == -1
    np.testing.assert_array_equal(np.bincount(plan.fold[1:]), [3, 3, 3])
    assert plan.training_weight(weight) is weight
    train, valid = plan.split(SetDataset(encoded(10).sets, np.arange(10)))
    assert train.y.tolist() == list(range(1, 10))
    np.testing.assert_array_equal(train.fold, plan.fold)
    assert valid is None


def test_the_seed_decides_and_nothing_else():
    first, same, other = (FitPlan.make(encoded(40), None, members(4), seed, **EARLY).fold for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, same)
    assert (first != other).any()


@pytest.mark.parametrize("n_folds", [1, 4])
def test_nothing_is_held_out_where_all_are_trained_on(n_folds):
    plan = FitPlan.make(encoded(40), None, members(n_folds), 0, **EARLY | {"trains_all": True})
    assert (plan.fold, len(plan.held_out), len(plan.trained)) == (None, 0, 40)
    assert plan.layout.n_folds == n_folds


def test_where_no_fold_can_be_held_out_the_layout_is_that_of_one_group():
    asked = []

    def choose(n_groups, n_elements):
        asked.append((n_groups, n_elements))
        return Layout(VARIANTS[1], 4) if n_groups > 1 else SINGLE_NET

    groups = np.r_[np.zeros(38, dtype=int), 1, 2]
    plan = FitPlan.make(encoded(40), groups, choose, 0, **EARLY | {"early_stopping": False})
    assert asked == [(3, 40), (1, 40)]
    assert (plan.layout, plan.fold, len(plan.held_out)) == (SINGLE_NET, None, 0)


@pytest.mark.parametrize("n_sets", [ENOUGH_TO_HOLD_OUT - 1, ENOUGH_TO_HOLD_OUT])
def test_auto_holds_out_a_part_of_a_thousand_targets(n_sets):
    plan = FitPlan.make(encoded(n_sets), None, members(1), 0, **EARLY | {"early_stopping": "auto"})
    assert len(plan.held_out) == (n_sets // 4 if n_sets >= ENOUGH_TO_HOLD_OUT else 0)
