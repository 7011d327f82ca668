from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import torch
from torch import nn

from sk_deepsets.nn import (
    DeepSetsConditional,
    DeepSetsEquivariant,
    DeepSetsInvariant,
    Dropout,
    current_generator,
    random_generator,
)


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def drop(seed, p=0.5, times=1, size=1000):
    """What dropout makes of ones, with a generator of its own."""
    with random_generator(seeded(seed)):
        return torch.stack([Dropout(p)(torch.ones(size)) for _ in range(times)])


@pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_a_share_p_is_dropped_and_the_rest_makes_up_for_it(p, dtype):
    n = 100_000
    x = torch.linspace(1, 2, n).to(dtype)
    output = Dropout(p)(x)
    kept = output != 0
    assert output.dtype == dtype
    torch.testing.assert_close(output[kept], x[kept] / (1 - p))
    assert abs(kept.double().mean() - (1 - p)) < 4 * (p * (1 - p) / n) ** 0.5


def test_the_gradient_is_that_of_a_product_with_what_was_drawn():
    x = torch.randn(100, requires_grad=True)
    output = Dropout(0.25)(x)
    output.sum().backward()
    assert torch.equal(x.grad, torch.where(output == 0, 0, 1 / 0.75))


@pytest.mark.parametrize(("p", "factor"), [(0.0, 1), (1.0, 0)])
def test_nothing_or_all_may_be_dropped(p, factor):
    x = torch.randn(100)
    assert torch.equal(Dropout(p)(x), factor * x)


@pytest.mark.parametrize("p", [-0.1, 1.1])
def test_p_is_a_probability(p):
    with pytest.raises(ValueError, match="dropout probability has to be between 0 and 1"):
        Dropout(p)


def test_outside_of_training_nothing_is_dropped_and_nothing_drawn():
    x, generator, before = torch.ones(100), seeded(0), torch.get_rng_state()
    with random_generator(generator):
        assert Dropout(0.5).eval()(x) is x
    assert torch.equal(generator.get_state(), seeded(0).get_state())
    assert torch.equal(torch.get_rng_state(), before)


def test_the_numbers_come_from_the_generator_handed_down_alone():
    before = torch.get_rng_state()
    first = drop(seed=1, times=2)
    assert torch.equal(drop(seed=1, times=2), first)
    assert not torch.equal(drop(seed=2, times=2), first)
    assert not torch.equal(first[0], first[1])
    assert torch.equal(torch.get_rng_state(), before)


def test_without_one_they_come_from_the_global_generator():
    layer, x = Dropout(0.5), torch.ones(1000)
    torch.manual_seed(1)
    first = layer(x)
    assert not torch.equal(layer(x), first)
    torch.manual_seed(1)
    assert torch.equal(layer(x), first)


def test_blocks_may_be_nested_and_end_with_an_error():
    outer, inner = seeded(0), seeded(1)
    assert current_generator() is None
    with random_generator(outer):
        with random_generator(inner):
            assert current_generator() is inner
        with random_generator(None):
            assert current_generator() is None
        assert current_generator() is outer
        with pytest.raises(KeyError), random_generator(inner):
            raise KeyError
        assert current_generator() is outer
    assert current_generator() is None


def test_each_thread_has_a_generator_of_its_own():
    together = Barrier(4)

    def run(seed):
        assert current_generator() is None  # the block around the threads is that of another thread
        together.wait()
        return drop(seed, times=50)

    with random_generator(seeded(9)), ThreadPoolExecutor(4) as threads:
        for seed, dropped in enumerate(threads.map(run, range(4))):
            assert torch.equal(dropped, drop(seed, times=50))


@pytest.mark.parametrize(
    "make_model",
    [
        lambda: DeepSetsInvariant(3, [50], [50], 2, dropout=0.5),
        lambda: DeepSetsInvariant(3, [50], [50], 2, dropout=0.5, encoder="equivariant"),
        lambda: DeepSetsConditional(3, 2, [50], [50], 2, dropout=0.5),
        lambda: DeepSetsEquivariant(3, [50], 2, dropout=0.5),
    ],
    ids=["invariant", "equivariant encoder", "conditional", "equivariant"],
)
def test_every_model_draws_from_the_generator_alone(make_model):
    model = make_model()
    inputs = (torch.randn(2, 5, 3), *([torch.randn(2, 2)] if isinstance(model, DeepSetsConditional) else []))
    before = torch.get_rng_state()
    outputs = []
    for _ in range(2):
        with random_generator(seeded(0)):
            outputs += [model(*inputs), model(*inputs)]
    assert torch.equal(outputs[0], outputs[2])
    assert torch.equal(outputs[1], outputs[3])
    assert not torch.equal(outputs[0], outputs[1])
    assert torch.equal(torch.get_rng_state(), before)
    assert all(type(module) is Dropout for module in model.modules() if isinstance(module, nn.Dropout))
