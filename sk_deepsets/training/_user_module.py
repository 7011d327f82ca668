"""PaddedModule: a torch module of the user's own in the place of the package's core."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from torch import Tensor, nn

from sk_deepsets.nn import PackedSets, pad
from sk_deepsets.training._runtime import as_global_generator


class PaddedModule(nn.Module):
    """Pads each mini-batch for a module that is called as ``forward(x, mask)``.

    Parameters
    ----------
    module : callable
        Built as ``module(input_dim=..., output_dim=...)``, with ``context_dim=...`` where there is context.
    input_dim, output_dim : int
    context_dim : int, optional
    input_layer, context_layer : nn.Module, optional
        What elements and context go through first.
    """

    def __init__(
        self,
        module: Callable[..., nn.Module],
        input_dim: int,
        output_dim: int,
        context_dim: int | None = None,
        input_layer: nn.Module | None = None,
        context_layer: nn.Module | None = None,
    ) -> None:
        super().__init__()
        dims = {} if context_dim is None else {"context_dim": context_dim}
        self.module = module(input_dim=input_dim, output_dim=output_dim, **dims)
        self.output_dim = output_dim
        self.input_layer = input_layer
        self.context_layer = context_layer

    def forward(self, packed: PackedSets, context: Tensor | None = None) -> Tensor:
        """Logits or values of each set, (b, output_dim)."""
        output = self._padded(self.module, packed, context)
        wanted = (len(packed.sizes), self.output_dim)
        if output.shape != wanted:
            raise ValueError(
                f"module returned an output of shape {tuple(output.shape)}; wanted (b, output_dim), {wanted}."
            )
        return output

    def embed(self, packed: PackedSets, context: Tensor | None = None) -> Tensor:
        """What the module's own ``embed``, with the arguments of its ``forward``, makes of each set."""
        return self._padded(self.module.embed, packed, context)

    def _padded(self, function: Any, packed: PackedSets, context: Tensor | None) -> Tensor:
        if self.input_layer is not None:
            packed = packed._replace(elements=self.input_layer(packed.elements))
        x, mask = pad(packed)  # (b, m, d), (b, m)
        if context is None:
            call = partial(function, x, mask)
        else:  # by keyword: DeepSetsConditional takes the context first
            context = context if self.context_layer is None else self.context_layer(context)
            call = partial(function, x, mask=mask, context=context)
        if not self.training:
            return call()
        with as_global_generator():  # where its dropout draws from
            return call()
