"""The skorch nets: losses, batches, events and history."""

import numpy as np
import pytest
import torch
from skorch.callbacks import BatchScoring, Callback, Checkpoint, EpochScoring, Freezer
from torch import nn

from sk_deepsets import RaggedSets
from sk_deepsets.nn import DeepSetsConditional, DeepSetsInvariant
from sk_deepsets.training import BestEpoch, RandomNumbers, SetDataset, Split, build_net, train

SIZES = [2, 0, 3, 1, 4, 2, 1, 5, 2, 3]
EVENTS = ("on_batch_begin", "on_batch_end", "on_grad_computed")


@pytest.fixture
def sets():
    elements = np.random.default_rng(0).normal(size=(sum(SIZES), 2)).astype(np.float32)
    return RaggedSets(elements, np.r_[0, np.cumsum(SIZES)])


def make_net(loss="log_loss", *, output_dim=2, **dims):
    dims = {"input_dim": 2, "output_dim": output_dim, "phi_hidden_dims": (4,), "rho_hidden_dims": (), **dims}
    how = {"optimizer": "sgd", "lr": 0.01, "weight_decay": 0.0, "device": torch.device("cpu")}
    torch.manual_seed(0)
    core = DeepSetsConditional if "context_dim" in dims else DeepSetsInvariant
    return build_net(core, dims, loss, **how).initialize()


def run(net, data, valid=None, *, callbacks=(), epochs=2, batch_size=4, lr=0.01):
    how = {"lr": lr, "batch_size": batch_size, "epochs": epochs, "verbose": 0}
    return train(net, Split(data, valid), RandomNumbers(1), BestEpoch(None), callbacks=callbacks, **how)


class Count(Callback):
    def initialize(self):
        self.seen = dict.fromkeys(EVENTS, 0)
        return self

    def on_batch_begin(self, net, batch=None, training=None, **kwargs):
        self.seen["on_batch_begin"] += 1

    def on_batch_end(self, net, batch=None, training=None, loss=None, y_pred=None, **kwargs):
        self.seen["on_batch_end"] += 1
        assert y_pred.shape == (len(batch[0]), 2)
        assert torch.isfinite(loss)

    def on_grad_computed(self, net, named_parameters, **kwargs):
        self.seen["on_grad_computed"] += 1
        assert any(p.grad is not None for _, p in named_parameters)


@pytest.mark.parametrize(
    ("loss", "reference"),
    [
        ("squared_error", lambda error: error**2),
        ("absolute_error", np.abs),
        ("huber", lambda error: np.where(np.abs(error) < 1, error**2 / 2, np.abs(error) - 0.5)),
    ],
)
def test_the_loss_of_a_regressor_is_the_weighted_mean_over_sets_of_the_mean_over_outputs(sets, loss, reference):
    rng = np.random.default_rng(1)
    y, weight = 2 * rng.normal(size=(len(sets), 3)), rng.random(len(sets))
    net = make_net(loss, output_dim=3)
    data = SetDataset(sets, y, weight)
    batch, target = data.between(0, len(sets))
    prediction = net.forward(data)
    wanted = np.average(reference(prediction.numpy() - y).mean(axis=1), weights=weight)
    np.testing.assert_allclose(net.get_loss(prediction, target, batch), wanted, rtol=1e-5)


def test_the_loss_of_a_classifier_is_the_weighted_log_loss(sets):
    rng = np.random.default_rng(1)
    y, weight = rng.integers(0, 2, len(sets)), rng.random(len(sets))
    net = make_net()
    data = SetDataset(sets, y, weight)
    batch, target = data.between(0, len(sets))
    logits = net.forward(data)
    each = -torch.log_softmax(logits, dim=1).numpy()[np.arange(len(y)), y]
    np.testing.assert_allclose(net.get_loss(logits, target, batch), np.average(each, weights=weight), rtol=1e-5)


def test_weighted_batches_add_up_to_the_weighted_gradient_of_the_whole(sets):
    rng = np.random.default_rng(2)
    data = SetDataset(sets, rng.integers(0, 2, len(sets)), rng.random(len(sets)))
    net = make_net()

    def gradient(bounds):
        net.module_.zero_grad()
        for first, last in bounds:
            batch, y = data.between(first, last)
            (net.get_loss(net.infer(batch), y, batch) * (last - first) / len(data)).backward()
        return torch.cat([p.grad.ravel() for p in net.module_.parameters()])

    torch.testing.assert_close(gradient([(0, 10)]), gradient([(0, 3), (3, 7), (7, 10)]))


