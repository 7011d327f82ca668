"""What a reader with fresh eyes found wrong, once."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
from skorch.callbacks import Checkpoint

from sk_deepsets import DeepSetsClassifier, DeepSetsRegressor, RaggedSets, SetPadder, check_sets
from sk_deepsets.nn import DeepSetsConditional

RNG = np.random.default_rng(0)
BAGS = [RNG.normal(size=(size, 3)) for size in RNG.integers(1, 8, 80)]
Y = np.arange(80) % 2
SHORT = {"max_epochs": 2, "random_state": 0}


def with_context(context):
    sets = check_sets(BAGS)
    return RaggedSets(sets.elements, sets.offsets, context=context)


def test_context_columns_are_matched_by_name():
    context = pd.DataFrame(RNG.normal(size=(80, 2)), columns=["a", "b"])
    clf = DeepSetsClassifier(**SHORT).fit(with_context(context), Y)
    wanted = clf.predict_proba(with_context(context))
    np.testing.assert_array_equal(clf.predict_proba(with_context(context[["b", "a"]])), wanted)
    with pytest.raises(ValueError, match=r"missing: \['b'\], not seen in fit: \['c'\]"):
        clf.predict(with_context(context.rename(columns={"b": "c"})))


@pytest.mark.parametrize(
    "changed", [{"phi_hidden_dims": (5,)}, {"pool_type": "sum"}, {"optimizer": "sgd"}, {"weight_decay": 5.0}]
)
def test_warm_start_refuses_a_model_that_the_net_is_not(changed):
    clf = DeepSetsClassifier(warm_start=True, **SHORT).fit(BAGS, Y)
    with pytest.raises(ValueError, match=f"{next(iter(changed))}=.*was built with"):
        clf.set_params(**changed).fit(BAGS, Y)


def test_warm_start_takes_a_new_patience():
    clf = DeepSetsClassifier(warm_start=True, early_stopping=True, **SHORT).fit(BAGS, Y)
    clf.set_params(n_iter_no_change=3).fit(BAGS, Y)
    assert dict(clf.net_.callbacks_)["best_epoch"].patience == 3


def test_a_sum_of_raw_elements_counts_large_equal_ones():
    sets = [np.full((size, 1), 1e6) for size in RNG.integers(1, 20, 300)]
    y = [len(one_set) for one_set in sets]
    reg = DeepSetsRegressor(phi_hidden_dims=(), rho_hidden_dims=(), pool_type="sum", lr=0.05, random_state=0)
    np.testing.assert_allclose(reg.fit(sets, y).predict([np.full((100, 1), 1e6)]), 100, rtol=0.02)


def test_skorchs_checkpoint_works_with_its_defaults(tmp_path):
    checkpoint = Checkpoint(dirname=str(tmp_path))
    DeepSetsClassifier(callbacks=[checkpoint], early_stopping=True, **SHORT).fit(BAGS, Y)
    assert (tmp_path / "params.pt").exists()


def test_padded_sets_iterate_over_their_sets():
    padded = SetPadder().fit_transform(BAGS)
    assert len(list(padded)) == len(np.asarray(padded)) == 80
    for one_set, bag in zip(padded, BAGS, strict=True):
        np.testing.assert_array_equal(one_set, bag)
    np.testing.assert_array_equal(padded[5], BAGS[5])


def test_the_packages_own_conditional_is_a_module_like_any_other():
    module = partial(DeepSetsConditional, phi_hidden_dims=[8], rho_hidden_dims=[])
    sets = with_context(RNG.normal(size=(80, 2)))
    assert DeepSetsClassifier(module=module, **SHORT).fit(sets, Y).predict(sets).shape == (80,)


def test_masked_values_are_refused():
    with pytest.raises(ValueError, match="Set 1 has masked values"):
        check_sets([[[1.0, 2.0]], np.ma.array([[1.0, 999.0]], mask=[[0, 1]])])
    with pytest.raises(ValueError, match="masked values"):
        check_sets(np.ma.array(np.ones((2, 2, 1)), mask=[[[0], [1]], [[0], [0]]]))
