"""DeepSetsPack against a loop over its members and over the sets, in plain torch with the weights of each."""

import copy

import pytest
import torch
from torch.nn.functional import relu

from sk_deepsets.nn import Columns, DeepSetsPack, Kind, PackedSets, Scalings, Standardize, Statistics, _chunked, pack

KINDS = (
    Kind(("intervals",), ("clipped",), dropout=0.3),
    Kind(("standard",), dropout=0.3),
    Kind(("clipped", "intervals"), ("clipped", "quantiles"), sums=True),
)
N_FOLDS = 2
N_CATEGORIES = [3, 2]
SIZES = [3, 0, 1, 4, 2]


def columns(table, names, n_categories=()):
    layer = Standardize(table.mean(0).double(), table.std(0).double() + 0.1)
    return Columns(Scalings(table, layer, names), table.shape[1], n_categories)


def make_pack(
    kinds=KINDS, context=None, has_categories=False, pool_type=("mean", "max"), rho_hidden_dims=(7,), **options
):
    torch.manual_seed(1)
    elements = columns(
        torch.randn(60, 3), {"standard", "clipped", "quantiles", "intervals"}, N_CATEGORIES if has_categories else ()
    )
    statistics = Statistics(elements.scalings.standardize, 3)
    of_sets = columns(torch.randn(40, statistics.output_dim), {"standard", "clipped", "quantiles"}).scalings
    if context is not None:
        options["context"] = columns(torch.randn(40, 2), {"clipped"}, context)
    made = DeepSetsPack(
        kinds,
        N_FOLDS,
        elements,
        statistics,
        of_sets,
        2,
        phi_hidden_dims=(6, 5),
        rho_hidden_dims=rho_hidden_dims,
        pool_type=pool_type,
        sum_scale=0.25,
        prior=[0.3, -0.2],
        **options,
    ).double()
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


