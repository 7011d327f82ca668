"""SetPooling: one or several pools of each set, side by side."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sk_deepsets.nn._layers import MakeLinear
from sk_deepsets.nn._packed import PackedSets, pack
from sk_deepsets.nn._pools import POOL_TYPES, POOLS, Pool, SoftmaxMean

PoolType = str | Sequence[str]


class SetPooling(nn.Module):
    """One or several pools, concatenated; with the weights of those that learn.

    ``"attention"`` is the gated attention of Ilse, Tomczak and Welling (2018), "Attention-based deep
    multiple instance learning": the mean of the elements h_i, weighted by
    softmax_i w^T(tanh(V h_i) * sigmoid(U h_i)) over the elements of the set.

    ``"pma"`` is the pooling by multihead attention of Lee et al. (2019), "Set Transformer: A framework for
    attention-based permutation-invariant neural networks", with one seed: each of four heads is the mean of its quarter
    of V h_i, weighted by softmax_i s^T h_i, where s is the product of the seed and the matrix of keys of this head.

    Parameters
    ----------
    pool_type : {"sum", "mean", "max", "min", "std", "attention", "pma"} or a sequence of them
    input_dim : int
        Features of an element.
    sum_scale : float, default=1.0
        Constant factor of the ``"sum"`` pool. One over a typical set size keeps its inputs to the next layer
        in a range that trains well; being constant, it takes nothing from what a sum can express.
    linear : callable, default=nn.Linear
        Makes the linear maps of ``"attention"`` and ``"pma"``.
    """

    def __init__(
        self, pool_type: PoolType, input_dim: int, sum_scale: float = 1.0, linear: MakeLinear = nn.Linear
    ) -> None:
        super().__init__()
        self.names = (pool_type,) if isinstance(pool_type, str) else tuple(pool_type)
        if not self.names or any(name not in POOL_TYPES for name in self.names):
            raise ValueError(
                f"pool_type must be one of {POOL_TYPES} or a non-empty tuple of them, but got {pool_type!r}."
            )
        self.output_dim = input_dim * len(self.names)
        self.sum_scale = sum_scale
        pools = nn.ModuleList(POOLS[name](input_dim, sum_scale, linear) for name in self.names)
        self.pools: Sequence[Pool] = pools  # type: ignore[assignment]  # a ModuleList does not say of what

    def forward(self, x: Tensor | PackedSets, mask: Tensor | None = None) -> Tensor:
        """Pool ``x (b, m, k)`` under ``mask (b, m)``, or packed sets: ``(b, output_dim)``."""
        packed = pack(x, mask)
        return torch.cat([pool.finish(pool.part(packed), packed.total) for pool in self.pools], dim=-1)

    def attention_scores(self, elements: Tensor) -> Tensor:
        """The scores of the first attention pool, before the softmax, of what it takes of elements (n, k): (n, h)."""
        pool, *_ = (pool for pool in self.pools if isinstance(pool, SoftmaxMean))
        return pool.read(elements)[1]

    def extra_repr(self) -> str:
        """What ``print(module)`` shows of the pools."""
        return f"{self.names}, output_dim={self.output_dim}, sum_scale={self.sum_scale:.4g}"


def masked_pool(tensor: Tensor, pool_type: PoolType, mask: Tensor | None = None, keepdim: bool = False) -> Tensor:
    """Pool the elements of each set of a padded batch.

    Parameters
    ----------
    tensor : Tensor of shape (b, m, k), or a jagged nested tensor, which needs no mask
    pool_type : {"sum", "mean", "max", "min", "std"} or a sequence of them
        ``"std"`` divides by the number of elements. Several pools are concatenated.
    mask : Tensor of shape (b, m), optional
        True or non-zero where there is an element. Values elsewhere, NaN and infinity included, change
        neither the result nor the gradient. The elements must be finite: max and min may pass over a NaN.
    keepdim : bool, default=False
        Whether to keep the pooled dimension as one of size 1.

    Returns
    -------
    Tensor of shape (b, k), (b, 1, k) with ``keepdim``
        An empty set gives 0. Several pools make the last dimension that much longer.

    Raises
    ------
    ValueError
        For an unknown pool, and for ``"attention"`` and ``"pma"``, which have weights to learn.

    Examples
    --------
    >>> import torch
    >>> from sk_deepsets.nn import masked_pool
    >>> x = torch.tensor([[[1.0], [3.0]], [[5.0], [torch.nan]]])
    >>> masked_pool(x, "mean", mask=torch.tensor([[1, 1], [1, 0]]))
    tensor([[2.],
            [5.]])
    """
    packed = pack(tensor, mask)
    pooling = SetPooling(pool_type, packed.elements.shape[1])
    for name, pool in zip(pooling.names, pooling.pools, strict=True):
        if any(True for _ in pool.parameters()):
            raise ValueError(f'pool_type="{name}" has weights to learn: use SetPooling("{name}", dim).')
    pooled = pooling(packed)
    return pooled.unsqueeze(1) if keepdim else pooled
