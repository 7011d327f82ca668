"""What every model begins with: layers for elements and context, and three ways for elements to see the context.

What depends on the context alone is computed once per set and then looked up, never once per element.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from sk_deepsets.nn._packed import PackedSets

Fused = tuple[PackedSets, Callable[[Tensor], Tensor] | None]
"""What goes into the first layer, and how the output of the first layer is changed, if it is."""


class ConcatFusion(nn.Module):
    """[x, z]."""

    def __init__(self, input_dim: int, context_dim: int, first_dim: int | None) -> None:
        super().__init__()
        self.output_dim = input_dim + context_dim

    def forward(self, packed: PackedSets, context: Tensor) -> Fused:
        """Elements with the context of their set behind them."""
        return packed._replace(elements=torch.cat([packed.elements, packed.spread(context)], dim=-1)), None


class AddFusion(nn.Module):
    """x + W z, with context_dim * input_dim weights in W."""

    def __init__(self, input_dim: int, context_dim: int, first_dim: int | None) -> None:
        super().__init__()
        self.output_dim = input_dim
        self.projection = nn.Linear(context_dim, input_dim, bias=False)

    def forward(self, packed: PackedSets, context: Tensor) -> Fused:
        """Elements shifted by the projected context."""
        return packed._replace(elements=packed.elements + packed.spread(self.projection(context))), None


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
        return packed, lambda hidden: packed.spread(gamma) * hidden + packed.spread(beta)


FUSIONS: dict[str, type[ConcatFusion] | type[AddFusion] | type[FilmFusion]] = {
    "concat": ConcatFusion,
    "add": AddFusion,
    "film": FilmFusion,
}


class SetModel(nn.Module):
    """The base of all models: an input layer, a context layer, and a fusion of both where there is context.

    Parameters
    ----------
    input_dim : int
        Features of an element, behind the input layer.
    first_dim : int, optional
        Outputs of the first layer; None: there is no layer.
    context_dim : int, optional
        Features of the context of a set, behind the context layer. None: sets have no context.
    fusion_type : {"concat", "add", "film"}, default="concat"
    input_layer, context_layer : nn.Module, optional

    Attributes
    ----------
    fused_dim : int
        Features that go into the first layer.
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
        if fusion_type not in FUSIONS:
            raise ValueError(f"fusion_type must be one of {tuple(FUSIONS)}, but got {fusion_type!r}.")
        self.fusion = None if context_dim is None else FUSIONS[fusion_type](input_dim, context_dim, first_dim)
        self.fused_dim = input_dim if self.fusion is None else self.fusion.output_dim

    def fuse(self, packed: PackedSets, context: Tensor | None = None) -> Fused:
        """Elements as they came, and the context behind its layer, to what goes into the first layer."""
        if (context is None) is not (self.fusion is None):
            with_or_without = "without" if self.fusion is None else "with"
            raise ValueError(f"The model was built {with_or_without} context_dim: call it {with_or_without} context.")
        packed = packed._replace(elements=self.input_layer(packed.elements))
        return (packed, None) if self.fusion is None else self.fusion(packed, context)