class Alone:
    """One member of a pack as a net of its own, one set at a time."""

    def __init__(self, pack, number, act=relu):
        self.pack, self.number, self.act = pack, number, act
        self.kind = pack.kinds[number // N_FOLDS]
        self.fold = number % N_FOLDS

    def of_kind(self, layer):
        return layer.weights[self.number // N_FOLDS][self.fold]

    def linear(self, layer, rows):
        product = rows @ layer.weight[self.number]
        return product if layer.bias is None else product + layer.bias[self.number, 0]

    def table(self, table, rows, number=None):
        number, n = self.number if number is None else number, table.n_numbers
        output = rows[:, :n] @ table.linear.weight[number] if n else 0
        if table.vectors is None:
            return output
        codes = rows[:, n:].long()
        # a vector of zeros before those of each column, for what is unknown
        known = self.n_categories_of(table)
        for column, vectors in enumerate(table.vectors[number].split(known)):
            output = output + torch.cat([torch.zeros_like(vectors[:1]), vectors])[codes[:, column]]
        return output

    def n_categories_of(self, table):
        starts = [*(table.starts + 1).tolist(), table.vectors.shape[1]]
        return torch.tensor(starts).diff().tolist()

    def view(self, scalings, names, numbers):
        scaled = scalings(numbers)
        return torch.cat([numbers[:, :0].to(torch.float64), *(scaled[name] for name in names)], dim=1)

    def phi(self, elements, z):
        pack = self.pack
        view, weight = self.view(pack.scalings, self.kind.elements, elements[:, :3]), self.of_kind(pack.first)
        moved = view
        if pack.fusion_type == "add":
            moved = view + self.table(pack.moves[self.number // N_FOLDS], z, self.fold)
        hidden = moved @ weight + pack.first_bias[self.number, 0]
        if pack.categories is not None:
            hidden = hidden + self.table(pack.categories, elements[:, 3:])
        if pack.fusion_type == "film":
            hidden = hidden * (1 + self.table(pack.stretch, z))
        if pack.fusion_type in ("film", "concat"):
            hidden = hidden + self.table(pack.shift, z)
        if pack.of_pooled is not None:
            hidden = hidden + view.amax(dim=0, keepdim=True) @ self.of_kind(pack.of_pooled)
        hidden = self.act(hidden)
        for layer in list(pack.encoder)[::2]:
            if hasattr(layer, "Lambda"):
                largest = hidden.amax(dim=0, keepdim=True)
                hidden = self.linear(layer.Lambda, hidden) + self.linear(layer.Gamma, largest)
            else:
                hidden = self.linear(layer, hidden)
            hidden = self.act(hidden)
        return hidden

    def pooled(self, elements, z):
        names, found = self.pack.pooling.names, []
        if len(elements) == 0:
            return torch.zeros(1, self.pack.pooling.output_dim, dtype=torch.float64)
        hidden = self.phi(elements, z)
        for name, pool in zip(names, self.pack.pooling.pools, strict=True):
            if name == "sum":
                found.append(0.25 * hidden.sum(dim=0))
            elif name == "mean":
                found.append(0.25 * hidden.sum(dim=0) if self.kind.sums else hidden.mean(dim=0))
            elif name == "std":
                found.append(hidden.std(dim=0, correction=0) if len(hidden) > 1 else hidden[0] * 0)
            elif name == "attention":
                tanh, gate = self.linear(pool.gate, hidden).chunk(2, dim=1)
                scores = self.linear(pool.score, tanh.tanh() * gate.sigmoid())
                found.append((scores.softmax(dim=0) * hidden).sum(dim=0))
            else:
                found.append(hidden.amax(dim=0) if name == "max" else hidden.amin(dim=0))
        return torch.cat(found)[None]

    def output(self, elements, context):
        pack = self.pack
        z = None
        if context is not None:
            n = pack.context_scalings.n_columns
            z = torch.cat([pack.context_scalings(context[:, :n])["clipped"], context[:, n:]], dim=1)
        hidden = self.linear(pack.rho_first, self.pooled(elements, z))
        if pack.beside is not None:
            sizes = torch.tensor([len(elements)])
            statistics = pack.statistics(PackedSets(elements, torch.zeros(len(elements), dtype=torch.int64), sizes))
            hidden = hidden + self.view(pack.of_sets, self.kind.statistics, statistics) @ self.of_kind(pack.beside)
        if pack.from_context is not None:
            hidden = hidden + self.table(pack.from_context, z)
        for layer in pack.rho:
            hidden = self.linear(layer, self.act(hidden))
        return hidden


def one_by_one(pack, packed, context, act=relu):
    """Outputs (K, b, o) of each member for each set."""
    sets = packed.elements.split(packed.sizes.tolist())
    contexts = [None] * len(sets) if context is None else context.split(1)
    members = [Alone(pack, number, act) for number in range(pack.n_members)]
    outputs = [[one.output(*pair) for pair in zip(sets, contexts, strict=True)] for one in members]
    return torch.stack([torch.cat(of_member) for of_member in outputs])


def assert_same(made, packed, context, act=relu):
    """Outputs and all gradients are those of members one by one."""
    packed = packed._replace(elements=packed.elements.clone().requires_grad_())
    weights = torch.linspace(-1, 2, made.n_members * len(packed.sizes) * 2, dtype=torch.float64)
    leaves = [packed.elements, *made.parameters()]
    runs = []
    for outputs in (made(packed, context=context, mean=False), one_by_one(made, packed, context, act)):
        gradients = torch.autograd.grad((outputs * weights.view(outputs.shape)).sum(), leaves, materialize_grads=True)
        runs.append((outputs, gradients))
    torch.testing.assert_close(*runs)
    assert sum(bool(gradient.any()) for gradient in runs[0][1]) > 3


@pytest.mark.parametrize(
    "pool_type", ["sum", "mean", "max", "min", "std", "attention", ("std", "mean", "attention", "max", "sum")]
)
@pytest.mark.parametrize("has_categories", [False, True])
def test_every_pool(pool_type, has_categories):
    assert_same(make_pack(pool_type=pool_type, has_categories=has_categories), *batch(has_categories))


@pytest.mark.parametrize("fusion_type", ["concat", "add", "film"])
@pytest.mark.parametrize("context_in_rho", [False, True])
@pytest.mark.parametrize("codes", [[], [2, 4]])
@pytest.mark.parametrize("encoder", ["elementwise", "equivariant"])
def test_every_way_to_see_the_context(fusion_type, context_in_rho, codes, encoder):
    how = {"fusion_type": fusion_type, "context_in_rho": context_in_rho, "encoder": encoder}
    assert_same(make_pack(context=codes, has_categories=True, **how), *batch(True, codes))


@pytest.mark.parametrize("encoder", ["elementwise", "equivariant"])
@pytest.mark.parametrize("rho_hidden_dims", [(), (7, 4)])
def test_encoders_and_depths_of_rho(encoder, rho_hidden_dims):
    assert_same(make_pack(encoder=encoder, rho_hidden_dims=rho_hidden_dims), *batch())


@pytest.mark.parametrize(("activation", "act"), [("tanh", torch.tanh), ("silu", torch.nn.functional.silu)])
def test_activations(activation, act):
    assert_same(make_pack(activation=activation), *batch(), act)


@pytest.mark.parametrize("kinds", [KINDS[:1], KINDS[1:2], KINDS[2:], KINDS[1:], (KINDS[2], KINDS[2], KINDS[0])])
def test_kinds_with_and_without_statistics_and_sums(kinds):
    assert_same(make_pack(kinds), *batch())


def test_categories_without_numbers():
    elements = Columns(
        Scalings(torch.empty(4, 0), Standardize(torch.empty(0), torch.empty(0)), {"standard"}), 0, N_CATEGORIES
    )
    statistics = Statistics(elements.scalings.standardize, 0)
    of_sets = columns(torch.randn(9, 2), {"clipped"}).scalings
    how = {"phi_hidden_dims": (5,), "rho_hidden_dims": (4,)}
    made = DeepSetsPack([Kind(("standard",), ("clipped",))], 3, elements, statistics, of_sets, 2, **how)
    codes = torch.tensor([[1, 2], [3, 0], [0, 1]])
    sizes = torch.tensor([2, 1])
    outputs = made(PackedSets(codes, torch.repeat_interleave(sizes), sizes), mean=False)
    swapped = made(PackedSets(codes[[1, 0, 2]], torch.repeat_interleave(sizes), sizes), mean=False)
    other = made(PackedSets(codes[[2, 0, 1]], torch.repeat_interleave(sizes), sizes), mean=False)
    torch.testing.assert_close(outputs, swapped)
    assert (outputs != other).any()


CASES = [
    ({}, None),
    ({"encoder": "equivariant"}, None),
    ({"fusion_type": "film", "pool_type": ("std", "attention", "mean")}, [2, 4]),
    ({"fusion_type": "add", "pool_type": ("sum", "min")}, []),
]


@pytest.mark.parametrize(("options", "context"), CASES)
def test_padding_order_and_batches_do_not_matter(make_batch, options, context):
    made = make_pack(context=context, **options)
    x, mask = make_batch(SIZES)
    _, z = batch(context=context)
    wanted = made(x, mask, context=z)
    hidden = x.masked_fill(~mask[..., None], torch.nan)
    assert torch.equal(made(hidden, mask, context=z), wanted)
    for places in ([4, 2, 0], [1], [3, 3, 1, 0, 4]):
        part = made(x[places], mask[places], context=None if z is None else z[places])
        torch.testing.assert_close(part, wanted[places])
    order = torch.randperm(x.shape[1])
    torch.testing.assert_close(made(x[:, order], mask[:, order], context=z), wanted)


@pytest.mark.parametrize(("options", "context"), CASES)
def test_nothing_under_the_mask_has_a_gradient(make_batch, assert_mask_hides, options, context):
    made = make_pack(context=context, **options)
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
def test_chunks_of_phi_change_nothing(monkeypatch, options, context, at_once):
    made = make_pack(context=context, has_categories=True, **options)
    packed, z = batch(True, context)

    def run():
        outputs = made(packed, context=z, mean=False)
        return outputs, torch.autograd.grad(outputs.square().sum(), made.parameters(), materialize_grads=True)

    wanted = run()
    monkeypatch.setattr(_chunked, "CHUNK_VALUES", at_once * made.encoder.width)
    torch.testing.assert_close(run(), wanted)
    monkeypatch.setattr(_chunked, "KEPT_ELEMENTS", 0)  # phi is computed again for the backward pass
    torch.testing.assert_close(run(), wanted)
    with torch.no_grad():
        torch.testing.assert_close(made(packed, context=z, mean=False), wanted[0])


def test_empty_sets_alone_and_no_sets_at_all():
    made = make_pack()
    empty, _ = batch(sizes=[0, 0])
    outputs = made(empty, mean=False)
    torch.testing.assert_close(outputs, one_by_one(made, empty, None))
    assert torch.equal(outputs[:, 0], outputs[:, 1])
    nothing, _ = batch(sizes=[])
    assert made(nothing, mean=False).shape == (6, 0, 2)
    assert made.embed(nothing).shape == (0, 6 * made.pooling.output_dim)


def test_the_embedding_is_the_pooled_vectors_side_by_side():
    made = make_pack()
    packed, _ = batch()
    sets = packed.elements.split(packed.sizes.tolist())
    wanted = [torch.cat([Alone(made, number).pooled(one, None)[0] for number in range(6)]) for one in sets]
    torch.testing.assert_close(made.embed(packed), torch.stack(wanted))


def test_dropout_is_of_training_alone_and_by_kind():
    made = make_pack((KINDS[0], KINDS[2]))
    packed, _ = batch()
    wanted = made(packed, mean=False)
    found = made.train()(packed, mean=False)
    assert torch.equal(found[2:], wanted[2:])  # without dropout
    assert (found[:2] != wanted[:2]).any()


def test_training_starts_near_the_prior():
    torch.manual_seed(0)
    elements = columns(torch.randn(60, 3), {"standard"})
    statistics = Statistics(elements.scalings.standardize, 3)
    of_sets = columns(torch.randn(40, 14), {"clipped"}).scalings
    how = {"phi_hidden_dims": (32, 32), "rho_hidden_dims": (64,), "prior": [5.0, -3.0]}
    made = DeepSetsPack([Kind(("standard",), ("clipped",))], 5, elements, statistics, of_sets, 2, **how)
    outputs = made(torch.randn(50, 8, 3), mean=False)
    torch.testing.assert_close(outputs.mean(dim=(0, 1)), torch.tensor([5.0, -3.0]), rtol=0, atol=0.3)
    assert outputs.std(dim=1).max() < 1


@pytest.mark.parametrize(("options", "context"), CASES)
def test_members_of_some_folds_say_what_they_say_among_all(options, context):
    made = make_pack(context=context, has_categories=True, **options)
    packed, z = batch(True, context)
    outputs = made(packed, context=z, mean=False)
    other = {name: weight.detach() + 0.1 for name, weight in made.named_parameters()}
    state = {name: weight.detach() for name, weight in made.named_parameters()}
    for folds in ([0], [1], [0, 1]):
        rows = [kind * N_FOLDS + fold for kind in range(3) for fold in folds]
        torch.testing.assert_close(made.said_by(state, folds, packed, z), outputs[rows])
    assert (made.said_by(other, [0, 1], packed, z) != outputs).any()
    torch.testing.assert_close(made(packed, context=z, mean=False), outputs)  # the pack's own are still there


@pytest.mark.parametrize(("options", "context"), CASES)
def test_kinds_are_taken_out_and_joined(options, context):
    made = make_pack(context=context, has_categories=True, **options)
    packed, z = batch(True, context)
    outputs = made(packed, context=z, mean=False).view(3, N_FOLDS, len(SIZES), 2)
    state = dict(made.named_parameters())
    of_kinds = [made.of_kind(state, kind) for kind in range(3)]
    joined = made.joined(of_kinds)
    assert joined.keys() == state.keys()
    assert all(torch.equal(joined[name], state[name]) for name in state)
    for chosen in ([2], [0, 2], [1, 1, 0, 2], [2, 1, 0]):
        some = made.with_kinds([KINDS[kind] for kind in chosen], [of_kinds[kind] for kind in chosen])
        found = some(packed, context=z, mean=False).view(len(chosen), N_FOLDS, len(SIZES), 2)
        torch.testing.assert_close(found, outputs[chosen])
        torch.testing.assert_close(
            some(packed, context=z, mean=False), one_by_one(some, packed, z), msg="as a loop, too"
        )
        assert some.n_members == len(chosen) * N_FOLDS
        assert some.embed(packed, context=z).shape == (len(SIZES), some.n_members * some.pooling.output_dim)
    with torch.no_grad():
        next(some.parameters()).fill_(9)
    torch.testing.assert_close(made(packed, context=z, mean=False).view(outputs.shape), outputs)  # a copy of its own


def test_dropout_goes_with_the_kinds():
    made = make_pack()
    state = dict(made.named_parameters())
    some = made.with_kinds([KINDS[2], KINDS[0]], [made.of_kind(state, kind) for kind in (2, 0)])
    assert some.dropout.rates.flatten().tolist() == pytest.approx([0, 0, 0.3, 0.3])
    assert some.sums.tolist() == [True, True, False, False]


def test_a_state_dict_makes_another_pack_the_same():
    made = make_pack(context=[2, 4])
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
    assert_sums_in_order(make_pack(context=context, **options)(packed, context=z))


def test_it_repeats_on_two_threads(assert_repeats_on_two_threads):
    made = make_pack(KINDS[1:], context=[2, 4], fusion_type="film", pool_type=("std", "attention", "max"))
    packed, z = batch(context=[2, 4], sizes=[40, 0, 900, 160])

    def forward(packed, context):
        return made(packed, context=context, mean=False)

    forward.parameters = made.parameters
    assert_repeats_on_two_threads(forward, packed, z)


def test_packed_and_padded_sets_are_the_same(make_batch):
    x, mask = make_batch(SIZES)
    made = make_pack()
    assert torch.equal(made(x, mask), made(pack(x, mask)))


@pytest.mark.parametrize("fusion_type", [None, "concat", "add", "film"])
@pytest.mark.parametrize("pool_type", [("mean", "max"), ("sum", "std", "attention")], ids=str)
def test_each_element_is_left_out_as_if_it_was_not_there(pool_type, fusion_type):
    """Of members that see statistics, sums and scalings of the set beside the pool, too."""
    context = None if fusion_type is None else [3]
    options = {} if fusion_type is None else {"fusion_type": fusion_type}
    made = make_pack(has_categories=True, context=context, pool_type=pool_type, **options)
    packed, z = batch(has_categories=True, context=context)
    expected = []
    for row, of_set in enumerate(packed.segments.tolist()):
        left = torch.arange(len(packed.elements)) != row
        sizes = packed.sizes.clone()
        sizes[of_set] -= 1
        without = PackedSets(packed.elements[left], packed.segments[left], sizes)
        expected.append(made(without, context=z)[of_set])
    torch.testing.assert_close(made.leave_one_out(packed, z), torch.stack(expected))


def test_the_statistics_pass_a_gradient_on_to_elements_that_ask_for_it():
    made, (packed, _) = make_pack(), batch()
    x = packed.elements.clone().requires_grad_()
    found = torch.autograd.grad(made.statistics(packed._replace(elements=x)).square().sum(), x)[0]
    assert (found != 0).all()
    assert not made.statistics(packed).requires_grad
