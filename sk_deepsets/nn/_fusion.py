"""What every model begins with: layers for elements and context, and three ways for elements to see the context.

What depends on the context alone is computed once per set and then looked up, never once per element.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from sk_deepsets.nn._packed import PackedSets

FUSION_TYPES = ("concat", "add", "film")
Fused = tuple[PackedSets, Callable[[Tensor], Tensor] | None]
"""What goes into the first layer, and how the output of the first layer is changed, if it is."""


class Fusion(nn.Module):
    """How elements x see the context z of their set, before a first layer with ``first_dim`` outputs.

    ``"concat"``: the first layer takes [x, z]. ``"add"``: it takes x + W z, with context_dim * input_dim weights in W.
    ``"film"``: its output h becomes gamma(z) * h + beta(z) before the activation (Perez et al., 2018).
    """

    def __init__(self, fusion_type: str, input_dim: int, context_dim: int, first_dim: int | None) -> None:
        super().__init__()
        self.fusion_type = fusion_type
        self.output_dim = input_dim + context_dim if fusion_type == "concat" else input_dim
        if fusion_type == "add":
            self.projection = nn.Linear(context_dim, input_dim, bias=False)
        elif fusion_type == "film":
            if first_dim is None:
                raise ValueError('fusion_type="film" modulates phi\'s first layer, but phi_hidden_dims is empty.')
            self.gamma = nn.Linear(context_dim, first_dim)
            self.beta = nn.Linear(context_dim, first_dim)
            nn.init.ones_(self.gamma.bias)  # training starts from the plain phi, near gamma = 1

    def forward(self, packed: PackedSets, context: Tensor) -> Fused:
        """Fuse packed elements (n, input_dim) and context (b, context_dim)."""
        if self.fusion_type == "concat":
            return packed._replace(elements=torch.cat([packed.elements, packed.spread(context)], dim=-1)), None
        if self.fusion_type == "add":
            return packed._replace(elements=packed.elements + packed.spread(self.projection(context))), None
        gamma, beta = self.gamma(context), self.beta(context)  # (b, first_dim)
        return packed, lambda hidden: packed.spread(gamma) * hidden + packed.spread(beta)


class SetModel(nn.Module):
    """The base of all models: an input layer, a context layer, and, where there is context, its fusion with elements.

    ``fused_dim`` features go into the first layer. Dimensions are those behind the input and the context layer.
    """

    def __init__(
        self,
        input_dim: int,
        first_dim: int | None = None,
        context_dim: int | None = None,
        fusion_type: str = "concat",
        input_layer: nn.Module | None = None,
        context_layer: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.input_layer = nn.Identity() if input_layer is None else input_layer
        self.context_layer = nn.Identity() if context_layer is None else context_layer
        if fusion_type not in FUSION_TYPES:
            raise ValueError(f"fusion_type must be one of {FUSION_TYPES}, but got {fusion_type!r}.")
        self.fusion = None if context_dim is None else Fusion(fusion_type, input_dim, context_dim, first_dim)
        self.fused_dim = input_dim if self.fusion is None else self.fusion.output_dim

    def fuse(self, packed: PackedSets, context: Tensor | None = None) -> Fused:
        """Elements as they came, and the context behind its layer, to what goes into the first layer."""
        if (context is None) is not (self.fusion is None):
            with_or_without = "without" if self.fusion is None else "with"
            raise ValueError(f"The model was built {with_or_without} context_dim: call it {with_or_without} context.")
        packed = packed._replace(elements=self.input_layer(packed.elements))
        return (packed, None) if self.fusion is None else self.fusion(packed, context)
