"""Three ways for phi to see the context of the set that an element belongs to.

Each is a phi of its own: packed elements (n, d) and context (b, c) in, hidden features (n, k) out. What depends
on the context alone is computed once a set and then looked up, never once an element.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sk_deepsets.nn._encoder import Encoder
from sk_deepsets.nn._packed import PackedSets


class ConcatFusion(nn.Module):
    """phi([x, z])."""

    def __init__(self, input_dim: int, context_dim: int, hidden_dims: Sequence[int], **encoder: Any) -> None:
        super().__init__()
        self.encoder = Encoder(input_dim + context_dim, hidden_dims, **encoder)

    def forward(self, packed: PackedSets, context: Tensor) -> Tensor:
        """Hidden features of the elements, (n, k)."""
        elements = torch.cat([packed.elements, context[packed.segments]], dim=-1)
        return self.encoder(packed._replace(elements=elements))


class AddFusion(nn.Module):
    """phi(x + W z), with context_dim * input_dim weights in W."""

    def __init__(self, input_dim: int, context_dim: int, hidden_dims: Sequence[int], **encoder: Any) -> None:
        super().__init__()
        self.projection = nn.Linear(context_dim, input_dim, bias=False)
        self.encoder = Encoder(input_dim, hidden_dims, **encoder)

    def forward(self, packed: PackedSets, context: Tensor) -> Tensor:
        """Hidden features of the elements, (n, k)."""
        elements = packed.elements + self.projection(context)[packed.segments]
        return self.encoder(packed._replace(elements=elements))


class FilmFusion(nn.Module):
    """activation(gamma(z) * h + beta(z)) for the first layer's output h (Perez et al., 2018)."""

    def __init__(self, input_dim: int, context_dim: int, hidden_dims: Sequence[int], **encoder: Any) -> None:
        super().__init__()
        if not len(hidden_dims):
            raise ValueError('fusion_type="film" modulates phi\'s first layer, but phi_hidden_dims is empty.')
        self.encoder = Encoder(input_dim, hidden_dims, **encoder)
        self.gamma = nn.Linear(context_dim, hidden_dims[0])
        self.beta = nn.Linear(context_dim, hidden_dims[0])
        nn.init.ones_(self.gamma.bias)  # training starts from the plain phi, near gamma = 1

    def forward(self, packed: PackedSets, context: Tensor) -> Tensor:
        """Hidden features of the elements, (n, k)."""
        gamma, beta = self.gamma(context), self.beta(context)  # (b, h)

        def modulate(hidden: Tensor) -> Tensor:
            return gamma[packed.segments] * hidden + beta[packed.segments]

        return self.encoder(packed, modulate)


FUSIONS: dict[str, type[ConcatFusion] | type[AddFusion] | type[FilmFusion]] = {
    "concat": ConcatFusion,
    "add": AddFusion,
    "film": FilmFusion,
}
