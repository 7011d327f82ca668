"""SetDataset and SetBatches: every set once, with its own elements, context, weight and target."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sk_deepsets import DeepSetsRegressor, RaggedSets
from sk_deepsets.training import SetBatches, SetDataset, _batches
from sk_deepsets.training._batches import scaled

SIZES = st.lists(st.integers(0, 6), min_size=1, max_size=20)


def marked_sets(sizes, dtype=np.float32):
    """Set i holds the elements (i, 0), (i, 1), ...; its context is (10 i, 10 i + 1)."""
    numbers = np.repeat(np.arange(len(sizes)), sizes)
    positions = np.concatenate([np.arange(size) for size in sizes])
    context = 10.0 * np.arange(len(sizes))[:, None] + [0, 1]
    offsets = np.r_[0, np.cumsum(sizes)]
    return RaggedSets(np.c_[numbers, positions].astype(dtype), offsets, context=context)


def assert_batch_holds(batch, y, sets, numbers):
    """The batch is what a Python loop over these sets gives."""
    wanted = np.concatenate([np.empty((0, 2)), *[sets[i] for i in numbers]])
    np.testing.assert_array_equal(batch.packed.elements, wanted)
    np.testing.assert_array_equal(batch.packed.sizes, [len(sets[i]) for i in numbers])
    np.testing.assert_array_equal(batch.packed.segments, np.repeat(np.arange(len(numbers)), sets.sizes[numbers]))
    np.testing.assert_array_equal(batch.context, sets.context[numbers])
    np.testing.assert_array_equal(y, numbers)
    assert len(batch) == len(numbers)


@settings(deadline=None, max_examples=60)
@given(SIZES, st.data())
def test_take_gathers_whole_sets_in_any_order_and_repeated(sizes, data):
    sets = marked_sets(sizes)
    numbers = data.draw(st.lists(st.integers(0, len(sizes) - 1), min_size=1, max_size=30))
    batch, y = SetDataset(sets, np.arange(len(sizes))).take(torch.tensor(numbers))
    assert_batch_holds(batch, y, sets, numbers)


@settings(deadline=None, max_examples=60)
@given(SIZES, st.data())
def test_between_gives_a_run_of_sets(sizes, data):
    sets = marked_sets(sizes)
    first = data.draw(st.integers(0, len(sizes) - 1))
    last = data.draw(st.integers(first + 1, len(sizes)))
    batch, y = SetDataset(sets, np.arange(len(sizes))).between(first, last)
    assert_batch_holds(batch, y, sets, np.arange(first, last))


def test_between_copies_no_element():
    sets = marked_sets([3, 0, 2, 4])
    batch, _ = SetDataset(sets).between(1, 3)
    assert np.shares_memory(batch.packed.elements.numpy(), sets.elements)


def test_the_dataset_shares_the_memory_of_read_only_elements():
    sets = marked_sets([3, 1])
    sets.elements.flags.writeable = False
    assert np.shares_memory(SetDataset(sets).between(0, 2)[0].packed.elements.numpy(), sets.elements)


@settings(deadline=None, max_examples=60)
@given(SIZES, st.integers(1, 7), st.integers(0, 100))
def test_shuffled_batches_hold_every_set_once(sizes, batch_size, seed):
    sets = marked_sets(sizes)
    torch.manual_seed(seed)
    batches = SetBatches(SetDataset(sets, np.arange(len(sizes))), batch_size, shuffle=True)
    seen = list(batches)
    assert len(seen) == len(batches)
    for batch, y in seen:
        assert_batch_holds(batch, y, sets, y.numpy())
    assert sorted(torch.cat([y for _, y in seen]).tolist()) == list(range(len(sizes)))
    assert [len(batch) for batch, _ in seen[:-1]] == [batch_size] * (len(seen) - 1)


def test_each_pass_has_a_new_order():
    batches = SetBatches(SetDataset(marked_sets([1] * 50), np.arange(50)), 50, shuffle=True)
    orders = [next(iter(batches))[1].tolist() for _ in range(2)]
    assert orders[0] != orders[1]


@settings(deadline=None, max_examples=60)
@given(SIZES, st.integers(1, 7), st.none() | st.integers(1, 12))
def test_batches_in_order_hold_every_set_once_in_order_within_their_budget(sizes, batch_size, max_elements):
    sets = marked_sets(sizes)
    batches = SetBatches(SetDataset(sets, np.arange(len(sizes))), batch_size, max_elements=max_elements)
    seen = list(batches)
    assert len(seen) == len(batches)
    assert torch.cat([y for _, y in seen]).tolist() == list(range(len(sizes)))
    for batch, y in seen:
        assert_batch_holds(batch, y, sets, y.numpy())
        if max_elements is None:
            assert len(batch) <= batch_size
        else:
            assert len(batch) == 1 or len(batch.packed.elements) <= max_elements
            assert len(batch) <= max_elements


def test_without_targets_the_batch_carries_what_skorch_takes_for_none():
    dataset = SetDataset(marked_sets([1, 2]))
    assert dataset.between(0, 2)[1] == 0
    assert dataset.take(torch.tensor([1]))[1] == 0
    assert dataset[1][1] == 0


def test_an_item_is_one_set_and_its_target():
    one_set, target = SetDataset(marked_sets([1, 2]), np.array([0.5, 1.5]))[1]
    np.testing.assert_array_equal(one_set, [[1, 0], [1, 1]])
    assert target == 1.5


def weights(dataset):
    return dataset.between(0, len(dataset))[0].weight


@settings(deadline=None, max_examples=30)
@given(st.lists(st.floats(0.1, 100), min_size=1, max_size=20), st.floats(1e-3, 1e3))
def test_weights_average_one_whatever_their_scale(weight, factor):
    sets = marked_sets([1] * len(weight))
    weight = np.array(weight)
    plain, scaled = (weights(SetDataset(sets, weight=w)) for w in (weight, factor * weight))
    np.testing.assert_allclose(plain, weight / weight.mean(), rtol=1e-6)
    np.testing.assert_allclose(plain, scaled, rtol=1e-6)


def test_classes_stay_integers_and_values_take_the_default_dtype():
    sets = marked_sets([1, 1])
    assert SetDataset(sets, np.array([0, 1])).y.dtype == torch.int64
    assert SetDataset(sets, np.array([0.0, 1.0])).y.dtype == torch.float32


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_elements_keep_their_precision(dtype):
    assert SetDataset(marked_sets([2, 1], dtype)).between(0, 2)[0].packed.elements.numpy().dtype == dtype


@settings(deadline=None, max_examples=60)
@given(SIZES, st.sampled_from(["set", "element"]), st.sampled_from(["set", "element"]), st.data())
def test_a_subset_is_the_data_set_of_its_sets(sizes, y_of, weight_of, data):
    sizes = [*sizes, 2]
    sets = marked_sets(sizes)
    numbers = np.array(data.draw(st.lists(st.integers(0, len(sizes) - 1), min_size=1, max_size=9, unique=True)))
    lengths = {"set": len(sizes), "element": sum(sizes)}
    rng = np.random.default_rng(0)
    y, weight = rng.integers(0, 9, lengths[y_of]), 1.0 + rng.random(lengths[weight_of])
    part = SetDataset(sets, y, weight, y_of=y_of, weight_of=weight_of).subset(numbers)
    rows = np.concatenate([np.arange(*sets.offsets[[i, i + 1]]) for i in numbers])
    key = {"set": numbers, "element": rows}
    if not len(key[weight_of]):
        return
    whole = SetDataset(sets[numbers], y[key[y_of]], weight[key[weight_of]], y_of=y_of, weight_of=weight_of)
    assert len(part) == len(whole) == len(numbers)
    np.testing.assert_array_equal(part.X.elements, whole.X.elements)
    np.testing.assert_array_equal(part.y, whole.y)
    for (batch, target), (wanted, wanted_target) in zip(SetBatches(part, 3), SetBatches(whole, 3), strict=True):
        for ours, theirs in zip((*batch.packed[:3], target), (*wanted.packed[:3], wanted_target), strict=True):
            np.testing.assert_array_equal(ours, theirs)
        np.testing.assert_array_equal(batch.context, wanted.context)
        np.testing.assert_allclose(batch.weight, wanted.weight, rtol=1e-6)
        assert batch.n_terms == wanted.n_terms


def test_a_subset_copies_no_element_until_a_batch_is_taken():
    dataset = SetDataset(marked_sets([3, 0, 2, 4]))
    assert dataset.subset(np.array([3, 0]))._tables.elements is dataset._tables.elements


def test_the_terms_of_a_loss_are_what_has_a_weight():
    sets = marked_sets([2, 0, 3])
    weight = np.array([1.0, 0.0, 2.0, 0.0, 3.0])
    of_elements = SetDataset(sets, np.zeros(5), weight, y_of="element", weight_of="element")
    assert of_elements.between(0, 3)[0].n_terms == 3
    assert of_elements.take(torch.tensor([2]))[0].n_terms == 2
    assert SetDataset(sets).between(0, 3)[0].n_terms == 3
    assert SetDataset(sets, weight=np.array([1.0, 0.0, 1.0])).between(0, 3)[0].n_terms == 2


def test_a_batch_moves_to_another_device_whole():
    dataset = SetDataset(marked_sets([2, 0, 1]), np.arange(3), np.array([1.0, 2.0, 3.0]))
    batch, y = next(iter(SetBatches(dataset, 2, device=torch.device("meta"))))
    assert {t.device.type for t in (*batch.packed[:3], batch.context, batch.weight, y)} == {"meta"}
    assert len(batch) == 2


@pytest.fixture(scope="module")
def fitted():
    """An estimator fitted on sets with categories, context, weights of zero, and an empty set."""
    rng = np.random.default_rng(0)
    sizes = rng.integers(0, 9, 40)
    table = np.column_stack([rng.normal(size=(sizes.sum(), 2)), rng.integers(0, 3, sizes.sum())])
    sets = RaggedSets(table, np.r_[0, sizes.cumsum()], context=rng.normal(size=(40, 2)))
    return DeepSetsRegressor(n_members=20, categorical_features=[2], max_epochs=2, random_state=0).fit(
        sets, rng.normal(size=40), sample_weight=rng.integers(0, 3, 40)
    ), sets


def assert_same_inputs(found, expected):
    for one, other in zip((*found.packed[:3], *found[1:3]), (*expected.packed[:3], *expected[1:3]), strict=True):
        assert torch.equal(one, other)


def test_sets_that_are_scaled_once_are_those_that_each_batch_scales(fitted):
    model, sets = fitted
    ensemble = model.net_.module_.eval()
    data = SetDataset(model._read_sets(sets), np.arange(40.0))
    places = torch.tensor([3, 3, 39, 0, 12])
    for whole in (data, data.subset(np.arange(39, -1, -1))):
        batches = [(one.take(places), one.between(5, 20)) for one in (whole, scaled(whole, ensemble))]
        for (expected, y), (found, same_y) in zip(*batches, strict=True):
            assert found.is_scaled
            assert not expected.is_scaled
            assert torch.equal(y, same_y)
            assert_same_inputs(found.inputs(ensemble), expected.inputs(ensemble))


def test_what_would_take_too_much_memory_is_not_scaled_once(fitted, monkeypatch):
    model, sets = fitted
    data, ensemble = SetDataset(model._read_sets(sets)), model.net_.module_
    values = len(sets.elements) * ensemble.scaled_width
    monkeypatch.setattr(_batches, "MOST_SCALED_VALUES", values)
    assert scaled(data, ensemble) is not data
    monkeypatch.setattr(_batches, "MOST_SCALED_VALUES", values - 1)
    assert scaled(data, ensemble) is data


def test_a_fit_is_the_same_whether_its_sets_are_scaled_once_or_not(fitted, monkeypatch):
    _, sets = fitted
    y, options = np.arange(40.0), {"n_members": 8, "max_epochs": 12, "random_state": 0}
    once = DeepSetsRegressor(**options).fit(sets, y)
    monkeypatch.setattr(_batches, "MOST_SCALED_VALUES", 0)
    np.testing.assert_array_equal(DeepSetsRegressor(**options).fit(sets, y).predict(sets), once.predict(sets))
