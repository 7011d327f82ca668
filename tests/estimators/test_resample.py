"""resample: a new random part of large sets in each epoch, and all elements everywhere else."""

from itertools import chain, pairwise

import numpy as np
import pandas as pd
import pytest
import torch
from skorch.callbacks import Callback
from torch import nn

from sk_deepsets import DeepSetsClassifier, DeepSetsElementRegressor, DeepSetsRegressor, RaggedSets
from sk_deepsets.sets import _mapped
from sk_deepsets.training import SetDataset, _batches
from sk_deepsets.training._batches import scaled

RNG = np.random.default_rng(0)
SIZES = RNG.integers(0, 30, 40)
MOST = 7
SETS = RaggedSets(np.c_[np.arange(SIZES.sum()), RNG.normal(size=SIZES.sum())], np.r_[0, SIZES.cumsum()])
Y = np.array([one[:, 1].sum() for one in SETS])
PARTS = {"max_set_size": MOST, "resample": True, "random_state": 0}
SMALL = {"phi_hidden_dims": (8,), "rho_hidden_dims": (8,), "max_epochs": 4}
SEEN = []


class Recorder(nn.Module):
    """Notes the elements of each batch: their first column is their number."""

    def __init__(self, input_dim, output_dim):
        super().__init__()
        self.layer = nn.Linear(input_dim, output_dim)

    def forward(self, x, mask):
        SEEN.append((self.training, x[mask][:, 0].long().tolist()))
        return self.layer((x * mask.unsqueeze(2)).sum(dim=1) * 1e-6)


def recorded(**options):
    """The numbers of the elements seen in each of three epochs, and at predict, by sets."""
    SEEN.clear()
    model = DeepSetsRegressor(
        module=Recorder, standardize=False, max_epochs=3, **{**PARTS, "batch_size": 40, **options}
    )
    model.fit(SETS, Y)
    trained = [numbers for training, numbers in SEEN if training]
    SEEN.clear()
    model.predict(SETS)
    owners = SETS.segments
    return [[[n for n in epoch if owners[n] == one] for one in range(len(SETS))] for epoch in trained], SEEN[0][1]


def test_each_epoch_takes_new_elements_of_large_sets_and_predictions_all():
    epochs, predicted = recorded()
    assert sorted(predicted) == list(range(SIZES.sum()))
    for epoch in epochs:
        assert [len(set(one)) for one in epoch] == [len(one) for one in epoch] == np.minimum(SIZES, MOST).tolist()
        for number in np.flatnonzero(SIZES <= MOST):
            assert epoch[number] == list(range(*SETS.offsets[number : number + 2]))
    large = np.flatnonzero(SIZES > 2 * MOST)
    taken = [[one for number in large for one in epoch[number]] for epoch in epochs]
    assert not any(first == second for first, second in pairwise(taken))


def test_the_parts_follow_from_the_seed():
    assert recorded() == recorded()
    assert recorded(random_state=1) != recorded()


def test_without_it_nothing_is_drawn():
    epochs, _ = recorded(max_set_size=30, resample=False)
    assert [sorted(chain(*epoch)) for epoch in epochs] == [list(range(SIZES.sum()))] * 3
    plain = DeepSetsRegressor(n_members=1, random_state=0, **SMALL).fit(SETS, Y)
    whole = DeepSetsRegressor(n_members=1, random_state=0, max_set_size=30, resample=False, **SMALL).fit(SETS, Y)
    np.testing.assert_array_equal(whole.predict(SETS), plain.predict(SETS))


def test_each_element_of_a_part_stands_for_several():
    data = SetDataset(SETS, Y).with_parts(MOST)
    numbers = torch.arange(len(SETS))
    batch, y = data.take_parts(numbers, 3)
    packed, taken = batch.packed, np.minimum(SIZES, MOST)
    assert packed.sizes.tolist() == taken.tolist()
    np.testing.assert_array_equal(y, Y.astype(np.float32))
    np.testing.assert_array_equal(packed.segments, np.repeat(np.arange(len(SETS)), taken))
    np.testing.assert_array_equal(SETS.segments[packed.elements[:, 0].long()], packed.segments)
    np.testing.assert_allclose(packed.weight[:, 0], np.repeat(SIZES / np.maximum(taken, 1), taken), rtol=1e-6)
    np.testing.assert_allclose(packed.total, SIZES, rtol=1e-6)
    # so the mean over many parts of a sum over a part is the sum over the set
    sums = [
        batch.packed.sum(batch.packed.weighted(batch.packed.elements))
        for batch, _ in (data.take_parts(numbers, seed) for seed in range(300))
    ]
    wanted = np.array([one[:, 1].sum() for one in SETS])
    spread = np.array([len(one) / MOST**0.5 for one in SETS])
    assert (abs(torch.stack(sums).mean(dim=0)[:, 1].numpy() - wanted) < 5 * spread / 300**0.5 + 1e-4).all()


