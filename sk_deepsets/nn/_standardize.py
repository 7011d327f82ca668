"""Standardize: a fixed shift and scale as the first layer of a model."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Standardize(nn.Module):
    """(x - mean) / scale, computed in float64 whatever the dtype of x is, returned in the model's dtype.

    As a layer it travels with the model's weights, so that a saved model takes raw data; and each batch is
    standardised when it is needed, with no copy of the data set.

    Parameters
    ----------
    mean, scale : Tensor of shape (d,)
        In float64, so that x loses no digits to a large mean: time stamps keep their seconds. A mean rounded to the
        dtype of x would make the same values in another dtype other values.

    Notes
    -----
    The model's dtype is torch's default dtype at the time of construction, or what ``model.double()`` makes it.
    """

    mean: Tensor
    scale: Tensor
    like_model: Tensor

    def __init__(self, mean: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("scale", scale)
        # follows the model where model.double() takes it, which a dtype kept as an attribute would not
        self.register_buffer("like_model", torch.empty(0), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Standardise ``x (n, d)``."""
        return self.unrounded(x).to(self.like_model.dtype)

    def unrounded(self, x: Tensor) -> Tensor:
        """The same before it is rounded to the model's dtype."""
        return (x.to(torch.promote_types(x.dtype, self.mean.dtype)) - self.mean) / self.scale
