"""How much work is done, counted and not timed: nothing on padding, nothing in Python for each set."""

import sys

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from sk_deepsets import DeepSetsClassifier, RaggedSets
from sk_deepsets.nn._encoder import Encoder
from sk_deepsets.training import SetBatches, SetDataset


def skewed_sets(n_sets, seed=0):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(0, 4, n_sets)
    sizes[::50] = 200  # padding to the largest would make 50 times as many rows
    return RaggedSets(rng.normal(size=(sizes.sum(), 3)).astype(np.float32), np.r_[0, sizes.cumsum()])


@pytest.fixture
def rows(monkeypatch):
    """How many elements, once for each member, each call of phi takes."""
    found, first_layer = [], Encoder.first_layer

    def counted(self, *args, **kwargs):
        output = first_layer(self, *args, **kwargs)
        found.append(len(output))
        return output

    monkeypatch.setattr(Encoder, "first_layer", counted)
    return found


@pytest.mark.parametrize("context", [False, True])
@pytest.mark.parametrize("pool_type", ["mean", "max", ("sum", "std", "attention")])
def test_phi_sees_every_real_element_once_an_epoch_and_nothing_else(rows, pool_type, context):
    sets = skewed_sets(600)
    if context:
        sets = RaggedSets(sets.elements, sets.offsets, context=np.ones((600, 1)))
    how = {"max_epochs": 3, "batch_size": 128, "early_stopping": False}
    clf = DeepSetsClassifier(pool_type=pool_type, n_members=1, **how)
    clf.fit(sets, np.arange(600) % 2)
    assert sum(rows[:15]) == 3 * len(sets.elements)  # 5 batches, 3 epochs
    rows.clear()
    clf.predict(sets)
    assert sum(rows) == len(sets.elements)


def test_the_members_see_every_real_element_and_one_of_each_variant_holds_it_out(rows):
    sets = skewed_sets(600)
    clf = DeepSetsClassifier(n_members=10, max_epochs=3).fit(sets, np.arange(600) % 2)
    assert sum(rows) == 3 * (10 + 2) * len(sets.elements)  # 2 variants of 5 members
    rows.clear()
    clf.predict(sets)
    assert sum(rows) == clf.net_.module_.n_members * len(sets.elements)


def calls_in(work):
    """How many functions, of Python and of C, are called."""
    count = 0

    def see(frame, event, arg):
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(see)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


@pytest.mark.parametrize("shuffle", [True, False])
def test_the_calls_that_make_a_batch_do_not_depend_on_its_size(shuffle):
    dataset = SetDataset(skewed_sets(4_000), np.arange(4_000))

    def first_batch(size):
        return lambda: next(iter(SetBatches(dataset, size, shuffle=shuffle)))

    few, many = (calls_in(first_batch(size)) for size in (2_000, 4_000))
    assert 0 < many <= few  # in order, the bounds of the batches are fewer


class Copied(TorchDispatchMode):
    """The number of values that operations write into new memory as large as a tenth of the data or larger."""

    def __init__(self, large):
        super().__init__()
        self.large, self.values = large, 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if isinstance(out, torch.Tensor) and not func.is_view and out.numel() >= self.large:
            self.values += out.numel()
        return out


@pytest.mark.parametrize("shuffle", [True, False])
def test_an_epoch_gathers_each_element_once_and_never_copies_the_data_set(shuffle):
    sets = skewed_sets(2_000)
    dataset = SetDataset(sets)
    gathered = 0
    with Copied(large=sets.elements.size // 10) as copied:
        for batch, _ in SetBatches(dataset, 50, shuffle=shuffle):
            gathered += batch.packed.elements.numel()
    assert gathered == sets.elements.size
    assert copied.values == 0
    assert np.shares_memory(dataset.between(0, 2)[0].packed.elements.numpy(), sets.elements)
