"""PermutationEquivariantLayer: one output for each element, that knows its set."""

from __future__ import annotations

from torch import Tensor, nn

from sk_deepsets.nn._packed import PackedSets, pack, unpack
from sk_deepsets.nn._pooling import pool


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
