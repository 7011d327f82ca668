"""Permutation equivariant layers: one output for each element, that knows its set."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from sk_deepsets.nn._mlp import make_activation
from sk_deepsets.nn._packed import PackedSets, pack, unpack
from sk_deepsets.nn._pooling import SetPooling, pool


class PermutationEquivariantLayer(nn.Module):
    """f(x)_i = Lambda x_i + Gamma pool(X), Lemma 3 of Zaheer et al. (2017), "Deep Sets".

    Parameters
    ----------
    input_dim, output_dim : int
    pool_type : {"max", "sum"}, default="max"

    Raises
    ------
    ValueError
        For any other pool: a mean depends on the set's size, which breaks the lemma's form.

    Examples
    --------
    >>> import torch
    >>> from sk_deepsets.nn import PermutationEquivariantLayer
    >>> layer = PermutationEquivariantLayer(3, 5, pool_type="sum")
    >>> layer(torch.randn(2, 4, 3), mask=torch.tensor([[1, 1, 1, 0], [1, 0, 0, 0]])).shape
    torch.Size([2, 4, 5])
    """

    def __init__(self, input_dim: int, output_dim: int, pool_type: str = "max") -> None:
        super().__init__()
        if pool_type not in ("max", "sum"):
            raise ValueError(f'pool_type must be "max" or "sum", but got {pool_type!r}.')
        self.pool_type = pool_type
        self.Lambda = nn.Linear(input_dim, output_dim)
        self.Gamma = nn.Linear(input_dim, output_dim, bias=False)

    def forward(self, x: Tensor | PackedSets, mask: Tensor | None = None) -> Tensor:
        """One output for each element.

        Parameters
        ----------
        x : Tensor of shape (b, m, input_dim), or PackedSets
        mask : Tensor of shape (b, m), optional
            True or non-zero where an element stands; None: everywhere.

        Returns
        -------
        Tensor of shape (b, m, output_dim), 0 under the mask; (n, output_dim) for PackedSets
        """
        if isinstance(x, PackedSets):
            return self.Lambda(x.elements) + self.Gamma(pool(x, self.pool_type))[x.segments]
        return unpack(self(pack(x, mask)), mask, (x.shape[0], x.shape[1]))

    def extra_repr(self) -> str:
        """What ``print(module)`` shows of the pool."""
        return f"pool_type={self.pool_type!r}"


class DeepSetsEquivariant(nn.Module):
    """A stack of equivariant layers with ReLU between them; with ``final_pool`` an invariant model.

    Parameters
    ----------
    input_dim : int
        Features of an element.
    hidden_dims : sequence of int
        Widths between the layers. Empty: one layer.
    output_dim : int
    pool_type : {"max", "sum"}, default="max"
        Pool of every layer.
    final_pool : {"sum", "mean", "max", "min", "std", "attention"}, optional
        Pools the last layer's output over each set.
    dropout : float, default=0.0
        Share of hidden units dropped in training.

    Examples
    --------
    >>> import torch
    >>> from sk_deepsets.nn import DeepSetsEquivariant
    >>> x = torch.randn(2, 4, 3)
    >>> DeepSetsEquivariant(3, [8, 8], 5)(x).shape
    torch.Size([2, 4, 5])
    >>> DeepSetsEquivariant(3, [8, 8], 5, final_pool="mean")(x).shape
    torch.Size([2, 5])
    """

    def __init__(
        self,
        input_dim: int,
        hidden_dims: Sequence[int],
        output_dim: int,
        pool_type: str = "max",
        final_pool: str | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        dims = [input_dim, *hidden_dims, output_dim]
        # a ModuleList rather than a Sequential, since each layer takes the mask (or the cuts) along
        self.layers = nn.ModuleList(
            PermutationEquivariantLayer(before, after, pool_type) for before, after in pairwise(dims)
        )
        self.activation = make_activation("relu")
        self.dropout = nn.Dropout(dropout)
        self.final_pool = None if final_pool is None else SetPooling(final_pool, output_dim)

    def forward(self, x: Tensor | PackedSets, mask: Tensor | None = None) -> Tensor:
        """One output for each element, or with ``final_pool`` for each set.

        Parameters
        ----------
        x : Tensor of shape (b, m, input_dim), or PackedSets
        mask : Tensor of shape (b, m), optional
            True or non-zero where an element stands; None: everywhere.

        Returns
        -------
        Tensor
            Of shape (b, m, output_dim), 0 under the mask ((n, output_dim) for PackedSets); of shape
            (b, output_dim) with ``final_pool``.
        """
        packed = x if isinstance(x, PackedSets) else pack(x, mask)
        for number, layer in enumerate(self.layers):
            if number:
                packed = packed._replace(elements=self.dropout(self.activation(packed.elements)))
            packed = packed._replace(elements=layer(packed))
        if self.final_pool is not None:
            return self.final_pool(packed)
        return packed.elements if isinstance(x, PackedSets) else unpack(packed.elements, mask, (x.shape[0], x.shape[1]))
