import numpy as np
import pytest

from sk_deepsets.datasets import make_max_regression


def test_the_target_is_the_largest_number():
    sets, y = make_max_regression(2000, random_state=0)
    np.testing.assert_array_equal(y, [one.max() for one in sets])
    assert 0 <= sets.elements.min() < 1 < 99 < sets.elements.max() < 100
    # the mean of the largest of n uniform numbers is n / (n + 1)
    for size in (1, 4, 10):
        assert abs(y[sets.sizes == size].mean() - 100 * size / (size + 1)) < 6


def test_an_empty_set_has_no_maximum():
    with pytest.raises(ValueError, match=r"at least one element, since an empty set has no maximum, got \(0, 2\)"):
        make_max_regression(50, set_size=(0, 2), random_state=0)
