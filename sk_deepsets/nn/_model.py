"""Model: what every model declares of itself; SetModel: what those of this package begin with."""

from __future__ import annotations

from abc import abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor, nn

from sk_deepsets.nn._fusion import FUSION_TYPES, Fused, Fusion
from sk_deepsets.nn._layers import ONE_NET, Layers
from sk_deepsets.nn._packed import PackedSets
from sk_deepsets.nn._set_pooling import SetPooling


class WeightCounts(NamedTuple):
    """How many weights there are in the parts of a model: what a batch costs, and what a picture of it shows."""

    phi: int
    """Those that meet every element"""
    pool: int
    rho: int
    """Those that meet every set"""


class Model(nn.Module):
    """What a model can do beside ``forward``; training, inspection and io rely on nothing else.

    Attributes
    ----------
    pooling : SetPooling or None
        What makes one vector of each set; None where there is no such place.
    """

    pooling: SetPooling | None

    @property
    def pool_names(self) -> list[tuple[str, ...]]:
        """The pools of ``pooling``; of an ensemble, those of each kind of member."""
        return [] if self.pooling is None else [self.pooling.names]

    @property
    def n_members(self) -> int:
        """How many nets the output is the mean of."""
        return 1

    @property
    def n_folds(self) -> int:
        """Into how many folds the training sets are divided, of which each member holds out one; 1: they are not."""
        return 1

    @property
    def is_elementwise(self) -> bool:
        """Whether each element goes through phi by itself: then the model has ``leave_one_out``."""
        return False

    @property
    def reads_statistics(self) -> bool:
        """Whether the output depends on statistics of the set beside what is pooled."""
        return False

    @property
    def projected_dims(self) -> list[int | None]:
        """To how many columns the elements of each collection are reduced first; empty: none are."""
        return []

    @property
    def is_padded(self) -> bool:
        """Whether a batch takes memory in proportion to its largest set."""
        return False

    def moving_buffers(self) -> list[Tensor]:
        """Buffers that training changes, such as the running means of a batch normalisation."""
        return []

    @abstractmethod
    def weight_counts(self) -> WeightCounts:
        """How many weights there are in each part."""

    @property
    def embedding_dim(self) -> int | None:
        """How many values a member pools of a set; None where it does not."""
        return None if self.pooling is None else self.pooling.output_dim

    @abstractmethod
    def mean_elements(self) -> list[Tensor]:
        """Of each collection the mean of its columns of numbers, which are the first, (d,) in float64."""

    def from_mean(self, elements: Tensor) -> Tensor:
        """How far elements (n, d) in float64 are from the mean element, where explanations begin; 0 for codes."""
        means = self.mean_elements()
        difference = torch.zeros_like(elements)
        for number, mean in enumerate(means):
            own = elements[:, : len(mean)] - mean
            is_own = None if len(means) == 1 else elements[:, -1:] == number
            difference[:, : len(mean)] += own if is_own is None else torch.where(is_own, own, 0)
        return difference

    def width(self) -> int:
        """The most values that a layer has for one element."""
        return 1

    def leave_one_out(self, packed: PackedSets, context: Tensor | None = None) -> Tensor:
        """The output for its set without it, for each element: (n, output_dim)."""
        raise NotImplementedError

    def attention(self, packed: PackedSets, context: Tensor | None = None) -> Tensor:
        """The weight of each element in the attention pool of its set, (n,)."""
        raise NotImplementedError


class SetModel(Model):
    """The base of the models: an input layer, a context layer, and, where there is context, its fusion with elements.

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
        layers: Layers = ONE_NET,
    ) -> None:
        super().__init__()
        self.input_layer = nn.Identity() if input_layer is None else input_layer
        self.context_layer = nn.Identity() if context_layer is None else context_layer
        if fusion_type not in FUSION_TYPES:
            raise ValueError(f"fusion_type must be one of {FUSION_TYPES}, but got {fusion_type!r}.")
        self.fusion = None if context_dim is None else Fusion(fusion_type, input_dim, context_dim, first_dim, layers)
        self.fused_dim = input_dim if self.fusion is None else self.fusion.output_dim

    def fuse(self, packed: PackedSets, context: Tensor | None = None) -> Fused:
        """Elements as they came, and the context behind its layer, to what goes into the first layer."""
        if (context is None) is not (self.fusion is None):
            with_or_without = "without" if self.fusion is None else "with"
            raise ValueError(f"The model was built {with_or_without} context_dim: call it {with_or_without} context.")
        packed = packed._replace(elements=self.input_layer(packed.elements))
        return (packed, None) if self.fusion is None else self.fusion(packed, context)

    def mean_elements(self) -> list[Tensor]:
        """See :class:`Model`; of an input layer that standardises."""
        return [self.input_layer.mean]  # type: ignore[list-item]  # a module's attributes may be anything


def count_weights(*modules: nn.Module | None) -> int:
    """How many weights these modules have."""
    return sum(weight.numel() for module in modules if module is not None for weight in module.parameters())