def test_the_history_of_an_epoch_averages_over_sets_not_batches(sets):
    net = make_net()
    y = np.arange(len(sets)) % 2
    run(net, SetDataset(sets, y), SetDataset(sets[:3], y[:3]), callbacks=[("count", Count())], epochs=1)
    row = net.history[-1]
    train = [(b["train_loss"], b["train_batch_size"]) for b in row["batches"] if "train_loss" in b]
    losses, sizes = zip(*train, strict=True)
    assert sizes == (4, 4, 2)
    np.testing.assert_allclose(row["train_loss"], np.average(losses, weights=sizes), rtol=1e-6)
    assert (row["train_batch_count"], row["valid_batch_count"], row["epoch"]) == (3, 1, 1)


def test_events_within_an_epoch_reach_a_callback_that_listens(sets):
    net, data = make_net(), SetDataset(sets, np.arange(10) % 2)
    run(net, data, data, callbacks=[("count", Count())])
    seen = dict(net.callbacks_)["count"].seen
    assert seen == {"on_batch_begin": 2 * (3 + 1), "on_batch_end": 2 * (3 + 1), "on_grad_computed": 2 * 3}


def test_a_listening_callback_changes_no_weight(sets):
    trained = []
    for callbacks in ([], [("count", Count())]):
        net = make_net()
        run(net, SetDataset(sets, np.arange(10) % 2), callbacks=callbacks, epochs=3)
        trained.append((net.module_.state_dict(), net.history[:, "train_loss"]))
    assert all(torch.equal(a, b) for a, b in zip(trained[0][0].values(), trained[1][0].values(), strict=True))
    assert trained[0][1] == trained[1][1]


def test_without_a_listener_the_history_holds_the_last_batch_alone(sets):
    net = make_net()
    run(net, SetDataset(sets, np.arange(10) % 2))
    (batch,) = net.history[-1]["batches"]
    assert batch == {"train_batch_size": 2}


@pytest.mark.parametrize("use_caching", [True, False])
@pytest.mark.parametrize("on_train", [True, False])
def test_epoch_scoring_sees_the_data_of_its_part(sets, on_train, use_caching):
    y = np.arange(10) % 2
    scoring = EpochScoring("accuracy", name="score", on_train=on_train, use_caching=use_caching)
    net, data = make_net(), SetDataset(sets, y)
    parts = data.subset(np.arange(6)), data.subset(np.arange(6, 10))
    # weights stand still: the score is that of the net afterwards
    run(net, *parts, callbacks=[scoring], epochs=1, batch_size=10, lr=1e-12)
    part = slice(6) if on_train else slice(6, None)
    assert net.history[-1]["score"] == pytest.approx((net.predict(sets[part]) == y[part]).mean())


def test_other_callbacks_of_skorch_run(sets, tmp_path):
    checkpoint = Checkpoint(monitor="valid_loss_best", dirname=str(tmp_path))
    scoring = EpochScoring("neg_log_loss", name="valid_loss", lower_is_better=False)
    callbacks = [BatchScoring("accuracy", name="batch_score"), Freezer("phi.*"), scoring, checkpoint]
    net, data = make_net(), SetDataset(sets, np.arange(10) % 2)
    before = net.module_.phi[0].weight.detach().clone()
    run(net, data, data, callbacks=callbacks)
    assert torch.equal(net.module_.phi[0].weight, before)
    assert net.history[-1]["batch_score"] == pytest.approx((net.predict(sets) == np.arange(10) % 2).mean())
    assert (tmp_path / "params.pt").exists()


@pytest.mark.parametrize("pool_type", ["sum", ("mean", "max", "std")])
def test_predictions_do_not_depend_on_how_they_are_batched(sets, pool_type, monkeypatch):
    net = make_net(pool_type=pool_type)
    whole, embedded = net.forward(sets), net.embed(sets)
    monkeypatch.setattr("sk_deepsets.training._net.ELEMENTS_AT_ONCE", 3)
    torch.testing.assert_close(net.forward(sets), whole)
    torch.testing.assert_close(net.embed(sets), embedded)


def test_embed_leaves_dropout_out_and_needs_no_gradient(sets):
    net = make_net(dropout=0.9)
    net.module_.train()
    embedded = net.embed(sets)
    assert not embedded.requires_grad
    assert torch.equal(embedded, net.embed(sets))


def test_the_net_takes_any_sets(sets):
    net = make_net()
    lists = list(sets)
    np.testing.assert_allclose(net.predict_proba(lists), net.predict_proba(sets), rtol=1e-5)
    np.testing.assert_allclose(net.predict_proba(sets).sum(axis=1), 1, rtol=1e-6)


def test_context_goes_to_the_module(sets):
    net = make_net(context_dim=2)
    with_context = RaggedSets(sets.elements, sets.offsets, context=np.ones((10, 2), dtype=np.float32))
    x = nn.utils.rnn.pad_sequence([torch.from_numpy(one_set) for one_set in sets], batch_first=True)
    mask = torch.arange(x.shape[1]) < torch.tensor(SIZES)[:, None]
    torch.testing.assert_close(net.forward(with_context), net.module_(x, torch.ones(10, 2), mask).detach())
