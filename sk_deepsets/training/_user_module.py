"""A torch module of the user's own in the place of the package's core: one, or one for each fold."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from functools import partial
from inspect import Parameter, isclass, isroutine, signature
from typing import Any, Self

import torch
from torch import Tensor, nn

from sk_deepsets.nn import Ensemble, Inputs, Model, PackedSets, Stack, WeightCounts, pad, split_collections
from sk_deepsets.training._runtime import as_global_generator


class PaddedModule(Model):
    """Pads each mini-batch for a module that is called as ``forward(x, mask)``.

    Parameters
    ----------
    module : callable
        Built as ``module(input_dim=..., output_dim=...)``, with ``context_dim=...`` where there is context.
    input_dim, output_dim : int
    context_dim : int, optional
    input_layer, context_layer : nn.Module, optional
        What elements and context go through first.
    options : dict, optional
        Further arguments of ``module``: the parameters ``module__...`` of the estimator.
    collections : dict of str to int, optional
        Of several collections, how many columns of the table of all each has. Then ``input_dim`` and ``input_layer``
        are those of each, and ``forward`` is called with keywords: ``orders=x, orders_mask=mask``.
    """

    pooling = None
    is_padded = True

    def __init__(
        self,
        module: Callable[..., nn.Module],
        input_dim: int | dict[str, int],
        output_dim: int,
        context_dim: int | None = None,
        input_layer: nn.Module | None = None,
        context_layer: nn.Module | None = None,
        options: dict[str, Any] | None = None,
        collections: dict[str, int] | None = None,
    ) -> None:
        super().__init__()
        self.collections = collections
        self.dims: dict[str, Any] = {"input_dim": input_dim, "output_dim": output_dim}
        if context_dim is not None:
            self.dims["context_dim"] = context_dim
        self.options = options or {}
        _check_options(module, self.dims, self.options)
        made = module(**self.dims, **self.options)
        if not isinstance(made, nn.Module) or not any(weight.requires_grad for weight in made.parameters()):
            raise TypeError(f"module made {made!r:.80}; expected a torch module with weights to train.")
        _check_call(made, context_dim is not None, collections)
        self.module = made
        self.input_layer = input_layer
        self.context_layer = context_layer

    def forward(self, packed: PackedSets, context: Tensor | None = None) -> Tensor:
        """Logits or values of each set, (b, output_dim)."""
        return self._checked(self._padded(self.module, packed, context), packed, "forward", self.dims["output_dim"])

    def embed(self, packed: PackedSets, context: Tensor | None = None) -> Tensor:
        """What the module's own ``embed``, with the arguments of its ``forward``, makes of each set."""
        return self._checked(self._padded(self.module.embed, packed, context), packed, "embed", None)

    def _checked(self, output: Any, packed: PackedSets, method: str, width: int | None) -> Tensor:
        """What the module returned, checked: an error states what was expected and what came."""
        n_sets, elements = len(packed.sizes), packed.elements
        shape = f"(b, {'output_dim' if width else 'k'}), here ({n_sets}, {width or 'k'})"
        place = f"{type(self.module).__name__}.{method}"
        if not isinstance(output, Tensor):
            what = f"a {type(output).__name__}"
            if isinstance(output, tuple | list):
                what += f" of {len(output)}"
            way = "" if output is not None else " Does it end without a return?"
            if isinstance(output, tuple | list):
                way = f" Return the {'logits or values' if width else 'embedding'} alone."
            raise TypeError(f"{place} returned {what}; expected one tensor of shape {shape}.{way}")
        if output.dim() != 2 or len(output) != n_sets or width not in (None, output.shape[1]):
            raise ValueError(f"{place} returned a tensor of shape {tuple(output.shape)}; expected {shape}.")
        if not output.is_floating_point():
            raise TypeError(
                f"{place} returned a tensor of {output.dtype}; expected {shape} of {torch.get_default_dtype()}: logits "
                "or values, not class numbers."
            )
        if output.device != elements.device:
            raise ValueError(f"{place} returned a tensor on {output.device}; expected it on {elements.device}, as x.")
        trains = self.training and torch.is_grad_enabled() and any(w.requires_grad for w in self.module.parameters())
        if trains and width and not output.requires_grad:
            raise ValueError(
                f"{place} returned a tensor without a gradient, which cannot be trained: leave out detach(), .data, "
                "torch.no_grad() and detours through NumPy."
            )
        return output.to(torch.get_default_dtype())  # of a module in half or double precision

    def _padded(self, function: Any, packed: PackedSets, context: Tensor | None) -> Tensor:
        if context is not None and self.context_layer is not None:
            context = self.context_layer(context)
        more = {} if context is None else {"context": context}
        if self.collections is None:
            if self.input_layer is not None:
                packed = packed._replace(elements=self.input_layer(packed.elements))
            x, mask = pad(packed)  # (b, m, d), (b, m)
            # by keyword: DeepSetsConditional takes the context first
            call = partial(function, x, mask=mask, **more) if more else partial(function, x, mask)
        else:
            call = partial(function, **self._padded_collections(packed), **more)
        if not self.training:
            return call()
        with as_global_generator():  # where its dropout draws from
            return call()

    def _padded_collections(self, packed: PackedSets) -> dict[str, Tensor]:
        """The array and the mask of each collection, by its name."""
        assert self.collections is not None
        layers: Any = self.input_layer
        found = {}
        pairs = zip(self.collections.items(), split_collections(packed, len(self.collections)), strict=True)
        for number, ((name, width), part) in enumerate(pairs):
            elements = layers[number](part.packed.elements[:, :width])
            found[name], found[f"{name}_mask"] = pad(part.packed._replace(elements=elements))
        return found

    def moving_buffers(self) -> list[Tensor]:
        """See :class:`Model`."""
        return list(self.module.buffers())

    def weight_counts(self) -> WeightCounts:
        """See :class:`Model`; all of them may meet every element."""
        return WeightCounts(sum(weight.numel() for weight in self.parameters()), 0, 0)

    def mean_elements(self) -> list[Tensor]:
        """See :class:`Model`."""
        layers: Any = [self.input_layer] if self.collections is None else self.input_layer
        return [layer.mean for layer in layers]


