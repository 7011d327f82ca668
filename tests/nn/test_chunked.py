from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import Identity
from torch.testing import assert_close

from sk_deepsets.nn import (
    POOL_TYPES,
    DeepSetsConditional,
    DeepSetsInvariant,
    Dropout,
    MixedColumns,
    pack,
    random_generator,
)
from sk_deepsets.nn import _chunked as chunked

# with chunks of 3, sets end on a border, span several chunks, and lie empty before, on and behind borders
SIZES = [0, 3, 0, 0, 7, 1, 1, 0, 11, 2, 0]
CHUNK_SIZES = [1, 3, 5, 24, 25, 100]
POOLS = (*POOL_TYPES, ("mean", "max"), POOL_TYPES)
every_pool = pytest.mark.parametrize("pool_type", POOLS, ids=str)


@pytest.fixture
def rows_of():
    def record(layer):
        """The number of rows of each call of the layer, as they come."""
        rows = []
        layer.register_forward_hook(lambda module, inputs, output: rows.append(len(output)))
        return rows

    return record


def gradients_of(model, *inputs):
    """The gradients of a loss that tells all outputs apart."""
    outputs = model(*inputs)
    loss = (outputs * torch.linspace(1, 2, outputs.numel()).to(outputs).reshape(outputs.shape)).sum()
    return torch.autograd.grad(loss, list(model.parameters()), allow_unused=True)


