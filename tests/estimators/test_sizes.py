import warnings

import numpy as np
import pytest

from sk_deepsets import DeepSetsElementRegressor, DeepSetsRegressor
from sk_deepsets.estimators._sizes import size_range
from sk_deepsets.sets import check_sets


@pytest.fixture
def reg(bags, values):
    """Trained on sets of 1 to 7 elements."""
    return DeepSetsRegressor(max_epochs=2, random_state=0).fit(bags, values)


def test_the_range_is_of_the_sets_with_elements(reg):
    assert reg.size_range_ == (1, 7)
    assert size_range(check_sets([[1.0, 2.0], [], [3.0, 4.0, 5.0]])) == (2, 3)
    assert size_range(check_sets([[1.0, 2.0]]), (4, 5)) == (2, 5)


def test_sets_of_other_sizes_pass_without_a_word_and_far_larger_ones_with_a_warning(reg):
    sets = [np.ones((size, 3)) for size in (0, 1, 28)]
    reg.predict(sets)
    with pytest.warns(UserWarning, match=r"Set 3 has 29 elements, but .* largest has 7 \(1 sets") as caught:
        reg.predict([*sets, np.ones((29, 3))])
    assert caught[0].filename == __file__


def test_far_smaller_sets_are_warned_of_and_empty_ones_are_not(bags):
    bags = [np.tile(bag, (9, 1)) for bag in bags]
    reg = DeepSetsRegressor(max_epochs=2, random_state=0).fit(bags, np.arange(len(bags)))
    assert reg.size_range_ == (9, 63)
    reg.predict([bags[0][:3], bags[0][:0]])
    with pytest.warns(UserWarning, match=r"Set 1 has 2 elements, but .* smallest has 9 \(2 sets"):
        reg.predict([bags[0][:3], bags[0][:2], bags[0][:1]])


def test_what_is_linear_in_a_sum_or_a_maximum_is_right_for_any_size(bags, values):
    linear = {"rho_hidden_dims": (), "pool_type": "sum", "n_members": 1, "max_epochs": 2}
    DeepSetsRegressor(**linear).fit(bags, values).predict([np.ones((900, 3))])
    # a maximum is that of a few elements, however many others there are
    DeepSetsRegressor(pool_type=("max", "min"), n_members=1, max_epochs=2).fit(bags, values).predict(
        [np.ones((900, 3))]
    )
    for other in ({"rho_hidden_dims": (4,)}, {"pool_type": "mean"}, {"n_members": 3}):
        reg = DeepSetsRegressor(**linear | other).fit(bags, values)
        with pytest.warns(UserWarning, match="Set 0 has 900 elements"):
            reg.predict([np.ones((900, 3))])


def test_the_range_grows_where_training_goes_on(bags, values):
    reg = DeepSetsRegressor(n_members=1)
    small = [bag[:3] for bag in bags]
    reg.partial_fit(small, values)
    assert reg.size_range_ == (1, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        reg.partial_fit([*bags[:-1], np.ones((20, 3))], values)
    assert reg.size_range_ == (1, 20)
    assert reg.set_params(warm_start=False, max_epochs=1).fit(small, values).size_range_ == (1, 3)


def test_estimators_of_elements_warn_too(bags):
    each = DeepSetsElementRegressor(max_epochs=1).fit(bags, [bag[:, 0] for bag in bags])
    with pytest.warns(UserWarning, match="Set 0 has 29 elements") as caught:
        each.predict([np.ones((29, 3))])
    assert caught[0].filename == __file__
