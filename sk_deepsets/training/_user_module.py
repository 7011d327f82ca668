"""A torch module of the user's own in the place of the package's core: one, or one for each fold."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from functools import partial
from inspect import Parameter, signature
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from sk_deepsets.nn import Kind, Pack, PackedSets, State, pad
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
    options : dict, optional
        Further arguments of ``module``: the parameters ``module__...`` of the estimator.
    """

    def __init__(
        self,
        module: Callable[..., nn.Module],
        input_dim: int,
        output_dim: int,
        context_dim: int | None = None,
        input_layer: nn.Module | None = None,
        context_layer: nn.Module | None = None,
        options: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.dims = {"input_dim": input_dim, "output_dim": output_dim}
        if context_dim is not None:
            self.dims["context_dim"] = context_dim
        self.options = options or {}
        _check_options(module, self.dims, self.options)
        made = module(**self.dims, **self.options)
        if not isinstance(made, nn.Module) or not any(weight.requires_grad for weight in made.parameters()):
            raise TypeError(f"module made {made!r:.80}; expected a torch module with weights to train.")
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
        """What the module returned, if the loss can be taken of it; otherwise an error that tells both."""
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
                "or values, no numbers of classes."
            )
        if output.device != elements.device:
            raise ValueError(f"{place} returned a tensor on {output.device}; expected it on {elements.device}, as x.")
        trains = self.training and torch.is_grad_enabled() and any(w.requires_grad for w in self.module.parameters())
        if trains and width and not output.requires_grad:
            raise ValueError(
                f"{place} returned a tensor without a gradient, which cannot be trained: leave out detach(), .data, "
                "torch.no_grad() and the way through NumPy."
            )
        return output.to(torch.get_default_dtype())  # of a module in half or double precision

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


def _check_options(module: Callable[..., nn.Module], dims: dict[str, int], options: dict[str, Any]) -> None:
    """Raise for an argument that the module does not take, or that the data give."""
    name = getattr(module, "__qualname__", repr(module))
    try:
        taken = signature(module).parameters.values()
    except (TypeError, ValueError):  # written in C
        return
    named = [one.name for one in taken if one.kind in (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)]
    for option in options:
        if option in ("input_dim", "output_dim", "context_dim"):
            raise ValueError(f"module__{option} cannot be chosen: {option} follows from the data.")
        if option not in named and all(one.kind != Parameter.VAR_KEYWORD for one in taken):
            others = [
                f"module__{one}" for one in named if one not in ("self", "input_dim", "output_dim", "context_dim")
            ]
            raise ValueError(
                f"module__{option} is no parameter of module={name}; it takes {', '.join(others) or 'no further ones'}."
            )


class ModulePack(Pack):
    """Several :class:`PaddedModule` side by side, one for each fold.

    Parameters
    ----------
    n_folds, link, prior
        As in :class:`Pack`.
    **dims
        Arguments of :class:`PaddedModule`.
    """

    def __init__(self, n_folds: int, link: str, prior: Sequence[float], **dims: Any) -> None:
        super().__init__([Kind(())], n_folds, link, prior)
        members = nn.ModuleList(PaddedModule(**dims) for _ in range(n_folds))
        self.members: Sequence[Any] = members  # type: ignore[assignment]  # a ModuleList does not say of what

    def forward(self, packed: PackedSets, context: Tensor | None = None, *, mean: bool = True) -> Tensor:
        """The mean of the members' outputs (b, output_dim), or without ``mean`` all of them (K, b, output_dim)."""
        outputs = torch.stack([member(packed, context) for member in self.members])
        return self.mean_of(outputs) if mean else outputs

    def embed(self, packed: PackedSets, context: Tensor | None = None) -> Tensor:
        """What the modules' own ``embed`` make of each set, side by side."""
        return torch.cat([member.embed(packed, context) for member in self.members], dim=1)

    def said_by(self, state: State, folds: Sequence[int], packed: PackedSets, context: Tensor | None) -> Tensor:
        """See :class:`Pack`."""
        found = []
        for number in (kind * self.n_folds + fold for kind in range(len(self.kinds)) for fold in folds):
            own = _renumbered(state, {number: 0})
            own = {name.removeprefix("members.0."): tensor for name, tensor in own.items()}
            found.append(functional_call(self.members[number], own, (packed, context)))
        return torch.stack(found)

    def of_kind(self, state: State, kind: int) -> State:
        """See :class:`Pack`."""
        return _renumbered(state, {kind * self.n_folds + fold: fold for fold in range(self.n_folds)})

    def joined(self, states: Sequence[State]) -> State:
        """See :class:`Pack`."""
        found: State = {}
        for kind, state in enumerate(states):
            found |= _renumbered(state, {fold: kind * self.n_folds + fold for fold in range(self.n_folds)})
        return found

    def with_kinds(self, kinds: Sequence[Kind], states: Sequence[State]) -> ModulePack:
        """See :class:`Pack`."""
        pack = copy.deepcopy(self)
        pack.kinds = tuple(kinds)
        first = list(self.members)[: self.n_folds]
        pack.members = nn.ModuleList(copy.deepcopy(member) for _ in kinds for member in first)  # type: ignore[assignment]
        pack.load_state_dict(self.joined(states), strict=False)
        pack.weighted([1 / len(kinds)] * len(kinds), 0.0)
        return pack


def _renumbered(state: State, numbers: dict[int, int]) -> State:
    """The parameters of some members, by new numbers."""
    found = {}
    for name, tensor in state.items():
        _, number, rest = name.split(".", 2)
        if int(number) in numbers:
            found[f"members.{numbers[int(number)]}.{rest}"] = tensor
    return found