@every_pool
@pytest.mark.parametrize("chunk_size", CHUNK_SIZES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_chunks_change_no_result(make_batch, monkeypatch, rows_of, pool_type, chunk_size, dtype):
    x, mask = make_batch(SIZES, dtype=dtype)
    model = DeepSetsInvariant(3, [6, 5], [4], 2, pool_type, activation="tanh", sum_scale=0.5).to(dtype)
    whole, pooled = model(x, mask), model.embed(x, mask)
    monkeypatch.setattr(chunked, "chunk_size", lambda encoder, device: chunk_size)
    rows = rows_of(model.phi[0])
    with torch.no_grad():
        assert_close(model(x, mask), whole)
        assert sum(rows) == 25
        assert max(rows) <= chunk_size
        assert_close(model.embed(x, mask), pooled)
        assert not model.embed(x, mask)[[0, 2, 3, 7, 10]].any()
    with torch.inference_mode():
        assert_close(model(x, mask), whole)


@every_pool
@pytest.mark.parametrize("chunk_size", CHUNK_SIZES)
@pytest.mark.parametrize("kept", [0, 1000], ids=["computed again", "kept"])
def test_chunks_change_no_gradient(make_batch, monkeypatch, pool_type, chunk_size, kept):
    x, mask = make_batch(SIZES)
    model = DeepSetsInvariant(3, [6, 5], [4], 2, pool_type, activation="tanh", sum_scale=0.5).double()
    whole = gradients_of(model, x, mask)
    monkeypatch.setattr(chunked, "chunk_size", lambda encoder, device: chunk_size)
    monkeypatch.setattr(chunked, "KEPT_ELEMENTS", kept)
    assert_close(gradients_of(model, x, mask), whole)


@every_pool
@settings(max_examples=25, deadline=None)
@given(sizes=st.lists(st.integers(0, 6), min_size=1, max_size=6), chunk_size=st.integers(1, 8), seed=st.integers(0, 99))
def test_sets_may_be_cut_anywhere(make_batch, pool_type, sizes, chunk_size, seed):
    x, mask = make_batch(sizes, seed=seed)
    model = DeepSetsInvariant(3, [5], [4], 2, pool_type, activation="tanh").double()
    whole, gradients = model(x, mask), gradients_of(model, x, mask)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(chunked, "chunk_size", lambda encoder, device: chunk_size)
        assert_close(gradients_of(model, x, mask), gradients)
        with torch.no_grad():
            assert_close(model(x, mask), whole)


@every_pool
@pytest.mark.parametrize("fusion_type", ["concat", "add", "film"])
@pytest.mark.parametrize("chunk_size", [1, 3, 5])
def test_each_element_keeps_the_context_of_its_set(make_batch, monkeypatch, fusion_type, pool_type, chunk_size):
    x, mask = make_batch(SIZES)
    context = torch.randn(len(SIZES), 2, dtype=torch.float64)
    model = DeepSetsConditional(3, 2, [5], [4], 2, pool_type, fusion_type, activation="tanh").double()
    whole, gradients = model(x, context, mask), gradients_of(model, x, context, mask)
    monkeypatch.setattr(chunked, "chunk_size", lambda encoder, device: chunk_size)
    assert_close(gradients_of(model, x, context, mask), gradients)
    with torch.no_grad():
        assert_close(model(x, context, mask), whole)


@pytest.mark.parametrize("pool_type", ["sum", "mean", "max", "min"])
def test_phi_may_be_the_identity(make_batch, monkeypatch, pool_type):
    x, mask = make_batch(SIZES)
    model = DeepSetsInvariant(3, [], [], 2, pool_type).double()
    whole = model(x, mask)
    monkeypatch.setattr(chunked, "chunk_size", lambda encoder, device: 3)
    with torch.no_grad():
        assert_close(model(x, mask), whole)


@pytest.mark.parametrize("pool_type", POOL_TYPES)
def test_a_pool_may_be_asked_for_twice(make_batch, monkeypatch, pool_type):
    x, mask = make_batch(SIZES)
    model = DeepSetsInvariant(3, [], [], 2, (pool_type, pool_type)).double()
    whole = model.embed(x, mask)
    monkeypatch.setattr(chunked, "chunk_size", lambda encoder, device: 3)
    with torch.no_grad():
        assert_close(model.embed(x, mask), whole)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("offset", [0.0, 1e3, 1e6])
def test_std_keeps_its_digits_far_from_zero(monkeypatch, dtype, offset):
    monkeypatch.setattr(chunked, "chunk_size", lambda encoder, device: 3)
    x = (offset + torch.randn(2, 8, 1, dtype=torch.float64)).to(dtype)
    model = DeepSetsInvariant(1, [], [], 1, "std").to(dtype)
    with torch.no_grad():
        assert_close(model.embed(x), torch.from_numpy(x.double().numpy().std(axis=1)).to(dtype))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equal_elements_have_std_zero(monkeypatch, dtype):
    monkeypatch.setattr(chunked, "chunk_size", lambda encoder, device: 3)
    model = DeepSetsInvariant(1, [], [], 1, "std").to(dtype)
    with torch.no_grad():
        assert_close(model.embed(torch.full((2, 9, 1), 1234.567, dtype=dtype)), torch.zeros(2, 1, dtype=dtype))


@pytest.mark.parametrize("chunk_size", [1, 2, 4])
def test_attention_withstands_large_scores(monkeypatch, chunk_size):
    model = DeepSetsInvariant(2, [], [], 1, "attention")
    torch.nn.init.constant_(model.pooling.pools[0].score.weight, 1e4)
    x = torch.randn(3, 7, 2)
    whole = model.embed(x)
    monkeypatch.setattr(chunked, "chunk_size", lambda encoder, device: chunk_size)
    with torch.no_grad():
        assert_close(model.embed(x), whole)


@pytest.mark.parametrize("pool_type", ["sum", "mean", "std", "attention"])
@pytest.mark.parametrize("place", range(5))
def test_a_real_nan_shows_as_without_chunks(monkeypatch, pool_type, place):
    model = DeepSetsInvariant(1, [], [], 1, pool_type)
    x = torch.ones(2, 5, 1)
    x[0, place] = torch.nan
    whole = model.embed(x)
    monkeypatch.setattr(chunked, "chunk_size", lambda encoder, device: 2)
    with torch.no_grad():
        assert_close(model.embed(x), whole, equal_nan=True)


@pytest.mark.parametrize("dropout", [0.0, 0.5])
@pytest.mark.parametrize("pool_type", ["mean", ("mean", "max")])
def test_training_sees_each_element_once(make_batch, monkeypatch, rows_of, pool_type, dropout):
    monkeypatch.setattr(chunked, "chunk_size", lambda encoder, device: 3)
    x, mask = make_batch(SIZES, dtype=torch.float32)
    model = DeepSetsInvariant(3, [5], [4], 2, pool_type, dropout)
    rows = rows_of(model.phi[0])
    model(x, mask).sum().backward()
    assert sum(rows) == 25


@pytest.mark.parametrize("pool_type", ["max", "min", ("max", "min")])
def test_only_elements_that_hold_an_extreme_go_through_the_backward_pass(make_batch, monkeypatch, pool_type):
    x, mask = make_batch([60, 0, 90])
    model = DeepSetsInvariant(3, [4], [4], 2, pool_type, activation="tanh").double()
    whole = gradients_of(model, x, mask)
    monkeypatch.setattr(chunked, "chunk_size", lambda encoder, device: 50)
    rows = []
    model.phi[0].register_forward_hook(lambda module, inputs, output: rows.append((len(output), output.requires_grad)))
    assert_close(gradients_of(model, x, mask), whole)
    assert sum(n for n, with_gradient in rows if not with_gradient) == 150
    # at most one for each feature of a part, of which there are 4
    assert 4 <= sum(n for n, with_gradient in rows if with_gradient) <= 4 * model.pooling.output_dim


@pytest.mark.parametrize("kept", [0, 1000], ids=["computed again", "kept"])
@pytest.mark.parametrize("handed_down", [True, False], ids=["own generators", "global generator"])
def test_dropout_in_chunks_has_the_gradient_of_one_go_in_threads_side_by_side(
    make_batch, monkeypatch, kept, handed_down
):
    monkeypatch.setattr(chunked, "chunk_size", lambda encoder, device: 4)
    monkeypatch.setattr(chunked, "KEPT_ELEMENTS", kept)
    x, mask = make_batch(SIZES)
    together = Barrier(2)

    def run(seed, model):
        factors = []
        model.phi[2].register_forward_hook(lambda layer, inputs, output: factors.append(output / inputs[0]))
        generator = torch.Generator().manual_seed(seed) if handed_down else None

        def between_the_passes(*_):
            together.wait()
            Dropout()(torch.ones(10))  # what is drawn next is something else by the time of the backward pass

        handle = model.rho.register_forward_hook(between_the_passes)
        with random_generator(generator):
            gradients = gradients_of(model, x, mask)
        handle.remove()
        return [factor.detach() for factor in factors], gradients

    models = [DeepSetsInvariant(3, [50], [], 1, ("mean", "max"), 0.5, activation="tanh").double() for _ in range(2)]
    with ThreadPoolExecutor(2) as threads:
        results = [*threads.map(run, [1, 2], models)]
    monkeypatch.undo()
    for model, (factors, gradients) in zip(models, results, strict=True):
        factors = torch.cat(factors)[:25]  # the forward pass
        assert not torch.equal(factors[:4], factors[4:8])
        model.phi[2].register_forward_hook(lambda layer, inputs, output, factors=factors: inputs[0] * factors)
        assert_close(gradients_of(model, x, mask), gradients)
    assert not torch.equal(results[0][0][0], results[1][0][0])


def test_large_sets_train_with_phi_kept_for_a_few_chunks_only(monkeypatch):
    monkeypatch.setattr(chunked, "chunk_size", lambda encoder, device: 10)
    monkeypatch.setattr(chunked, "KEPT_ELEMENTS", 10)
    model = DeepSetsInvariant(3, [7], [], 1, "mean")
    kept = []

    def keep(tensor):
        kept.append(tensor.numel() if tensor.shape[1:] == (7,) else 0)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        model(torch.randn(1, 1000, 3))
    assert sum(kept) <= 2 * 100 * 7  # what is known of the 100 parts, not of the 1,000 elements


@pytest.mark.parametrize("conditional", [False, True])
@pytest.mark.parametrize("encoder", ["equivariant", "attention"])
def test_these_encoders_see_whole_sets(make_batch, monkeypatch, rows_of, conditional, encoder):
    x, mask = make_batch(SIZES, dtype=torch.float32)
    if conditional:
        model = DeepSetsConditional(3, 2, [5], [4], 2, encoder=encoder)
        inputs, phi = (x, torch.randn(len(SIZES), 2), mask), model.phi
    else:
        model = DeepSetsInvariant(3, [5], [4], 2, encoder=encoder)
        inputs, phi = (x, mask), model.phi
    whole = model(*inputs)
    monkeypatch.setattr(chunked, "chunk_size", lambda encoder, device: 3)
    rows = rows_of(phi[0])
    with torch.no_grad():
        assert torch.equal(model(*inputs), whole)
    assert rows == [25]


@pytest.mark.parametrize("sizes", [[], [0], [0, 0]])
def test_nothing_to_cut_gives_zeros(make_batch, monkeypatch, sizes):
    monkeypatch.setattr(chunked, "chunk_size", lambda encoder, device: 1)
    model = DeepSetsInvariant(3, [5], [4], 2, POOL_TYPES)
    with torch.no_grad():
        pooled = model.embed(pack(*make_batch(sizes, dtype=torch.float32)))
    assert torch.equal(pooled, torch.zeros(len(sizes), 35))


@every_pool
def test_chunks_change_no_result_of_weighted_elements(make_batch, monkeypatch, pool_type):
    x, mask = make_batch(SIZES, dim=4)
    x[..., 3] = (x[..., 3] - 0.3).clamp(min=0)  # about half of them have no weight
    layer = MixedColumns(Identity(), 3, [])
    options = {"activation": "tanh", "sum_scale": 0.5, "input_layer": layer, "weight_column": 3}
    model = DeepSetsInvariant(3, [6, 5], [4], 2, pool_type, **options).double()
    whole, gradients = model(x, mask), gradients_of(model, x, mask)
    # without those that have no weight
    counted = mask & (x[..., 3] > 0)
    assert_close(model(x, counted), whole)
    for chunk_size in (1, 3, 24):
        monkeypatch.setattr(chunked, "chunk_size", lambda encoder, device, size=chunk_size: size)
        with torch.no_grad():
            assert_close(model(x, mask), whole)
        for found, expected in zip(gradients_of(model, x, mask), gradients, strict=True):
            assert (found is None) == (expected is None)
            assert found is None or torch.allclose(found, expected)
