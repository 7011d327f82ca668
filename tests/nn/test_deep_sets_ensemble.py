"""DeepSetsEnsemble against one net for each member, with the weights of that member, on one set at a time."""

import copy

import pytest
import torch
from torch import nn

from sk_deepsets.nn import (
    ENCODERS,
    Columns,
    DeepSetsEnsemble,
    MixedColumns,
    PackedSets,
    Scalings,
    Standardize,
    Statistics,
    Variant,
    _chunked,
    _deep_sets_ensemble,
    pack,
)
from sk_deepsets.nn._deep_sets import DeepSets
from sk_deepsets.nn._layers import MemberEmbedding, MemberLinear

VARIANTS = (
    Variant(("intervals",), ("clipped",), dropout=0.3),
    Variant(("standard",), dropout=0.3),
    Variant(("clipped", "intervals"), ("clipped", "quantiles"), sums=True),
)
N_FOLDS = 2
N_CATEGORIES = [3, 2]
SIZES = [3, 0, 1, 4, 2]
NET = {"phi_hidden_dims": (6, 5), "sum_scale": 0.25}


def columns(table, names, n_categories=()):
    layer = Standardize(table.mean(0).double(), table.std(0).double() + 0.1)
    return Columns(Scalings(table, layer, names), table.shape[1], n_categories)


def make_ensemble(
    variants=VARIANTS, context=None, has_categories=False, pool_type=("mean", "max"), rho_hidden_dims=(7,), **options
):
    torch.manual_seed(1)
    elements = columns(
        torch.randn(60, 3), {"standard", "clipped", "quantiles", "intervals"}, N_CATEGORIES if has_categories else ()
    )
    statistics = Statistics(elements.scalings.standardize, 3)
    names = {"standard", "clipped", "quantiles"}
    made = DeepSetsEnsemble(
        variants,
        N_FOLDS,
        elements,
        statistics,
        columns(torch.randn(40, statistics.output_dim), names),
        2,
        context=None if context is None else columns(torch.randn(40, 2), {"clipped"}, context),
        rho_hidden_dims=rho_hidden_dims,
        pool_type=pool_type,
        prior=[0.3, -0.2],
        **NET,
        **options,
    ).double()
    made.options = {"rho_hidden_dims": rho_hidden_dims, "pool_type": pool_type, **options}
    with torch.no_grad():  # biases start at 0, where a wrong one could not be seen
        for parameter in made.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return made.eval()


def batch(has_categories=False, context=None, sizes=SIZES):
    generator = torch.Generator().manual_seed(2)
    elements = torch.randn(sum(sizes), 3, generator=generator, dtype=torch.float64)
    if has_categories:
        codes = [torch.randint(n + 1, (len(elements), 1), generator=generator) for n in N_CATEGORIES]
        elements = torch.cat([elements, *codes], dim=1)
    sizes = torch.tensor(sizes, dtype=torch.int64)
    packed = PackedSets(elements, torch.repeat_interleave(sizes), sizes)
    if context is None:
        return packed, None
    codes = [torch.randint(n + 1, (len(sizes), 1), generator=generator) for n in context]
    return packed, torch.cat([torch.randn(len(sizes), 2, generator=generator, dtype=torch.float64), *codes], dim=1)


def width(columns, names):
    n_features = sum(columns.scalings.dims[name] for name in names)
    return n_features + MixedColumns(nn.Identity(), 0, columns.n_categories).output_dim


def mixed(columns, names):
    n_numbers = sum(columns.scalings.dims[name] for name in names)
    return MixedColumns(nn.Identity(), n_numbers, columns.n_categories) if columns.n_categories else None