def test_a_sum_learned_from_parts_is_that_of_whole_sets():
    sets = SETS.replace(5 + SETS.elements[:, 1:] / 9)  # a part tells the sum nearly
    y = [one.sum() for one in sets]
    options = {"phi_hidden_dims": (), "rho_hidden_dims": (), "pool_type": "sum", "lr": 0.05, "max_epochs": 60}
    model = DeepSetsRegressor(n_members=1, weight_decay=0.0, **options, **PARTS).fit(sets, y)
    assert model.score(sets, y) > 0.98  # without weights, elements of large sets would count less


def test_large_sets_are_predicted_whole_and_padded_whole():
    model = DeepSetsClassifier(n_members=1, **PARTS, **SMALL).fit(SETS, Y > 0)
    assert model.predict(SETS).shape == (len(SETS),)
    assert model.padder_.transform(SETS).shape[1] == SIZES.max()


def test_a_part_needs_a_size():
    with pytest.raises(ValueError, match="max_set_size=1000"):
        DeepSetsRegressor(resample=True).fit(SETS, Y)
    with pytest.raises(ValueError, match="Set 0 has 25 elements, but max_set_size=7"):
        DeepSetsRegressor(max_set_size=MOST).fit(SETS, Y)
    with pytest.raises(TypeError, match="resample"):  # of which parts have no answers
        DeepSetsElementRegressor(resample=True)


def test_each_collection_is_cut_by_itself():
    few = RaggedSets(np.ones((len(SETS), 1)), np.arange(len(SETS) + 1))
    X = pd.DataFrame({"many": SETS.to_series(), "one": few.to_series()})
    model = DeepSetsRegressor(n_members=1, **PARTS, **SMALL).fit(X, Y)
    sets = model._read_sets(X)
    blocks = model._fitted.reader.encoder.block_sizes(sets)
    np.testing.assert_array_equal(blocks, np.c_[SIZES, np.ones(len(SETS), dtype=int)])
    packed = SetDataset(sets).with_parts(MOST, blocks).take_parts(torch.arange(len(SETS)), 0)[0].packed
    np.testing.assert_array_equal(packed.sizes, np.minimum(SIZES, MOST) + 1)
    np.testing.assert_array_equal(packed.sum(packed.elements[:, -1:])[:, 0], 1)


@pytest.mark.parametrize("room", [0, 10**9])
def test_statistics_are_those_of_whole_sets(room, monkeypatch):
    model = DeepSetsRegressor(n_members=4, **PARTS, **SMALL).fit(SETS, Y)
    monkeypatch.setattr(_batches, "MOST_SCALED_VALUES", room)
    ensemble = model.net_.module_
    data = scaled(SetDataset(SETS, Y).with_parts(MOST), ensemble)
    assert data.take_parts(torch.arange(3), 0)[0].is_scaled is bool(room)
    numbers = torch.tensor([5, 3, 39, 0])
    found = data.take_parts(numbers, 0)[0].inputs(ensemble)
    whole = ensemble.inputs(SetDataset(SETS).take(numbers)[0].packed)
    assert found.packed.sizes.max() <= MOST < SIZES[[5, 3, 39, 0]].max()
    assert torch.equal(found.statistics, whole.statistics)


def test_a_fit_is_the_same_whether_its_sets_are_scaled_once_or_not(monkeypatch, tmp_path):
    model = DeepSetsRegressor(n_members=4, **PARTS, **SMALL)
    wanted = model.fit(SETS, Y).predict(SETS)
    monkeypatch.setattr(_batches, "MOST_SCALED_VALUES", 0)
    np.testing.assert_array_equal(model.fit(SETS, Y).predict(SETS), wanted)
    # and from a file of which the rows are read ahead, and no others
    SETS.save(tmp_path)
    monkeypatch.setattr(_mapped, "LARGE_SHARE", 0)
    fetched = []
    monkeypatch.setattr(_mapped.ScatteredReads, "fetch", lambda reads, *rows: fetched.append(rows))
    np.testing.assert_array_equal(model.fit(RaggedSets.open(tmp_path), Y).predict(SETS), wanted)
    n_rows = sum((ends - begins).sum() for begins, ends in fetched)
    assert n_rows == SMALL["max_epochs"] * np.minimum(SIZES, MOST).sum()


class Failing(Callback):
    fails = True

    def on_epoch_begin(self, net, **kwargs):
        if Failing.fails and len(net.history) == 3:
            raise RuntimeError("power cut")


def test_a_fit_that_failed_goes_on_with_the_same_parts(tmp_path, monkeypatch):
    options = {"n_members": 1, "callbacks": [Failing()], **PARTS, **SMALL}
    with pytest.raises(RuntimeError, match="power cut"):
        DeepSetsRegressor(checkpoint=tmp_path, **options).fit(SETS, Y)
    monkeypatch.setattr(Failing, "fails", False)
    assert list(tmp_path.iterdir())
    resumed = DeepSetsRegressor(checkpoint=tmp_path, **options).fit(SETS, Y)
    np.testing.assert_array_equal(resumed.predict(SETS), DeepSetsRegressor(**options).fit(SETS, Y).predict(SETS))
