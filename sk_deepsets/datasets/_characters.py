"""make_unique_characters: how many different characters are there?"""

from __future__ import annotations

from typing import Any

import numpy as np

from sk_deepsets.datasets._draw import SetSize, draw_offsets, random_numbers
from sk_deepsets.sets import RaggedSets

N_STROKES, N_POINTS, WIDTH = 2, 16, 12
"""Strokes of a character, points of a stroke, and pixels of a side"""
JITTER, PEN = 0.03, 0.045
"""How far a hand is off, and how wide the pen is, as parts of a side"""


def make_unique_characters(
    n_sets: int = 1000, *, set_size: SetSize = (6, 10), random_state: Any = None
) -> tuple[RaggedSets, np.ndarray]:
    """Sets of images of written characters; the target is how many different characters there are.

    The second task of Lee et al. (2019), "Set Transformer": of a set of 6 to 10 images of Omniglot, 1 to all may be
    different characters, and those of the test are others than those of training, so that elements have to be compared.
    Here characters are drawn: two strokes, curves of second order through random points, which each image jitters. Each
    set has characters of its own. Shares of right counts there are 0.604 with self-attention and attention as pool, and
    0.438 without.

    Parameters
    ----------
    n_sets : int, default=1000
    set_size : int or (int, int), default=(6, 10)
        The number of elements, or the smallest and the largest, between which all sizes are equally likely.
    random_state : int, RandomState instance or None, default=None

    Returns
    -------
    sets : RaggedSets of ``n_sets`` sets with 144 features, pixels between 0 and 1
    y : ndarray of shape (n_sets,), int
        From 1 to the size, equally likely; 0 for an empty set.

    Examples
    --------
    >>> from sk_deepsets.datasets import make_unique_characters
    >>> sets, y = make_unique_characters(n_sets=5, random_state=0)
    >>> sets.sizes, y
    (array([7, 7, 6, 7, 7]), array([6, 4, 4, 3, 5]))
    """
    rng = random_numbers(random_state)
    offsets = draw_offsets(n_sets, set_size, rng)
    sizes = np.diff(offsets)
    y = rng.integers(np.minimum(sizes, 1), sizes + 1)
    # the first y elements of a set have a character each, the others one of these; then the set is shuffled
    segments = np.repeat(np.arange(n_sets), sizes)
    place = np.arange(offsets[-1]) - offsets[segments]
    character = np.where(place < y[segments], place, rng.integers(y[segments]))
    character = character[np.lexsort((rng.random(offsets[-1]), segments))]
    control = rng.uniform(0, 1, (y.sum(), N_STROKES, 3, 2))
    written = control[(y.cumsum() - y)[segments] + character]
    written += rng.normal(0, JITTER, written.shape)
    return RaggedSets(_draw_strokes(written), offsets), y


def _draw_strokes(control: np.ndarray) -> np.ndarray:
    """Images (n, WIDTH * WIDTH) of strokes with three control points each, (n, N_STROKES, 3, 2)."""
    t = np.linspace(0, 1, N_POINTS)
    curve = np.stack([(1 - t) ** 2, 2 * t * (1 - t), t**2])  # Bézier
    points = np.einsum("nscx,cp->nspx", control, curve).reshape(len(control), N_STROKES * N_POINTS, 1, 2)
    pixels = (np.arange(WIDTH) + 0.5) / WIDTH
    # a Gaussian pen: the ink of a point is a product of one of its row and one of its column
    ink = np.exp(-(((points - pixels[:, np.newaxis]) / PEN) ** 2) / 2)  # (n, points, WIDTH, 2)
    images = ink[..., 0].transpose(0, 2, 1) @ ink[..., 1]
    return np.minimum(images, 1).reshape(len(control), WIDTH * WIDTH)
