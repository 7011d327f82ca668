"""Tensors are made on the device of the model: told by a device without memory, and by a GPU where there is one."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from sk_deepsets import RaggedSets
from sk_deepsets.io import load, save
from sk_deepsets.training import SetBatches, SetDataset, Split
from sk_deepsets.training._batches import scaled
from tests.models import CASES, answers

NAMES = [name for name in CASES if not name.startswith(("absolute", "huber", "squared", "default"))]


class OnlyOn(TorchDispatchMode):
    """Raises when an operation gives a tensor on another device, a number aside."""

    def __init__(self, device):
        super().__init__()
        self.device = device

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        output = func(*args, **(kwargs or {}))
        for one in tree_leaves(output):
            if isinstance(one, torch.Tensor) and one.dim():
                assert one.device.type == self.device, f"{func} gave a tensor on {one.device}"
        return output


def without_memory(case, model, training=True):
    """The net of a fit on a device without memory, and its data with folds."""
    net = pickle.loads(pickle.dumps(model.net_))
    sets, target = model._read_sets(case.X), model._fitted.target
    data = target.dataset(target.encode(case.y, sets, ""))
    if net.module_.n_folds > 1:
        data = data.with_folds(np.arange(len(sets)) % net.module_.n_folds)
    net.module_.to("meta").train(training)
    net.criterion_.to("meta")
    return net, data


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("training", [True, False])
def test_no_tensor_is_made_elsewhere(fitted, name, training):
    net, data = without_memory(*fitted(name), training)
    ((batch, y),) = SetBatches(data, len(data), device=torch.device("meta"))
    with OnlyOn("meta"):
        output = net.infer(batch)
        if training:
            net.get_loss(output, y, batch, training=True).backward()
    assert output.device.type == "meta"
    assert all(weight.grad is not None for weight in net.module_.parameters() if training and weight.numel())


def test_the_check_would_find_one():
    with OnlyOn("meta"), pytest.raises(AssertionError, match="gave a tensor on cpu"):
        torch.ones(3)


class Traffic(TorchDispatchMode):
    """Counts the tensors that move from the CPU to a device; raises where a value of the device is waited for."""

    def __init__(self):
        super().__init__()
        self.moved = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        inputs = [one for one in tree_leaves(args) if isinstance(one, torch.Tensor)]
        on_device = any(one.device.type == "meta" for one in inputs)
        assert not (on_device and func is torch.ops.aten._local_scalar_dense.default), "waits for the device"
        output = func(*args, **(kwargs or {}))
        arrives = isinstance(output, torch.Tensor) and output.device.type == "meta"
        self.moved += len(inputs) if arrives and not on_device else 0
        return output


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("own")])
def test_of_data_on_the_device_only_the_numbers_of_the_sets_move_in_an_epoch(fitted, name):
    net, data = without_memory(*fitted(name))
    device = torch.device("meta")
    data = data.to(device)
    if net.module_.n_folds > 1:
        data = scaled(data, net.module_)
    batches = SetBatches(data, 16, shuffle=True, device=device)
    with Traffic() as traffic:
        for batch, y in batches:
            net.get_loss(net.infer(batch), y, batch, training=True).backward()
    assert traffic.moved == len(batches)


def test_parts_of_one_data_set_share_what_is_on_the_device():
    data = SetDataset(RaggedSets(np.ones((6, 2)), [0, 2, 4, 6]), np.arange(3.0))
    first, second = Split(data.subset(np.array([0, 1])), data.subset(np.array([2]))).to(torch.device("meta"))
    assert first._tables.elements is second._tables.elements
    assert first.device.type == "meta"
    assert len(first) == 2
    assert Split(data, None).to(torch.device("meta")).valid is None


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@pytest.mark.parametrize("name", NAMES)
def test_a_gpu_says_what_a_cpu_says(name, tmp_path):
    case = CASES[name]
    model = case.make().set_params(device="cuda").fit(case.X, case.y)
    assert next(model.net_.module_.parameters()).device.type == "cuda"
    wanted = answers(model, case.X)
    tolerance = {"rtol": 1e-3, "atol": 1e-4 * max(1, np.abs(wanted).max())}
    save(model, tmp_path / "model")
    for again in (load(tmp_path / "model"), pickle.loads(pickle.dumps(model))):
        np.testing.assert_allclose(answers(again, case.X), wanted, **tolerance)
        again.net_.module_.to("cpu")
        again.net_.device = "cpu"
        np.testing.assert_allclose(answers(again, case.X), wanted, **tolerance)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_auto_is_the_gpu(fitted):
    case, _ = fitted("single-mean")
    model = case.make().set_params(device="auto").fit(case.X, case.y)
    assert model.net_.device.startswith("cuda")
    assert model.net_.forward(SetDataset(model._read_sets(case.X))).device.type == "cpu"


@pytest.mark.parametrize("name", NAMES)
def test_a_default_device_of_the_user_is_left_aside(name):
    case = CASES[name]
    model = case.make().set_params(max_epochs=1)
    wanted = answers(model.fit(case.X, case.y), case.X)
    with torch.device("meta"):
        again = clone(model).fit(case.X, case.y)
        np.testing.assert_array_equal(answers(again, case.X), wanted)
        for ask in ("transform", "attention", "leave_one_out", "integrated_gradients"):
            if hasattr(again, ask):
                assert len(getattr(again, ask)(case.X)) == len(wanted)


@pytest.mark.parametrize("name", ["single-mean", "pack-mean"])
def test_inference_mode_is_left_aside(fitted, name):
    case, model = fitted(name)
    with torch.inference_mode():
        again = case.make().fit(case.X, case.y)
        np.testing.assert_array_equal(answers(again, case.X), answers(model, case.X))
        again.set_params(warm_start=True).fit(case.X, case.y).integrated_gradients(case.X)
