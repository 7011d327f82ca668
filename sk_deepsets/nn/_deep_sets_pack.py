"""DeepSetsPack: an ensemble of many small Deep Sets, of several kinds, and their mean."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Sequence
from itertools import pairwise, repeat
from math import sqrt
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call

from sk_deepsets.nn._chunked import embed
from sk_deepsets.nn._encoder import Encoder
from sk_deepsets.nn._leave_one_out import elements_at_once, leave_one_out
from sk_deepsets.nn._members import KindLinear, MemberDropout, MemberLinear, MemberTable
from sk_deepsets.nn._mlp import make_activation
from sk_deepsets.nn._pack import Kind, Pack, State
from sk_deepsets.nn._packed import PackedSets, pack
from sk_deepsets.nn._pools import PoolType, SetPooling
from sk_deepsets.nn._scalings import Scalings
from sk_deepsets.nn._statistics import Statistics


class Columns(NamedTuple):
    """A table of numbers, in several scalings, and of codes of categories behind them."""

    scalings: Scalings
    n_numbers: int
    n_categories: Sequence[int] = ()


class DeepSetsPack(Pack):
    """The weighted mean of f_k(X) = rho_k([pool_i phi_k(x_i), s(X), z]) over members k, all of which run at once.

    An ensemble in one net, as in Gorishniy et al. (2024), "TabM: Advancing tabular deep learning with
    parameter-efficient ensembling", but with weights that are all the members' own.

    Parameters
    ----------
    kinds : sequence of Kind
    n_folds : int
        How many members there are of each kind.
    elements : Columns
        Those of the elements.
    statistics : Statistics
    of_sets : Scalings
        Of the statistics.
    context : Columns, optional
        Those of the context, in one scaling.
    output_dim : int
    phi_hidden_dims, rho_hidden_dims, pool_type, fusion_type, context_in_rho, activation, encoder, sum_scale
        As in :class:`DeepSetsConditional`; there must be a layer in phi.
    link : {"softmax", "sigmoid", "log", "identity"}, default="identity"
        What the mean is taken of: probabilities of classes, or of labels, of which outputs are logits, the
        exponentials of outputs, or outputs.
    prior : sequence of float, optional
        Outputs of a constant prediction, from which training starts.
    """

    sums: Tensor

    def __init__(
        self,
        kinds: Sequence[Kind],
        n_folds: int,
        elements: Columns,
        statistics: Statistics,
        of_sets: Scalings,
        output_dim: int,
        *,
        phi_hidden_dims: Sequence[int],
        rho_hidden_dims: Sequence[int],
        pool_type: PoolType = ("mean", "max"),
        context: Columns | None = None,
        fusion_type: str = "concat",
        context_in_rho: bool = True,
        activation: str = "relu",
        encoder: str = "elementwise",
        sum_scale: float = 1.0,
        link: str = "identity",
        prior: Sequence[float] | None = None,
    ) -> None:
        super().__init__(kinds, n_folds, link, [0.0] * output_dim if prior is None else prior)
        self.n_numbers, self.context_in_rho, self.sum_scale = elements.n_numbers, context_in_rho, sum_scale
        self.scalings, self.statistics, self.of_sets = elements.scalings, statistics, of_sets
        self.context_scalings = None if context is None else context.scalings
        self.fusion_type = None if context is None else fusion_type
        n_members, first_dim = len(kinds) * n_folds, phi_hidden_dims[0]

        def linear(input_dim: int, output_dim: int, bias: bool = True) -> MemberLinear:
            return MemberLinear(n_members, input_dim, output_dim, bias)

        def of_context(output_dim: int, gain: float = 1.0, n_members: int = n_members) -> MemberTable:
            assert context is not None
            return MemberTable(n_members, context.n_numbers, context.n_categories, output_dim, gain)

        views = [sum(elements.scalings.dims[name] for name in kind.elements) for kind in kinds]
        self.first = KindLinear(n_folds, views, first_dim)
        self.first_bias = nn.Parameter(torch.zeros(n_members, 1, first_dim))
        self.of_pooled = KindLinear(n_folds, views, first_dim) if encoder == "equivariant" else None
        has_codes = len(elements.n_categories) > 0
        self.categories = MemberTable(n_members, 0, elements.n_categories, first_dim) if has_codes else None
        if self.fusion_type in ("concat", "film"):
            self.shift = of_context(first_dim)
        if self.fusion_type == "film":
            self.stretch = of_context(first_dim)
        if self.fusion_type == "add":
            self.moves = nn.ModuleList(of_context(width, n_members=n_folds) for width in views)
        self.encoder = Encoder(first_dim, phi_hidden_dims[1:], activation, kind=encoder, linear=linear)
        self.encoder.width = max(self.encoder.width * n_members, sum(views))
        self.activation = make_activation(activation)
        self.pooling = SetPooling(pool_type, self.encoder.output_dim, sum_scale, linear)

        beside = [sum(of_sets.dims[name] for name in kind.statistics) for kind in kinds]
        rho_dims = [*rho_hidden_dims, output_dim]
        gain = sqrt(0.5) if any(beside) else 1.0  # two inputs that count the same, however many columns they have
        self.rho_first = MemberLinear(n_members, self.pooling.output_dim, rho_dims[0], gain=gain)
        self.beside = KindLinear(n_folds, beside, rho_dims[0], gain) if any(beside) else None
        self.from_context = of_context(rho_dims[0]) if context is not None and context_in_rho else None
        self.rho = nn.ModuleList(linear(*dims) for dims in pairwise(rho_dims))
        each = [kind for kind in kinds for _ in range(n_folds)]
        self.dropout = MemberDropout([kind.dropout for kind in each])
        self.register_buffer("sums", torch.tensor([kind.sums for kind in each]))
        last: Any = self.rho[-1] if len(self.rho) else self.rho_first
        with torch.no_grad():  # training starts from a constant prediction
            last.weight.mul_(0.3)
            last.bias.copy_(self.prior)

    def forward(
        self, x: Tensor | PackedSets, mask: Tensor | None = None, context: Tensor | None = None, *, mean: bool = True
    ) -> Tensor:
        """The mean of the members' outputs (b, output_dim), or without ``mean`` all of them (K, b, output_dim).

        Parameters
        ----------
        x : Tensor of shape (b, m, input_dim), or PackedSets
        mask : Tensor of shape (b, m), optional
            True or non-zero where an element stands; None: everywhere.
        context : Tensor of shape (b, context_dim), optional
        mean : bool, default=True
        """
        packed = pack(x, mask)
        statistics = None if self.beside is None else self.statistics(packed)
        outputs = self._rho(self._pooled(packed, context), statistics, context)
        outputs = outputs.view(self._n_present, packed.sizes.shape[0], outputs.shape[1])
        return self.mean_of(outputs) if mean else outputs

    def embed(self, x: Tensor | PackedSets, mask: Tensor | None = None, context: Tensor | None = None) -> Tensor:
        """The pooled vectors of all members side by side, (b, K * k); arguments as in ``forward``."""
        packed = pack(x, mask)
        pooled = self._pooled(packed, context).view(self.n_members, len(packed.sizes), self.pooling.output_dim)
        return pooled.transpose(0, 1).flatten(1)

    def pooled_elements(self, packed: PackedSets, context: Tensor | None = None) -> PackedSets:
        """What the pools take of each element: the outputs of the members' phi, one after another, (K * n, k)."""
        return packed.repeated(self._n_present, self._phi(packed, context)(packed))

    def leave_one_out(self, packed: PackedSets, context: Tensor | None = None) -> Tensor:
        """The output for its set without it, for each element: (n, output_dim); the encoder must be elementwise."""
        size = elements_at_once(self.encoder, packed.elements.device)
        of_chunks = leave_one_out(self._phi(packed, context), self.pooling, packed, size, self._n_present)
        of_sets = repeat(None) if self.beside is None else self.statistics.leave_one_out(packed, size)
        found = []
        for (rows, pooled), statistics in zip(of_chunks, of_sets, strict=False):
            segments = packed.segments[rows]
            left = packed.sizes[segments] - 1
            of_elements = None if context is None else context.index_select(0, segments)
            outputs = self._rho(self._as_sums(pooled, left), statistics, of_elements)
            found.append(self.mean_of(outputs.view(self._n_present, len(segments), outputs.shape[1])))
        return torch.cat(found)

    @property
    def _n_present(self) -> int:
        """How many members run: all, or those whose parameters stand in for those of all."""
        return self.first_bias.shape[0]

    def _pooled(self, packed: PackedSets, context: Tensor | None) -> Tensor:
        """The pooled vectors, (K * b, k)."""
        pooled = embed(self._phi(packed, context), self.encoder, self.pooling, packed, self._n_present)
        return self._as_sums(pooled, packed.sizes)

    def _phi(self, packed: PackedSets, context: Tensor | None) -> Callable[[PackedSets], Tensor]:
        """Phi of each member for the elements of a batch, or of parts of it: (K * n, k)."""
        n_members, shift = self._n_present, self._shift(packed, context)
        stretch = self.stretch(self._scaled(context)) if self.fusion_type == "film" else None

        def phi(part: PackedSets) -> Tensor:
            hidden = self.first(self._views(part))
            hidden = hidden.view(n_members, -1, hidden.shape[1]).add_(self.first_bias).flatten(0, 1)
            if self.categories is not None:
                hidden = hidden + self.categories(part.elements[:, self.n_numbers :])
            everyone = part.repeated(n_members, hidden)
            if stretch is not None:  # training starts near the plain phi
                hidden = hidden * (1 + everyone.spread(stretch))
            if shift is not None:
                hidden = hidden + everyone.spread(shift)
            return self.encoder(everyone._replace(elements=self.activation(hidden)))

        return phi

    def _as_sums(self, pooled: Tensor, sizes: Tensor) -> Tensor:
        """Pooled vectors (K * b, k) of sets of these sizes, in which means become sums in the kinds with sums."""
        if not any(kind.sums for kind in self.kinds):
            return pooled
        sums = self.sums.view(len(self.kinds), -1)[:, : self._n_present // len(self.kinds)].reshape(-1, 1)
        factor = torch.where(sums, sizes.to(pooled.dtype) * self.sum_scale, 1).view(-1, 1)
        parts = zip(self.pooling.names, pooled.split(self.encoder.output_dim, dim=1), strict=True)
        return torch.cat([values * factor if name == "mean" else values for name, values in parts], dim=1)

    def _shift(self, packed: PackedSets, context: Tensor | None) -> Tensor | None:
        """What is added to the first layer's output for each element of a set, (K * b, first_dim)."""
        found = []
        if self.fusion_type in ("concat", "film"):
            found.append(self.shift(self._scaled(context)))
        if self.fusion_type == "add":  # what is added to the elements, behind the first layer
            moves = [move(self._scaled(context)) for move in self.moves]
            pairs = zip(moves, self.first.weights, strict=True)
            products = [torch.bmm(move.view(len(weight), -1, move.shape[1]), weight) for move, weight in pairs]
            found.append(torch.cat(products).flatten(0, 1))
        if self.of_pooled is not None:
            found.append(self.of_pooled([packed.max(view) for view in self._views(packed)]))
        return sum(found[1:], found[0]) if found else None

    def _views(self, packed: PackedSets) -> list[Tensor]:
        """The elements as each kind sees them, (n, d_c)."""
        return _views(self.scalings(packed.elements[:, : self.n_numbers]), [kind.elements for kind in self.kinds])

    def _scaled(self, context: Tensor | None) -> Tensor:
        """The context (b, c) with its numbers scaled."""
        assert context is not None
        assert self.context_scalings is not None
        n_numbers = self.context_scalings.n_columns
        (numbers,) = self.context_scalings(context[:, :n_numbers]).values()
        return torch.cat([numbers, context[:, n_numbers:].to(numbers.dtype)], dim=1)

    def _rho(self, pooled: Tensor, statistics: Tensor | None, context: Tensor | None) -> Tensor:
        hidden = self.rho_first(self.dropout(pooled))
        if self.beside is not None:
            scaled = self.of_sets(statistics)
            hidden = hidden + self.beside(_views(scaled, [kind.statistics for kind in self.kinds]))
        if self.from_context is not None:
            hidden = hidden + self.from_context(self._scaled(context))
        for layer in self.rho:
            hidden = layer(self.dropout(self.activation(hidden)))
        return hidden

    def said_by(self, state: State, folds: Sequence[int], packed: PackedSets, context: Tensor | None) -> Tensor:
        """See :class:`Pack`."""
        kinds = [self.of_kind(state, kind) for kind in range(len(self.kinds))]
        chosen = self.joined([{name: tensor[folds] for name, tensor in of_kind.items()} for of_kind in kinds])
        return functional_call(self, chosen, (packed,), {"context": context, "mean": False})

    def of_kind(self, state: State, kind: int) -> State:
        """See :class:`Pack`."""
        found = {}
        for name, tensor in state.items():
            own = _OF_A_KIND.fullmatch(name)
            if own is None:
                found[name] = tensor[kind * self.n_folds : (kind + 1) * self.n_folds]
            elif int(own["kind"]) == kind:
                found[f"{own['before']}0{own['after']}"] = tensor
        return found

    def joined(self, states: Sequence[State]) -> State:
        """See :class:`Pack`."""
        found = {}
        for name in states[0]:
            own = _OF_A_KIND.fullmatch(name)
            if own is None:
                found[name] = torch.cat([state[name] for state in states])
            else:
                for number, state in enumerate(states):
                    found[f"{own['before']}{number}{own['after']}"] = state[name]
        return found

    def with_kinds(self, kinds: Sequence[Kind], states: Sequence[State]) -> DeepSetsPack:
        """See :class:`Pack`."""
        pack = copy.deepcopy(self)
        pack.kinds = tuple(kinds)
        for module in pack.modules():
            if isinstance(module, KindLinear):
                module.weights = nn.ParameterList(nn.Parameter(torch.empty(0)) for _ in kinds)
        if self.fusion_type == "add":
            pack.moves = nn.ModuleList(copy.deepcopy(self.moves[0]) for _ in kinds)
        for name, tensor in self.joined(states).items():
            path, _, leaf = name.rpartition(".")
            setattr(pack.get_submodule(path), leaf, nn.Parameter(tensor.clone()))
        each = [kind for kind in kinds for _ in range(self.n_folds)]
        pack.dropout.rates = self.dropout.rates.new_tensor([kind.dropout for kind in each]).view(-1, 1, 1)
        pack.sums = self.sums.new_tensor([kind.sums for kind in each])
        pack.weighted([1 / len(kinds)] * len(kinds), 0.0)
        return pack


# The name of a parameter of one kind alone.
_OF_A_KIND = re.compile(r"(?P<before>(\w+\.weights|moves)\.)(?P<kind>\d+)(?P<after>(\..*)?)")


def _views(scaled: dict[str, Tensor], names_of_kinds: list[tuple[str, ...]]) -> list[Tensor]:
    """The scalings side by side that each kind takes."""
    nothing = next(iter(scaled.values()))[:, :0]
    return [torch.cat([nothing, *(scaled[name] for name in names)], dim=1) for names in names_of_kinds]
