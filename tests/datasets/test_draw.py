"""What all generators have in common."""

import numpy as np
import pytest
from sklearn.utils import check_random_state

from sk_deepsets import datasets

MAKERS = [getattr(datasets, name) for name in datasets.__all__]


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_a_seed_determines_the_sets_and_the_global_generator_is_left_alone(make):
    before = check_random_state(None).get_state()[1].copy()  # NumPy's global generator
    (first, y), (second, again), (other, _) = make(20, random_state=3), make(20, random_state=3), make(20)
    np.testing.assert_array_equal(first.elements, second.elements)
    np.testing.assert_array_equal(first.offsets, second.offsets)
    np.testing.assert_array_equal(np.hstack([*y]), np.hstack([*again]))
    assert first.elements.tobytes() != other.elements.tobytes()
    assert check_random_state(None).get_state()[1].tobytes() == before.tobytes()
    state = check_random_state(0)
    assert make(20, random_state=state)[0].elements.tobytes() != make(20, random_state=state)[0].elements.tobytes()


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_sizes_are_those_asked_for(make):
    sets, y = make(400, set_size=(3, 6), random_state=0)
    assert len(sets) == len(y) == 400
    assert np.bincount(sets.sizes)[3:].min() > 60
    assert set(make(5, set_size=4)[0].sizes) == {4}
    assert len(make(0)[0]) == len(make(0)[1]) == 0


@pytest.mark.parametrize("set_size", [(3, 2), -1, "3", (1, 2, 3), 2.5, True, None], ids=str)
def test_a_wrong_size_is_an_error(set_size):
    with pytest.raises(ValueError, match="set_size: expected a number of elements, or the smallest and the largest"):
        datasets.make_digit_sums(3, set_size=set_size)
    with pytest.raises(ValueError, match=r"n_sets: expected a number of sets, 0 or more, got -1\."):
        datasets.make_digit_sums(-1)
