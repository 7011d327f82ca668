"""CustomLoss: a callable of the user's own as the loss of each set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from inspect import isroutine
from typing import Any

import torch
from torch import Tensor

from sk_deepsets.nn._links import Decoder
from sk_deepsets.nn._losses import SmoothableLoss


class CustomLoss(SmoothableLoss):
    """``function(outputs, targets)``: one loss for each set, (b,).

    Parameters
    ----------
    function : callable
    target : {"classes", "labels", "values"}
        The function takes logits in torch's default dtype, beside numbers of classes (b,), or zeros and ones (b, k); or
        values in the unit of y and in float64, (b,) if ``is_flat``, else (b, k).
    mean, scale : Tensor of shape (k,), optional
        What values were standardised with.
    is_flat : bool
        Whether there is one value for each set, without an axis of its own.
    gradient_factor : float
        By which the gradient with respect to the outputs is multiplied: steps are then those of the squared error of
        standardised values, in whatever unit the loss is.
    """

    def __init__(
        self,
        function: Callable[[Tensor, Tensor], Tensor],
        target: str,
        mean: Tensor | None = None,
        scale: Tensor | None = None,
        is_flat: bool = False,
        gradient_factor: float = 1.0,
        reduction: str = "none",
    ) -> None:
        super().__init__()
        if isinstance(function, type):
            raise TypeError(
                f"loss={function.__name__} is a class; expected a callable of outputs and targets, such as an instance "
                f"of it, loss={function.__name__}()."
            )
        self.function, self.target, self.is_flat, self.gradient_factor = function, target, is_flat, gradient_factor
        self.decoder = Decoder("identity", mean, scale)

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """Losses (b,) of outputs (b, o)."""
        if self.target == "values":
            output = output.double()
            # the same values with another gradient
            output = self.decoder(output.detach() + self.gradient_factor * (output - output.detach()))
            target = target.double()
            if self.is_flat:
                output, target = output[:, 0], target[:, 0]
        else:
            output = output.to(torch.get_default_dtype())
            target = target.to(output.dtype) if self.target == "labels" else target
        return self._checked(self.function(output, target), len(output))

    def alike(self, outputs: Tensor) -> Tensor | None:
        """See :class:`SmoothableLoss`: the mean over all classes, or over all labels being there and none."""
        if self.target == "values":
            return None
        rows = outputs.flatten(0, 1)
        if self.target == "classes":
            targets = [torch.full_like(rows[:, 0], number, dtype=torch.int64) for number in range(rows.shape[1])]
        else:
            targets = [torch.zeros_like(rows), torch.ones_like(rows)]
        losses = sum((self(rows, target) for target in targets), torch.zeros_like(rows[:, 0])) / len(targets)
        return losses.view(*outputs.shape[:2], 1)

    def gradient_at(
        self, outputs: Tensor, targets: Tensor, numbers: Sequence[int] | None = None, name: str = ""
    ) -> Tensor:
        """The gradient of the losses with respect to outputs, (n, o); an error where the losses are none to train with.

        Parameters
        ----------
        outputs : Tensor of shape (n, o)
            Of a constant prediction, say.
        targets : Tensor of shape (n,) or (n, k)
        numbers : sequence of int, optional
            Those of the sets, for messages; by default 0 to n - 1.
        name : str
            What follows X and y in messages.
        """
        outputs = outputs.clone().requires_grad_()
        with torch.enable_grad():
            losses = self(outputs, targets)
            (gradient,) = (
                torch.autograd.grad(losses.sum(), outputs, allow_unused=True) if losses.requires_grad else (None,)
            )
        if gradient is None:
            raise ValueError(
                f"{self._name} returned losses without a gradient with respect to the outputs, which cannot be trained "
                "on: leave out detach(), item(), round(), comparisons and detours through NumPy."
            )
        for what, values in (("the loss", losses[:, None]), ("the gradient of the loss", gradient)):
            wrong = ~values.isfinite().all(dim=1)
            if wrong.any():
                place = int(wrong.to(torch.uint8).argmax())
                output = self.decoder(outputs.detach().double()) if self.target == "values" else outputs.detach()
                number = place if numbers is None else numbers[place]
                raise ValueError(
                    f"{self._name}: {what} of set {number} of X{name} is {values[place].tolist()} for outputs of "
                    f"{output[place].tolist()} and y{name} of {targets[place].tolist()} (not finite for "
                    f"{int(wrong.sum()):,} of {len(wrong):,} sets); expected finite numbers."
                )
        return gradient

    @property
    def _name(self) -> str:
        function: Any = self.function
        while isinstance(function, partial):
            function = function.func
        return f"loss={function.__name__ if isroutine(function) else type(function).__name__}"

    def _checked(self, losses: Any, n_sets: int) -> Tensor:
        """What the function returned: an error states what was expected and what came."""
        expected = f"expected a tensor of shape (b,), here ({n_sets},): one loss for each set"
        if not isinstance(losses, Tensor):
            raise TypeError(f"{self._name} returned {losses!r:.80} ({type(losses).__name__}); {expected}.")
        if losses.shape != (n_sets,):
            way_out = ""
            if losses.dim() == 0:
                way_out = ' Leave out the mean or the sum; torch\'s own losses do so with reduction="none".'
            elif losses.dim() == 2 and len(losses) == n_sets:
                way_out = " Take the mean over the outputs, .mean(dim=1)."
            raise ValueError(f"{self._name} returned a tensor of shape {tuple(losses.shape)}; {expected}.{way_out}")
        if not losses.is_floating_point():
            raise TypeError(f"{self._name} returned a tensor of {losses.dtype}; {expected}, in floating point.")
        return losses
