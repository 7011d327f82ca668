"""Three ways for elements to see the context of the set that they belong to.

Each takes packed elements (n, d) and context (b, c), and gives what goes into the first layer, (n, output_dim), and how
the first layer's output is changed, if it is. What depends on the context alone is computed once a set and then looked
up, never once an element.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sk_deepsets.nn._encoder import Encoder
from sk_deepsets.nn._packed import PackedSets

Fused = tuple[PackedSets, Callable[[Tensor], Tensor] | None]


class ConcatFusion(nn.Module):
    """[x, z]."""

    def __init__(self, input_dim: int, context_dim: int, first_dim: int | None) -> None:
        super().__init__()
        self.output_dim = input_dim + context_dim

    def forward(self, packed: PackedSets, context: Tensor) -> Fused:
        """Elements with the context of their set behind."""
        return packed._replace(elements=torch.cat([packed.elements, context[packed.segments]], dim=-1)), None


class AddFusion(nn.Module):
    """x + W z, with context_dim * input_dim weights in W."""

    def __init__(self, input_dim: int, context_dim: int, first_dim: int | None) -> None:
        super().__init__()
        self.output_dim = input_dim
        self.projection = nn.Linear(context_dim, input_dim, bias=False)

    def forward(self, packed: PackedSets, context: Tensor) -> Fused:
        """Elements shifted by the projected context."""
        return packed._replace(elements=packed.elements + self.projection(context)[packed.segments]), None


class FilmFusion(nn.Module):
    """activation(gamma(z) * h + beta(z)) for the first layer's output h (Perez et al., 2018)."""

    def __init__(self, input_dim: int, context_dim: int, first_dim: int | None) -> None:
        super().__init__()
        if first_dim is None:
            raise ValueError('fusion_type="film" modulates phi\'s first layer, but phi_hidden_dims is empty.')
        self.output_dim = input_dim
        self.gamma = nn.Linear(context_dim, first_dim)
        self.beta = nn.Linear(context_dim, first_dim)
        nn.init.ones_(self.gamma.bias)  # training starts from the plain phi, near gamma = 1

    def forward(self, packed: PackedSets, context: Tensor) -> Fused:
        """Elements as they are, and the modulation of the first layer."""
        gamma, beta = self.gamma(context), self.beta(context)  # (b, h)

        def modulate(hidden: Tensor) -> Tensor:
            return gamma[packed.segments] * hidden + beta[packed.segments]

        return packed, modulate


FUSIONS: dict[str, type[ConcatFusion] | type[AddFusion] | type[FilmFusion]] = {
    "concat": ConcatFusion,
    "add": AddFusion,
    "film": FilmFusion,
}


def make_fusion(
    name: str, input_dim: int, context_dim: int, first_dim: int | None
) -> ConcatFusion | AddFusion | FilmFusion:
    """The fusion of that name, before a first layer with ``first_dim`` outputs."""
    if name not in FUSIONS:
        raise ValueError(f"fusion_type must be one of {tuple(FUSIONS)}, but got {name!r}.")
    return FUSIONS[name](input_dim, context_dim, first_dim)


class FusedEncoder(nn.Module):
    """A phi that sees the context: a fusion and the layers of an encoder."""

    def __init__(
        self, fusion_type: str, input_dim: int, context_dim: int, hidden_dims: Sequence[int], **encoder: Any
    ) -> None:
        super().__init__()
        first_dim = hidden_dims[0] if len(hidden_dims) else None
        self.fusion = make_fusion(fusion_type, input_dim, context_dim, first_dim)
        self.encoder = Encoder(self.fusion.output_dim, hidden_dims, **encoder)

    def forward(self, packed: PackedSets, context: Tensor) -> Tensor:
        """Hidden features of the elements, (n, k)."""
        return self.encoder(*self.fusion(packed, context))
