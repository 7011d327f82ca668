"""Entropy and mutual information against those of the samples' own covariances, by closed forms of another kind."""

import numpy as np
import pytest

from sk_deepsets.datasets import make_population_statistics


def covariances(sets):
    return np.array([one.T @ one / len(one) for one in sets])


def mutual_information(covariance):
    """Minus half the logarithms of 1 - ρ² of the canonical correlations ρ of the two halves."""
    d = len(covariance) // 2
    whiten = [np.linalg.inv(np.linalg.cholesky(covariance[half, half])) for half in (slice(d), slice(d, None))]
    correlations = np.linalg.svd(whiten[0] @ covariance[:d, d:] @ whiten[1].T, compute_uv=False)
    return -np.log(1 - correlations**2).sum() / 2


@pytest.mark.parametrize("task", ["correlation", "rank_one", "random"])
def test_mutual_information(task):
    sets, y = make_population_statistics(30, task=task, n_dims=3, set_size=20_000, random_state=0)
    assert sets.n_features == 6
    np.testing.assert_allclose([mutual_information(one) for one in covariances(sets)], y, rtol=0.1, atol=0.01)
    assert y.std() > 0.05


def test_correlated_blocks_share_a_covariance():
    sets, y = make_population_statistics(20, task="correlation", n_dims=2, set_size=20_000, random_state=1)
    found = covariances(sets)
    np.testing.assert_allclose(found[:, :2, :2], found[:, 2:, 2:], atol=0.1)
    alpha = found[:, 0, 2] / found[:, 0, 0]
    np.testing.assert_allclose(found[:, :2, 2:], alpha[:, None, None] * found[:, :2, :2], atol=0.1)
    np.testing.assert_allclose(-np.log(1 - alpha**2), y, rtol=0.1, atol=0.02)  # n_dims / 2 = 1 times
    assert alpha.min() < -0.4 < 0.4 < alpha.max()


def test_rotation_keeps_the_eigenvalues_and_the_entropy_is_that_of_the_first_coordinate():
    sets, y = make_population_statistics(40, set_size=20_000, random_state=0)
    eigenvalues = np.linalg.eigvalsh(covariances(sets))
    np.testing.assert_allclose(eigenvalues / eigenvalues.mean(axis=0), 1, atol=0.06)
    # an entropy by its definition, from a histogram
    first = sets[7][:, 0]
    density, edges = np.histogram(first, bins=60, density=True)
    kept = density > 0
    entropy = -(density * np.log(np.where(kept, density, 1)) * np.diff(edges)).sum()
    assert entropy == pytest.approx(y[7], abs=0.03)
    assert np.ptp(y) > 0.3


def test_unknown_tasks_are_errors():
    with pytest.raises(ValueError, match=r"task: expected one of \('rotation', .*\), got 'median'"):
        make_population_statistics(3, task="median")
    with pytest.raises(ValueError, match="n_dims: expected at least 1, got 0"):
        make_population_statistics(3, task="random", n_dims=0)