class Alone:
    """One member of an ensemble as a net of its own, of torch's own layers."""

    def __init__(self, ensemble, number):
        self.ensemble, self.stack, self.fold = ensemble, ensemble.stacks[number // N_FOLDS], number % N_FOLDS
        self.variant = self.stack.variant
        options = dict(ensemble.options)
        pools = options.pop("pool_type")
        pools = (pools,) if isinstance(pools, str) else pools
        if self.variant.sums:
            pools = ["sum" if name == "mean" else name for name in pools]
        if ensemble.context is not None:
            names = ensemble.context.scalings.names
            options |= {"context_dim": width(ensemble.context, names), "context_layer": mixed(ensemble.context, names)}
        self.net = DeepSets(
            width(ensemble.elements, self.variant.elements),
            output_dim=2,
            pool_type=pools,
            input_layer=mixed(ensemble.elements, self.variant.elements),
            statistics_dim=sum(ensemble.statistic_columns.scalings.dims[name] for name in self.variant.statistics),
            rho_dropout=self.variant.dropout,  # a layer that is not called outside of training
            **NET,
            **options,
        )
        self.net.double().eval()
        self.weights = {}
        layers = dict(self.stack.net.named_modules())
        for name, layer in self.net.named_modules():
            if isinstance(layer, nn.Linear):
                assert isinstance(layers[name], MemberLinear)
                weight = torch.cat([weight[self.fold] for weight in layers[name].weights]).T
                self.take(f"{name}.weight", weight, layer.weight)
                if layer.bias is not None:
                    self.take(f"{name}.bias", layers[name].bias[self.fold], layer.bias)
            elif isinstance(layer, nn.Embedding):
                assert isinstance(layers[name], MemberEmbedding)
                weight = layers[name].weight[self.fold]
                known = torch.arange(len(weight))[:, None] > 0  # code 0 is an unknown category
                self.take(f"{name}.weight", torch.where(known, weight, 0), layer.weight)
        assert self.weights.keys() == dict(self.net.named_parameters()).keys()

    def take(self, name, weight, own):
        assert weight.shape == own.shape
        self.weights[name] = weight

    def view(self, columns, table, names):
        scaled = columns.scalings(table[:, : columns.n_numbers])
        parts = [scaled[name] for name in names]
        return torch.cat([*parts, table[:, columns.n_numbers :].to(parts[0].dtype)], dim=1)

    def call(self, elements, context, method=None):
        made = self.ensemble
        packed = PackedSets(elements, torch.zeros(len(elements), dtype=torch.int64), torch.tensor([len(elements)]))
        given = {}
        if context is not None:
            given["context"] = self.view(made.context, context, made.context.scalings.names)
        if self.variant.statistics and method is None:
            given["statistics"] = self.view(
                made.statistic_columns, made.statistics(packed), self.variant.statistics
            ).double()
        packed = packed._replace(elements=self.view(made.elements, elements, self.variant.elements))
        if method is not None:
            self.net.load_state_dict(self.weights)
            return getattr(self.net, method)(packed, **given)
        return torch.func.functional_call(self.net, self.weights, (packed,), given)


def one_by_one(made, packed, context):
    """Outputs (K, b, o) of each member for each set."""
    sets = packed.elements.split(packed.sizes.tolist())
    contexts = [None] * len(sets) if context is None else context.split(1)
    members = [Alone(made, number) for number in range(made.n_members)]
    return torch.stack([torch.cat([one.call(*pair) for pair in zip(sets, contexts, strict=True)]) for one in members])


def assert_same(made, packed, context):
    """Outputs and all gradients are those of members one by one."""
    packed = packed._replace(elements=packed.elements.clone().requires_grad_())
    weights = torch.linspace(-1, 2, made.n_members * len(packed.sizes) * 2, dtype=torch.float64)
    leaves = [packed.elements, *made.parameters()]
    runs = []
    for outputs in (made.member_outputs(packed, context), one_by_one(made, packed, context)):
        gradients = torch.autograd.grad((outputs * weights.view(outputs.shape)).sum(), leaves, materialize_grads=True)
        runs.append((outputs, gradients))
    torch.testing.assert_close(*runs)
    assert sum(bool(gradient.any()) for gradient in runs[0][1]) > 3


@pytest.mark.parametrize(
    "pool_type", ["sum", "mean", "max", "min", "std", "attention", "pma", ("std", "mean", "attention", "max", "sum")]
)
@pytest.mark.parametrize("has_categories", [False, True])
def test_every_pool(pool_type, has_categories):
    assert_same(make_ensemble(pool_type=pool_type, has_categories=has_categories), *batch(has_categories))


@pytest.mark.parametrize("fusion_type", ["concat", "add", "film"])
@pytest.mark.parametrize("context_in_rho", [False, True])
@pytest.mark.parametrize("codes", [[], [2, 4]])
@pytest.mark.parametrize("encoder", ENCODERS)
def test_every_way_to_see_the_context(fusion_type, context_in_rho, codes, encoder):
    how = {"fusion_type": fusion_type, "context_in_rho": context_in_rho, "encoder": encoder}
    assert_same(make_ensemble(context=codes, has_categories=True, **how), *batch(True, codes))


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("rho_hidden_dims", [(), (7, 4)])
def test_encoders_and_depths_of_rho(encoder, rho_hidden_dims):
    assert_same(make_ensemble(encoder=encoder, rho_hidden_dims=rho_hidden_dims), *batch())


@pytest.mark.parametrize("activation", ["tanh", "silu"])
def test_activations(activation):
    assert_same(make_ensemble(activation=activation), *batch())


@pytest.mark.parametrize(
    "variants", [VARIANTS[:1], VARIANTS[1:2], VARIANTS[2:], VARIANTS[1:], (VARIANTS[2], VARIANTS[2], VARIANTS[0])]
)
def test_variants_with_and_without_statistics_and_sums(variants):
    assert_same(make_ensemble(variants), *batch())


CASES = [
    ({}, None),
    ({"encoder": "equivariant"}, None),
    ({"encoder": "attention"}, None),
    ({"fusion_type": "film", "pool_type": ("std", "attention", "mean")}, [2, 4]),
    ({"fusion_type": "add", "pool_type": ("sum", "min")}, []),
    ({"fusion_type": "concat", "pool_type": ("mean", "max"), "rho_hidden_dims": (7, 4)}, [3]),
]


@pytest.mark.parametrize(("options", "context"), CASES)
def test_padding_order_and_batches_do_not_matter(make_batch, options, context):
    made = make_ensemble(context=context, **options)
    x, mask = make_batch(SIZES)
    _, z = batch(context=context)
    expected = made(x, mask, context=z)
    hidden = x.masked_fill(~mask[..., None], torch.nan)
    assert torch.equal(made(hidden, mask, context=z), expected)
    for places in ([4, 2, 0], [1], [3, 3, 1, 0, 4]):
        part = made(x[places], mask[places], context=None if z is None else z[places])
        torch.testing.assert_close(part, expected[places])
    order = torch.randperm(x.shape[1])
    torch.testing.assert_close(made(x[:, order], mask[:, order], context=z), expected)


@pytest.mark.parametrize(("options", "context"), CASES)
def test_nothing_under_the_mask_has_a_gradient(make_batch, assert_mask_hides, options, context):
    made = make_ensemble(context=context, **options)
    x, mask = make_batch(SIZES)
    _, z = batch(context=context)

    class InOrder(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.made = made

        def forward(self, x, mask):
            return self.made(x, mask, context=z)

    assert_mask_hides(InOrder(), x, mask)


@pytest.mark.parametrize(("options", "context"), CASES)
@pytest.mark.parametrize("at_once", [1, 2, 7])
@pytest.mark.parametrize("scaled_at_once", [0, 1_000_000])
def test_chunks_change_nothing(monkeypatch, options, context, at_once, scaled_at_once):
    made = make_ensemble(context=context, has_categories=True, **options)
    packed, z = batch(True, context)

    def run():
        outputs = made.member_outputs(packed, z)
        return outputs, torch.autograd.grad(outputs.square().sum(), made.parameters(), materialize_grads=True)

    expected = run()
    monkeypatch.setattr(_deep_sets_ensemble, "SCALED_AT_ONCE", scaled_at_once)
    monkeypatch.setattr(_chunked, "CHUNK_VALUES", at_once * made.stacks[0].net.width())
    torch.testing.assert_close(run(), expected)
    monkeypatch.setattr(_chunked, "KEPT_ELEMENTS", 0)  # phi is computed again for the backward pass
    torch.testing.assert_close(run(), expected)
    with torch.no_grad():
        torch.testing.assert_close(made.member_outputs(packed, z), expected[0])


def test_empty_sets_alone_and_no_sets_at_all():
    made = make_ensemble()
    empty, _ = batch(sizes=[0, 0])
    outputs = made.member_outputs(empty)
    torch.testing.assert_close(outputs, one_by_one(made, empty, None))
    assert torch.equal(outputs[:, 0], outputs[:, 1])
    nothing, _ = batch(sizes=[])
    assert made.member_outputs(nothing).shape == (6, 0, 2)
    assert made.embed(nothing).shape == (0, 6 * made.pooling.output_dim)


def test_the_embedding_is_the_pooled_vectors_side_by_side():
    made = make_ensemble()
    packed, _ = batch()
    sets = packed.elements.split(packed.sizes.tolist())
    expected = [torch.cat([Alone(made, number).call(one, None, "embed")[0] for number in range(6)]) for one in sets]
    torch.testing.assert_close(made.embed(packed), torch.stack(expected))


def test_attention_is_the_mean_of_that_of_the_members_by_their_weights():
    made = make_ensemble(pool_type="attention")
    made = made.with_stacks(made.stacks, [0.2, 0.1, 0.3], 0.4)
    packed, _ = batch()
    expected = torch.zeros(sum(SIZES), dtype=torch.float64)
    made.options = {"rho_hidden_dims": (7,), "pool_type": "attention"}
    for number, weight in enumerate([0.1, 0.1, 0.05, 0.05, 0.15, 0.15]):
        of_sets = [Alone(made, number).call(one, None, "attention") for one in packed.elements.split(SIZES) if len(one)]
        expected += weight / 0.6 * torch.cat(of_sets)
    torch.testing.assert_close(made.attention(packed), expected)
    alone = made.with_stacks(made.stacks, [0.0, 0.0, 0.0], 1.0)
    torch.testing.assert_close(
        torch.segment_reduce(alone.attention(packed), "sum", lengths=packed.sizes[packed.sizes > 0]),
        torch.ones(4, dtype=torch.float64),
    )


def test_dropout_is_of_training_alone_and_by_variant():
    made = make_ensemble((VARIANTS[0], VARIANTS[2]))
    packed, _ = batch()
    expected = made.member_outputs(packed)
    found = made.train().member_outputs(packed)
    assert torch.equal(found[2:], expected[2:])  # without dropout
    assert (found[:2] != expected[:2]).any()


def test_training_starts_near_the_prior():
    torch.manual_seed(0)
    elements = columns(torch.randn(60, 3), {"standard"})
    statistics = Statistics(elements.scalings.standardize, 3)
    how = {"phi_hidden_dims": (32, 32), "rho_hidden_dims": (64,), "prior": [5.0, -3.0]}
    statistic_columns = columns(torch.randn(40, 14), {"clipped"})
    variants = [Variant(("standard",), ("clipped",))]
    made = DeepSetsEnsemble(variants, 5, elements, statistics, statistic_columns, 2, **how)
    outputs = made.member_outputs(pack(torch.randn(50, 8, 3)))
    torch.testing.assert_close(outputs.mean(dim=(0, 1)), torch.tensor([5.0, -3.0]), rtol=0, atol=0.3)
    assert outputs.std(dim=1).max() < 1


def test_categories_without_numbers():
    empty = Scalings(torch.empty(4, 0), Standardize(torch.empty(0), torch.empty(0)), {"standard"})
    elements = Columns(empty, 0, N_CATEGORIES)
    statistics = Statistics(elements.scalings.standardize, 0)
    how = {"phi_hidden_dims": (5,), "rho_hidden_dims": (4,)}
    variants = [Variant(("standard",), ("clipped",))]
    made = DeepSetsEnsemble(variants, 3, elements, statistics, columns(torch.randn(9, 2), {"clipped"}), 2, **how)
    codes = torch.tensor([[1, 2], [3, 0], [0, 1]])
    sizes = torch.tensor([2, 1])
    outputs, swapped, other = (
        made.member_outputs(PackedSets(codes[order], torch.repeat_interleave(sizes), sizes))
        for order in ([0, 1, 2], [1, 0, 2], [2, 0, 1])
    )
    torch.testing.assert_close(outputs, swapped)
    assert (outputs != other).any()


@pytest.mark.parametrize(("options", "context"), CASES)
def test_outputs_of_a_fold_are_those_of_its_members_among_all(options, context):
    made = make_ensemble(context=context, has_categories=True, **options)
    packed, z = batch(True, context)
    outputs = made.member_outputs(packed, z).view(3, N_FOLDS, len(SIZES), 2)
    for fold in range(N_FOLDS):
        torch.testing.assert_close(made.of_fold(fold).variant_outputs(made.inputs(packed, z)), outputs[:, fold])
    torch.testing.assert_close(made.variant_outputs(made.inputs(packed, z)), outputs.mean(dim=1))
    assert torch.equal(made.member_outputs(packed, z).view(outputs.shape), outputs)


@pytest.mark.parametrize(("options", "context"), CASES)
def test_stacks_are_chosen_and_joined(options, context):
    made = make_ensemble(context=context, has_categories=True, **options)
    packed, z = batch(True, context)
    outputs = made.member_outputs(packed, z).view(3, N_FOLDS, len(SIZES), 2)
    for chosen in ([2], [0, 2], [1, 1, 0, 2], [2, 1, 0]):
        some = made.with_stacks([copy.deepcopy(made.stacks[number]) for number in chosen])
        found = some.member_outputs(packed, z).view(len(chosen), N_FOLDS, len(SIZES), 2)
        torch.testing.assert_close(found, outputs[chosen])
        assert some.embed(packed, context=z).shape == (len(SIZES), some.n_members * some.pooling.output_dim)
    with torch.no_grad():
        next(some.parameters()).fill_(9)
    torch.testing.assert_close(made.member_outputs(packed, z).view(outputs.shape), outputs)  # a copy of its own


def test_a_state_dict_makes_another_ensemble_the_same():
    made = make_ensemble(context=[2, 4])
    packed, z = batch(context=[2, 4])
    fresh = copy.deepcopy(made)
    with torch.no_grad():
        for parameter in fresh.parameters():
            parameter.zero_()
    assert not torch.equal(fresh(packed, context=z), made(packed, context=z))
    fresh.load_state_dict(made.state_dict())
    assert torch.equal(fresh(packed, context=z), made(packed, context=z))


@pytest.mark.parametrize(("options", "context"), CASES)
def test_gradients_are_summed_in_order(assert_sums_in_order, options, context):
    packed, z = batch(context=context)
    assert_sums_in_order(make_ensemble(context=context, has_categories=False, **options)(packed, context=z))


def test_it_repeats_on_two_threads(assert_repeats_on_two_threads):
    made = make_ensemble(VARIANTS[1:], context=[2, 4], fusion_type="film", pool_type=("std", "attention", "max"))
    packed, z = batch(context=[2, 4], sizes=[40, 0, 900, 160])

    class Members(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.made = made

        def forward(self, packed, context):
            return self.made.member_outputs(packed, context)

    assert_repeats_on_two_threads(Members(), packed, z)


def test_packed_and_padded_sets_are_the_same(make_batch):
    x, mask = make_batch(SIZES)
    made = make_ensemble()
    assert torch.equal(made(x, mask), made(pack(x, mask)))


def test_weights_are_counted_by_what_they_meet():
    made = make_ensemble(pool_type="attention", context=[2])
    counts = made.weight_counts()
    assert sum(counts) == sum(weight.numel() for weight in made.parameters())
    assert counts.pool == sum(w.numel() for stack in made.stacks for w in stack.net.pooling.parameters())
