"""make_population_statistics: entropy and mutual information of the distribution that a set is a sample of."""

from __future__ import annotations

from typing import Any

import numpy as np

from sk_deepsets.datasets._draw import SetSize, check_option, draw_offsets, random_numbers
from sk_deepsets.sets import RaggedSets

TASKS = ("rotation", "correlation", "rank_one", "random")


def make_population_statistics(
    n_sets: int = 1000,
    *,
    task: str = "rotation",
    set_size: SetSize = (300, 500),
    n_dims: int = 16,
    random_state: Any = None,
) -> tuple[RaggedSets, np.ndarray]:
    """Samples of normal distributions; the target is a statistic of the distribution, not of the sample.

    The tasks of Zaheer et al. (2017), "Deep Sets", section 4.1.1, after Póczos et al. (2012), "Support distribution
    machines". All distributions have the mean 0; the covariances of one call follow from one that is drawn:

    - ``"rotation"``: in two dimensions, a covariance rotated by an angle between 0 and π. The target is the entropy of
      the first coordinate, ``log(2 π e Σ₁₁) / 2``.
    - ``"correlation"``: two blocks of ``n_dims`` coordinates with the same covariance Σ, and α Σ between them, with α
      between -1 and 1. The target here and below is the mutual information of the two blocks.
    - ``"rank_one"``: I + λ v vᵀ with one direction v and λ between 0 and 1.
    - ``"random"``: another covariance in each set, of a Wishart distribution with twice as many degrees of freedom as
      dimensions. The authors' script has an easier task: its covariances come from A Aᵀ + I with numbers between 0 and
      1 in A, and so share a direction; its target is the mutual information of all coordinates, which their spreads
      tell in part.

    The paper trains on 2⁷ to 2¹⁷ sets of 300 to 500 elements, with 16 dimensions in a block, and shows the mean squared
    error on 1,000 others.

    Parameters
    ----------
    n_sets : int, default=1000
    task : {"rotation", "correlation", "rank_one", "random"}, default="rotation"
    set_size : int or (int, int), default=(300, 500)
        The number of elements, or the smallest and the largest, between which all sizes are equally likely.
    n_dims : int, default=16
        Coordinates of a block; ``"rotation"`` has two blocks of one.
    random_state : int, RandomState instance or None, default=None
        It determines the covariance, too: draw the sets for training and for test in one call.

    Returns
    -------
    sets : RaggedSets of ``n_sets`` sets with ``2 * n_dims`` features, or 2
    y : ndarray of shape (n_sets,)

    Examples
    --------
    >>> from sk_deepsets.datasets import make_population_statistics
    >>> sets, y = make_population_statistics(n_sets=5, random_state=0)
    >>> sets
    RaggedSets(5 sets of 320 to 376 elements, 1,803 elements, 2 features, float64)
    """
    check_option("task", task, TASKS)
    if n_dims < 1:
        raise ValueError(f"n_dims: expected at least 1, got {n_dims}.")
    rng = random_numbers(random_state)
    offsets = draw_offsets(n_sets, set_size, rng)
    covariances = _draw_covariances(n_sets, task, n_dims, rng)
    sizes = np.diff(offsets)
    width = covariances.shape[1]
    mask = np.arange(sizes.max(initial=0)) < sizes[:, np.newaxis]
    normal = rng.standard_normal((*mask.shape, width))
    elements = (normal @ np.linalg.cholesky(covariances).transpose(0, 2, 1))[mask]
    if task == "rotation":
        y = np.log(2 * np.pi * np.e * covariances[:, 0, 0]) / 2
    else:
        blocks = covariances[:, :n_dims, :n_dims], covariances[:, n_dims:, n_dims:]
        logs = [np.linalg.slogdet(block)[1] for block in (*blocks, covariances)]
        y = (logs[0] + logs[1] - logs[2]) / 2
    return RaggedSets(elements, offsets), y


def _draw_covariances(n_sets: int, task: str, n_dims: int, rng: np.random.Generator) -> np.ndarray:
    """The covariance of each set, (n_sets, d, d)."""
    if task == "rotation":
        angle = rng.uniform(0, np.pi, n_sets)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]).transpose(2, 0, 1)
        return turn @ _wishart(2, 4, rng) @ turn.transpose(0, 2, 1)
    if task == "correlation":
        alpha = rng.uniform(-1, 1, n_sets)
        between = np.array([[np.ones(n_sets), alpha], [alpha, np.ones(n_sets)]]).transpose(2, 0, 1)
        return np.kron(between, _wishart(n_dims, 2 * n_dims, rng))
    if task == "rank_one":
        direction = rng.standard_normal(2 * n_dims)
        strength = rng.uniform(0, 1, (n_sets, 1, 1))
        return np.eye(2 * n_dims) + strength * np.outer(direction, direction)
    return _wishart(2 * n_dims, 4 * n_dims, rng, (n_sets,))


def _wishart(dim: int, degrees: int, rng: np.random.Generator, shape: tuple[int, ...] = ()) -> np.ndarray:
    """Covariances of samples of standard normal vectors, (*shape, dim, dim)."""
    sample = rng.standard_normal((*shape, dim, degrees))
    return sample @ sample.swapaxes(-1, -2) / degrees
