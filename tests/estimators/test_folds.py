"""Folds and held-out parts: like shares of all classes, no group in two parts, no class without training sets."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sk_deepsets import DeepSetsClassifier, DeepSetsElementRegressor, DeepSetsRegressor
from sk_deepsets.estimators._folds import assign_folds, hold_out, member_folds

FRACTIONS = st.floats(0.01, 0.99)
SEEDS = st.integers(0, 2**32 - 1)
LABELS = st.lists(st.integers(0, 4), min_size=1, max_size=120).map(np.array)


GROUPS = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 2)), min_size=1, max_size=120).map(np.array)


def drawn(fraction, seed, labels, groups=None):
    return hold_out(fraction, labels, groups, np.random.RandomState(seed))


def folds_of(n_folds, seed, labels, groups=None):
    return assign_folds(n_folds, labels, groups, np.random.RandomState(seed))


@given(st.integers(1, 300), FRACTIONS, SEEDS)
def test_the_share_is_rounded_and_one_set_stays_for_training(n_sets, fraction, seed):
    held_out = drawn(fraction, seed, np.zeros(n_sets))
    assert held_out.shape == (n_sets,)
    assert held_out.dtype == bool
    assert held_out.sum() == min(round(fraction * n_sets), n_sets - 1)


@given(LABELS, FRACTIONS, SEEDS)
def test_every_class_stays_in_training(labels, fraction, seed):
    held_out = drawn(fraction, seed, labels)
    assert set(labels[~held_out]) == set(labels)
    assert held_out.sum() == min(round(fraction * len(labels)), len(labels) - len(set(labels)))


@given(LABELS, FRACTIONS, SEEDS)
def test_each_class_gives_its_share_to_within_one_set(labels, fraction, seed):
    held_out = drawn(fraction, seed, labels)
    classes, sizes = np.unique(labels, return_counts=True)
    given_up = np.array([held_out[labels == one].sum() for one in classes])
    share = held_out.sum() * (sizes - 1) / max((sizes - 1).sum(), 1)
    assert (np.abs(given_up - share) <= 1).all()


@settings(max_examples=25)
@given(LABELS, SEEDS)
def test_classes_may_have_any_numbers(labels, seed):
    renumbered = np.array([7, 3, 100, -1, 5])[labels]
    # which classes come first is a matter of their order alone
    assert drawn(0.3, seed, labels).sum() == drawn(0.3, seed, renumbered).sum()


@given(st.integers(2, 100), SEEDS)
def test_the_random_state_decides(n_sets, seed):
    labels = np.arange(n_sets) % 3
    np.testing.assert_array_equal(drawn(0.4, seed, labels), drawn(0.4, seed, labels))
    np.testing.assert_array_equal(folds_of(4, seed, labels), folds_of(4, seed, labels))


@pytest.mark.parametrize("labels", [np.zeros(20), np.repeat([0, 1], [15, 5])])
def test_over_many_draws_all_sets_of_a_class_are_held_out_equally_often(labels):
    random = np.random.RandomState(0)
    rate = np.mean([hold_out(0.3, labels, None, random) for _ in range(4_000)], axis=0)
    for one in np.unique(labels):
        assert np.ptp(rate[labels == one]) < 0.06  # 4 standard errors of a share of 0.3 on each side
    assert rate.mean() == pytest.approx(0.3)


def test_too_few_sets_validation_part_none():
    assert not drawn(0.1, 0, np.zeros(3)).any()
    assert not drawn(0.5, 0, np.arange(4)).any()
    assert not drawn(0.3, 0, np.zeros(9), np.zeros(9)).any()


def test_the_largest_random_number_stays_within_the_sets():
    class Largest:
        def permutation(self, n):
            return np.arange(n)

        def random_sample(self):
            return np.nextafter(1, 0)

    assert hold_out(0.5, np.zeros(3_000_000), None, Largest()).sum() == 1_500_000


@given(LABELS, st.integers(2, 7), SEEDS)
def test_folds_share_each_class_and_all_sets_to_within_one(labels, n_folds, seed):
    folds = folds_of(n_folds, seed, labels)
    assert np.ptp(np.bincount(folds, minlength=n_folds)) <= 1
    for one in np.unique(labels):
        assert np.ptp(np.bincount(folds[labels == one], minlength=n_folds)) <= 1


@given(GROUPS, st.integers(2, 5), SEEDS)
def test_no_group_is_in_two_folds_nor_half_held_out(table, n_folds, seed):
    groups, labels = table.T
    folds, held_out = folds_of(n_folds, seed, labels, groups), drawn(0.3, seed, labels, groups)
    assert folds.min() >= 0
    assert folds.max() < n_folds
    for one in np.unique(groups):
        assert len(np.unique(folds[groups == one])) == 1
        assert len(np.unique(held_out[groups == one])) == 1
    assert not held_out.all()


def test_folds_of_groups_share_sets_and_classes_about_equally():
    random = np.random.default_rng(0)
    groups = random.integers(0, 60, 600)
    labels = (random.random(60) < 0.3)[groups].astype(int)
    folds = folds_of(5, 0, labels, groups)
    for one in (0, 1):
        counts = np.bincount(folds[labels == one], minlength=5)
        assert np.ptp(counts) <= 0.25 * counts.mean()


def test_an_estimator_keeps_groups_together():
    """Sets of a group are copies: a fit that trained on copies of what it looks at would think that it knows."""
    random = np.random.default_rng(0)
    bags = [random.normal(size=(4, 2)) for _ in range(40)]
    X, y, groups = [*bags] * 5, np.tile(random.permutation(np.arange(40) % 2), 5), np.tile(np.arange(40), 5)
    how = {"n_members": 5, "max_epochs": 30, "random_state": 0}
    apart = DeepSetsClassifier(**how).fit(X, y)
    together = DeepSetsClassifier(**how).fit(X, y, groups=groups)
    assert apart.oof_score_ > 0.9
    assert together.oof_score_ < 0.7


def folds_of_members(labels, groups=None, n_folds=5, seed=0):
    return member_folds(n_folds, np.asarray(labels), groups, np.random.RandomState(seed))


@given(GROUPS, st.integers(2, 6), SEEDS, st.booleans())
def test_every_member_is_trained_on_all_classes_and_a_third_of_the_sets(table, n_folds, seed, grouped):
    groups, labels = table.T
    groups = groups if grouped else None
    folds = folds_of_members(labels, groups, n_folds, seed)
    if folds is None:
        return
    for one in range(n_folds):
        trained = folds != one
        assert set(labels[trained]) == set(labels)
        assert trained.mean() >= 1 / 3 - 1e-9
    if grouped:
        assert all(len(np.unique(folds[groups == one])) == 1 for one in range(13) if (groups == one).any())


@given(GROUPS, FRACTIONS, SEEDS)
def test_no_class_and_no_large_part_is_held_out_with_its_groups(table, fraction, seed):
    groups, labels = table.T
    held_out = drawn(fraction, seed, labels, groups)
    assert set(labels[~held_out]) == set(labels)
    assert held_out.mean() <= 2 / 3 + 1e-9


@given(LABELS, SEEDS)
def test_where_classes_are_many_enough_the_folds_of_members_are_all_folds(labels, seed):
    labels = np.r_[labels, np.tile(np.arange(5), 2)]  # each class is in two folds at least
    np.testing.assert_array_equal(folds_of_members(labels, None, 5, seed), folds_of(5, seed, labels))


ALIKE = np.arange(200) % 2


@pytest.mark.parametrize(
    ("labels", "groups"),
    [
        (ALIKE, np.zeros(200)),
        (ALIKE, np.arange(200) >= 194),  # six sets tell nothing
        (np.zeros(200), np.arange(200) >= 194),
        (ALIKE, ALIKE),  # without either group there is one class
        (ALIKE, np.where(ALIKE, np.arange(200) % 3, 3)),  # what is left to look at would be of one class
        (np.zeros(3), None),
        (np.arange(30), None),
    ],
)
def test_where_too_little_can_be_held_out_there_are_no_folds(labels, groups):
    assert folds_of_members(labels, groups) is None


def test_a_large_group_and_a_class_of_one_set_are_trained_on_by_all_members():
    groups = np.repeat([0, 1, 2], [150, 20, 30])
    folds = folds_of_members(ALIKE, groups)
    np.testing.assert_array_equal(folds < 0, groups == 0)
    assert len(set(folds[150:])) == 2
    rare = folds_of_members(np.r_[0, np.ones(99)])
    np.testing.assert_array_equal(np.flatnonzero(rare < 0), [0])


LEARNABLE = [np.random.default_rng(seed).normal(size=(1 + seed % 7, 2)) for seed in range(60)]
MEAN = np.array([one[:, 0].mean() for one in LEARNABLE])
POSITIVE = (MEAN > 0).astype(int)
TRAINED = {"max_epochs": 25, "lr": 0.02, "random_state": 0}


@pytest.mark.parametrize("groups", [np.zeros(60), np.arange(60) > 57, POSITIVE], ids=["one", "tiny", "classes"])
def test_members_that_can_hold_nothing_out_learn_as_one_net_does_and_say_so(groups):
    one = DeepSetsClassifier(n_members=1, **TRAINED).fit(LEARNABLE, POSITIVE, groups=groups)
    with pytest.warns(
        UserWarning, match=r"n_members=5, but no sets .* \(60 sets in \d groups?, .*X_val and y_val"
    ) as caught:
        five = DeepSetsClassifier(n_members=5, **TRAINED).fit(LEARNABLE, POSITIVE, groups=groups)
    assert caught[0].filename == __file__
    assert five.net_.module_.n_members == 5
    assert five.net_.module_.weights.tolist() == pytest.approx([0.2] * 5 + [0])
    assert not hasattr(five, "oof_score_")
    spread = [model.predict_proba(LEARNABLE)[:, 1].std() for model in (one, five)]
    assert spread[1] > 0.5 * spread[0]
    assert five.score(LEARNABLE, POSITIVE) > 0.9


def test_a_large_group_is_learned_by_all_members_and_small_ones_tell_which_are_good():
    groups = np.repeat([0, 1, 2], [44, 8, 8])
    reg = DeepSetsRegressor(n_members=4, **TRAINED).fit(LEARNABLE, MEAN, groups=groups)
    np.testing.assert_array_equal(np.isnan(reg.oof_prediction_), groups == 0)
    assert reg.score(LEARNABLE, MEAN) > 0.9


@pytest.mark.parametrize("n_members", [2, 5])
@pytest.mark.parametrize("n_sets", [2, 3])
def test_members_of_two_or_three_sets_learn_them(n_members, n_sets):
    X, y = [LEARNABLE[MEAN.argmax()], LEARNABLE[MEAN.argmin()], LEARNABLE[0]], np.array([1, 0, POSITIVE[0]])
    weight = np.arange(3) < n_sets  # what has no weight is not there
    with pytest.warns(UserWarning, match=rf"\({n_sets} sets\)"):
        clf = DeepSetsClassifier(n_members=n_members, **TRAINED).fit(X, y, sample_weight=weight)
    assert np.ptp(clf.predict_proba(X[:2])[:, 1]) > 0.3


def test_by_default_there_is_one_net_where_nothing_can_be_held_out():
    groups = np.repeat([0, 1, 2, 3, 4], [56, 1, 1, 1, 1])
    wanted = DeepSetsClassifier(n_members=1, **TRAINED).fit(LEARNABLE, POSITIVE).predict_proba(LEARNABLE)
    found = DeepSetsClassifier(**TRAINED).fit(LEARNABLE, POSITIVE, groups=groups).predict_proba(LEARNABLE)
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("make", [DeepSetsRegressor, DeepSetsElementRegressor])
@pytest.mark.parametrize(
    "how",
    [
        {"groups": np.zeros(60)},
        {"groups": ["ward 3"] * 60},
        {"groups": pd.Series("ward 3", index=[f"patient {number}" for number in range(60)])},
        {"sample_weight": np.arange(60) < 3},
    ],
    ids=["group", "list", "series", "few"],
)
def test_early_stopping_without_anything_to_look_at_says_so(make, how):
    y = MEAN if make is DeepSetsRegressor else [one[:, 0] for one in LEARNABLE]
    model = make(early_stopping=True, max_epochs=2, random_state=0)
    model = model.set_params(n_members=1) if make is DeepSetsRegressor else model
    with pytest.warns(UserWarning, match=r"early_stopping=True has no effect: .*X_val and y_val") as caught:
        model.fit(LEARNABLE, y, **how)
    assert [one.filename for one in caught] == [__file__]
    model.fit(LEARNABLE, y, **how, X_val=LEARNABLE[:9], y_val=y[:9])  # pytest makes an error of a warning
    model.fit(LEARNABLE, y)
    model.set_params(early_stopping=False).fit(LEARNABLE, y, **how)