def _check_call(module: nn.Module, has_context: bool, collections: dict[str, int] | None) -> None:
    """Raise for a ``forward`` that does not take what it is called with."""
    values = ["x", "mask"] if collections is None else []
    names = [f"{name}{end}" for name in collections or {} for end in ("", "_mask")] + ["context"] * has_context
    if values and names:
        values, names = values[:1], [*values[1:], *names]
    try:
        takes = signature(module.forward)
    except (TypeError, ValueError):  # written in C
        return
    try:
        takes.bind(*values, **dict.fromkeys(names))
    except TypeError as error:
        raise TypeError(
            f"{type(module).__name__} is called as forward({', '.join(values + names)}), but its forward is "
            f"forward{takes}: {error}."
        ) from error


def _check_options(module: Callable[..., nn.Module], dims: dict[str, int], options: dict[str, Any]) -> None:
    """Raise for an argument that the module does not take, or that the data give."""
    name = module.__qualname__ if isclass(module) or isroutine(module) else repr(module)
    try:
        taken = signature(module).parameters.values()
    except (TypeError, ValueError):  # written in C
        return
    named = [p.name for p in taken if p.kind in (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)]
    takes_any = any(p.kind == Parameter.VAR_KEYWORD for p in taken)
    lacking = [dim for dim in dims if dim not in named and not takes_any]
    if lacking:
        raise TypeError(
            f"module={name} is built with {', '.join(f'{dim}=...' for dim in dims)}, but takes no {lacking[0]}."
        )
    for option in options:
        if option in ("input_dim", "output_dim", "context_dim"):
            raise ValueError(f"module__{option} cannot be chosen: {option} follows from the data.")
        if option not in named and not takes_any:
            others = [
                f"module__{other}" for other in named if other not in ("self", "input_dim", "output_dim", "context_dim")
            ]
            raise ValueError(
                f"module__{option} is not a parameter of module={name}, which takes "
                f"{', '.join(others) or 'no further ones'}."
            )


class ModuleStack(Stack):
    """Several :class:`PaddedModule` one after another, one for each fold.

    Parameters
    ----------
    n_folds : int
    **options
        Arguments of :class:`PaddedModule`.
    """

    def __init__(self, n_folds: int, **options: Any) -> None:
        super().__init__()
        members = nn.ModuleList(PaddedModule(**options) for _ in range(n_folds))
        self.members: Sequence[Any] = members  # type: ignore[assignment]  # a ModuleList does not say of what

    def forward(self, inputs: Inputs) -> Tensor:
        """See :class:`Stack`."""
        return torch.stack([member(inputs.packed, inputs.context) for member in self.members])

    def embed(self, inputs: Inputs) -> Tensor:
        """See :class:`Stack`; what the modules' own ``embed`` make of each set."""
        return torch.stack([member.embed(inputs.packed, inputs.context) for member in self.members])

    def of_fold(self, fold: int) -> Self:
        """See :class:`Stack`."""
        other = copy.copy(self)
        other._modules = {"members": nn.ModuleList([self.members[fold]])}
        return other

    def weight_counts(self) -> WeightCounts:
        """See :class:`Stack`."""
        return WeightCounts(sum(weight.numel() for weight in self.parameters()), 0, 0)


class ModuleEnsemble(Ensemble):
    """The weighted mean of modules of the user's own.

    Parameters
    ----------
    n_folds, link, prior
        As in :class:`Ensemble`.
    **options
        Arguments of :class:`PaddedModule`.
    """

    stacks: Sequence[ModuleStack]
    pooling = None
    is_padded = True

    def __init__(self, n_folds: int, link: str, prior: Sequence[float], **options: Any) -> None:
        super().__init__([ModuleStack(n_folds, **options)], n_folds, link, prior)

    def moving_buffers(self) -> list[Tensor]:
        """See :class:`Model`."""
        return [one for stack in self.stacks for member in stack.members for one in member.moving_buffers()]

    def mean_elements(self) -> list[Tensor]:
        """See :class:`Model`."""
        return self.stacks[0].members[0].mean_elements()
