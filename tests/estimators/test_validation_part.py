"""hold_out: a random part with the same shares of all classes, that empties no class."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sk_deepsets.estimators._validation_part import hold_out

FRACTIONS = st.floats(0.01, 0.99)
SEEDS = st.integers(0, 2**32 - 1)
LABELS = st.lists(st.integers(0, 4), min_size=1, max_size=120).map(np.array)


def drawn(n_sets, fraction, seed, labels=None):
    return hold_out(n_sets, fraction, np.random.RandomState(seed), labels)


@given(st.integers(1, 300), FRACTIONS, SEEDS)
def test_the_share_is_rounded_and_one_set_stays_for_training(n_sets, fraction, seed):
    held_out = drawn(n_sets, fraction, seed)
    assert held_out.shape == (n_sets,)
    assert held_out.dtype == bool
    assert held_out.sum() == min(round(fraction * n_sets), n_sets - 1)


@given(LABELS, FRACTIONS, SEEDS)
def test_every_class_stays_in_training(labels, fraction, seed):
    held_out = drawn(len(labels), fraction, seed, labels)
    assert set(labels[~held_out]) == set(labels)
    assert held_out.sum() == min(round(fraction * len(labels)), len(labels) - len(set(labels)))


@given(LABELS, FRACTIONS, SEEDS)
def test_each_class_gives_its_share_to_within_one_set(labels, fraction, seed):
    held_out = drawn(len(labels), fraction, seed, labels)
    classes, sizes = np.unique(labels, return_counts=True)
    given_up = np.array([held_out[labels == one].sum() for one in classes])
    share = held_out.sum() * (sizes - 1) / max((sizes - 1).sum(), 1)
    assert (np.abs(given_up - share) <= 1).all()


@settings(max_examples=25)
@given(LABELS, SEEDS)
def test_classes_may_have_any_numbers(labels, seed):
    renumbered = np.array([7, 3, 100, -1, 5])[labels]
    # which classes come first is a matter of their order alone
    assert drawn(len(labels), 0.3, seed, labels).sum() == drawn(len(labels), 0.3, seed, renumbered).sum()


@given(st.integers(2, 100), SEEDS)
def test_the_random_state_decides(n_sets, seed):
    np.testing.assert_array_equal(drawn(n_sets, 0.4, seed), drawn(n_sets, 0.4, seed))


@pytest.mark.parametrize("labels", [None, np.repeat([0, 1], [15, 5])])
def test_over_many_draws_all_sets_of_a_class_are_held_out_equally_often(labels):
    random = np.random.RandomState(0)
    rate = np.mean([hold_out(20, 0.3, random, labels) for _ in range(4_000)], axis=0)
    for one in np.unique(labels) if labels is not None else [None]:
        rates = rate if labels is None else rate[labels == one]
        assert np.ptp(rates) < 0.06  # 4 standard errors of a share of 0.3 on each side
    assert rate.mean() == pytest.approx(0.3)


def test_too_few_sets_validation_part_none():
    assert not drawn(3, 0.1, 0).any()
    assert not drawn(4, 0.5, 0, np.arange(4)).any()


def test_the_largest_random_number_stays_within_the_sets():
    class Largest:
        def permutation(self, n):
            return np.arange(n)

        def random_sample(self):
            return np.nextafter(1, 0)

    assert hold_out(3_000_000, 0.5, Largest()).sum() == 1_500_000
