"""Pooling: from the elements of each set to one vector a set, in time linear in the real elements.

For every pool an empty set gives 0 with a finite gradient.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding_bag

from sk_deepsets.nn._packed import PackedSets, pack

PoolType = str | Sequence[str]

BLOCK_SIZE = 65_536

POOL_TYPES = ("sum", "mean", "max", "min", "std", "attention")


def masked_pool(tensor: Tensor, pool_type: PoolType, mask: Tensor | None = None, keepdim: bool = False) -> Tensor:
    """Pool the elements of each set of a padded batch.

    Parameters
    ----------
    tensor : Tensor of shape (b, m, k)
    pool_type : {"sum", "mean", "max", "min", "std"} or a sequence of them
        ``"std"`` divides by the number of elements. Several pools are concatenated.
    mask : Tensor of shape (b, m), optional
        True or non-zero where an element stands. What stands elsewhere, NaN and infinity included, changes
        neither the result nor the gradient. The elements must be finite: max and min may pass over a NaN.
    keepdim : bool, default=False
        Whether to keep the pooled dimension as one of size 1.

    Returns
    -------
    Tensor of shape (b, k), (b, 1, k) with ``keepdim``
        An empty set gives 0. Several pools make the last dimension that much longer.

    Examples
    --------
    >>> import torch
    >>> from sk_deepsets.nn import masked_pool
    >>> x = torch.tensor([[[1.0], [3.0]], [[5.0], [torch.nan]]])
    >>> masked_pool(x, "mean", mask=torch.tensor([[1, 1], [1, 0]]))
    tensor([[2.],
            [5.]])
    """
    names = pool_names(pool_type)
    if "attention" in names:
        raise ValueError('pool_type="attention" has weights to learn: use SetPooling("attention", dim).')
    pooled = torch.cat([pool(pack(tensor, mask), name) for name in names], dim=-1)
    return pooled.unsqueeze(1) if keepdim else pooled


def pool_names(pool_type: PoolType) -> tuple[str, ...]:
    """The names in ``pool_type``, checked."""
    names = (pool_type,) if isinstance(pool_type, str) else tuple(pool_type)
    if not names or any(name not in POOL_TYPES for name in names):
        raise ValueError(f"pool_type must be one of {POOL_TYPES} or a non-empty tuple of them, but got {pool_type!r}.")
    return names


def pool(packed: PackedSets, name: str) -> Tensor:
    """Pool packed sets by one pool without weights: (n, k) to (b, k)."""
    elements, segments, sizes = packed
    if name == "max":
        return _max(elements, sizes)
    if name == "min":
        return -_max(-elements, sizes)
    if name == "sum":
        return _sum(elements, segments, sizes.shape[0])
    count = sizes.clamp(min=1).to(elements.dtype).unsqueeze(1)  # (b, 1)
    mean = _sum(elements, segments, sizes.shape[0]) / count
    if name == "mean":
        return mean
    variance = _sum((elements - packed.spread(mean)).square(), segments, sizes.shape[0]) / count
    return root(variance)


def root(variance: Tensor) -> Tensor:
    """The square root, whose slope is infinite at 0, where the standard deviation itself has a kink: 0 there."""
    positive = variance != 0  # not > 0, which would take a NaN for 0
    return torch.where(positive, torch.where(positive, variance, 1).sqrt(), 0)


def _sum(elements: Tensor, segments: Tensor, n_sets: int) -> Tensor:
    # index_add: several times faster than segment_reduce and scatter_reduce, forward and backward
    zeros = elements.new_zeros(n_sets, elements.shape[1])
    if torch.compiler.is_compiling() or elements.shape[0] <= BLOCK_SIZE:
        return zeros.index_add(0, segments, elements)
    # in float32 a running sum over a million elements is off in the third digit; sums of sums are not
    blocks = zip(segments.split(BLOCK_SIZE), elements.split(BLOCK_SIZE), strict=True)
    return torch.stack([zeros.index_add(0, rows, block) for rows, block in blocks]).sum(dim=0)


def _max(elements: Tensor, sizes: Tensor) -> Tensor:
    # embedding_bag with each element as its own row: scatter_reduce(amax) has a backward several times slower;
    # an empty bag gives 0
    rows = torch.arange(elements.shape[0], device=elements.device)
    return embedding_bag(rows, elements, sizes.cumsum(0) - sizes, mode="max")


def holders(elements: Tensor, sizes: Tensor) -> Tensor:
    """Numbers of the elements that hold the maximum of a feature over their set; no set may be empty."""
    rows = torch.arange(elements.shape[0], device=elements.device)
    # the maximum, and the fourth of its results: the rows that hold them, (b, k)
    holding = torch.embedding_bag(elements, rows, sizes.cumsum(0) - sizes, mode=2)[3]
    return holding.reshape(-1)


class SetPooling(nn.Module):
    """One or several pools, concatenated; with the weights of those that learn.

    ``"attention"`` is the gated attention of Ilse, Tomczak and Welling (2018), "Attention-based deep
    multiple instance learning": the mean of the elements h_i, weighted by
    softmax_i w^T(tanh(V h_i) * sigmoid(U h_i)) over the elements of the set.

    Parameters
    ----------
    pool_type : {"sum", "mean", "max", "min", "std", "attention"} or a sequence of them
    input_dim : int
        Features of an element.
    sum_scale : float, default=1.0
        Constant factor of the ``"sum"`` pool. One over a typical set size keeps its inputs to the next layer
        in a range that trains well; being constant, it takes nothing from what a sum can express.
    """

    def __init__(self, pool_type: PoolType, input_dim: int, sum_scale: float = 1.0) -> None:
        super().__init__()
        self.names = pool_names(pool_type)
        self.input_dim = input_dim
        self.output_dim = input_dim * len(self.names)
        self.sum_scale = sum_scale
        if "attention" in self.names:
            hidden_dim = max(8, input_dim // 2)
            self.gate = nn.Linear(input_dim, 2 * hidden_dim)  # V and U in one product
            self.score = nn.Linear(hidden_dim, 1, bias=False)

    def forward(self, x: Tensor | PackedSets, mask: Tensor | None = None) -> Tensor:
        """Pool ``x (b, m, k)`` under ``mask (b, m)``, or packed sets: ``(b, output_dim)``."""
        packed = pack(x, mask)
        return torch.cat([self._pool(packed, name) for name in self.names], dim=-1)

    def _pool(self, packed: PackedSets, name: str) -> Tensor:
        if name == "attention":
            return pool(packed._replace(elements=self._attention(packed) * packed.elements), "sum")
        pooled = pool(packed, name)
        return pooled * self.sum_scale if name == "sum" and self.sum_scale != 1.0 else pooled

    def scores(self, elements: Tensor) -> Tensor:
        """Attention before the softmax, (n, 1)."""
        tanh, gate = self.gate(elements).chunk(2, dim=-1)
        return self.score(tanh.tanh() * gate.sigmoid())

    def _attention(self, packed: PackedSets) -> Tensor:
        """Softmax of the scores over each set, (n, 1)."""
        scores = self.scores(packed.elements)
        # the largest score of each set cancels out of the softmax: it needs no gradient
        largest = pool(packed._replace(elements=scores.detach()), "max")
        weights = (scores - packed.spread(largest)).exp()
        total = pool(packed._replace(elements=weights), "sum")
        return weights / packed.spread(total)

    def extra_repr(self) -> str:
        """What ``print(module)`` shows of the pools."""
        return f"{self.names}, output_dim={self.output_dim}, sum_scale={self.sum_scale:.4g}"
