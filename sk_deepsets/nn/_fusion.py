"""Fusion: three ways for elements to see the context of their set.

What depends on the context alone is computed once per set and then looked up, never once per element.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from sk_deepsets.nn._layers import ONE_NET, Layers
from sk_deepsets.nn._packed import PackedSets

FUSION_TYPES = ("concat", "add", "film")
Fused = tuple[PackedSets, Callable[[Tensor], Tensor] | None]
"""What goes into the first layer, and how the output of the first layer is changed, if it is."""


class Fusion(nn.Module):
    """How elements x see the context z of their set, before a first layer with ``first_dim`` outputs.

    ``"concat"``: the first layer takes [x, z]. ``"add"``: it takes x + W z, with context_dim * input_dim weights in W.
    ``"film"``: its output h becomes gamma(z) * h + beta(z) before the activation (Perez et al., 2018).
    """

    def __init__(
        self, fusion_type: str, input_dim: int, context_dim: int, first_dim: int | None, layers: Layers = ONE_NET
    ) -> None:
        super().__init__()
        self.fusion_type = fusion_type
        self.output_dim = input_dim + context_dim if fusion_type == "concat" else input_dim
        if fusion_type == "add":
            self.projection = layers.linear(context_dim, input_dim, bias=False)
        elif fusion_type == "film":
            if first_dim is None:
                raise ValueError('fusion_type="film" modulates phi\'s first layer, but phi_hidden_dims is empty.')
            self.gamma = layers.linear(context_dim, first_dim)
            self.beta = layers.linear(context_dim, first_dim)
            nn.init.ones_(self.gamma.bias)  # type: ignore[arg-type]  # training starts from the plain phi, near gamma = 1

    def forward(self, packed: PackedSets, context: Tensor) -> Fused:
        """Fuse packed elements (n, input_dim) and context (b, context_dim)."""
        if self.fusion_type == "concat":
            return packed._replace(elements=torch.cat([packed.elements, packed.spread(context)], dim=-1)), None
        if self.fusion_type == "add":
            return packed._replace(elements=packed.elements + packed.spread(self.projection(context))), None
        gamma, beta = self.gamma(context), self.beta(context)  # (b, first_dim)
        return packed, lambda hidden: packed.spread(gamma) * hidden + packed.spread(beta)
