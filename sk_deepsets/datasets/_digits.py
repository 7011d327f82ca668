"""Sets of handwritten digits: their sum, whether there is a nine, and which one is odd."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.datasets import load_digits

from sk_deepsets.datasets._draw import SetSize, check_option, draw_offsets, random_numbers
from sk_deepsets.sets import RaggedSets

# Images of writers who wrote after one another: sets of one part share no image with those of the other.
SUBSETS = {"train": slice(0, 1000), "test": slice(1000, None), "all": slice(None)}


def make_digit_sums(
    n_sets: int = 1000,
    *,
    set_size: SetSize = (1, 10),
    digits: str = "onehot",
    subset: str = "all",
    random_state: Any = None,
) -> tuple[RaggedSets, np.ndarray]:
    """Sets of digits; the target is their sum.

    The task of Zaheer et al. (2017), "Deep Sets", section 4.1.2: trained on 100,000 sets of at most 10 digits, a model
    is to be right on sets of 5 to 100, which recurrent networks are not. There the digits are text, or the images of
    MNIST8m.

    Parameters
    ----------
    n_sets : int, default=1000
    set_size : int or (int, int), default=(1, 10)
        The number of elements, or the smallest and the largest, between which all sizes are equally likely.
    digits : {"onehot", "images"}, default="onehot"
        Ten zeros and ones, or the 64 pixels of a handwritten digit of :func:`sklearn.datasets.load_digits`, 0 to 16.
    subset : {"train", "test", "all"}, default="all"
        Which images to draw from: the first 1,000, the other 797, or all.
    random_state : int, RandomState instance or None, default=None

    Returns
    -------
    sets : RaggedSets of ``n_sets`` sets with 10 or 64 features
    y : ndarray of shape (n_sets,)

    Examples
    --------
    >>> from sk_deepsets.datasets import make_digit_sums
    >>> sets, y = make_digit_sums(n_sets=5, random_state=0)
    >>> sets[0].argmax(axis=1), y[0]
    (array([7, 4, 5, 2]), np.float64(18.0))
    """
    check_option("digits", digits, ("onehot", "images"))
    rng = random_numbers(random_state)
    offsets = draw_offsets(n_sets, set_size, rng)
    if digits == "onehot":
        shown = rng.integers(10, size=offsets[-1])
        elements = np.eye(10)[shown]
    else:
        images, labels = _images(subset)
        chosen = rng.integers(len(images), size=offsets[-1])
        elements, shown = images[chosen], labels[chosen]
    running = np.concatenate([[0], shown.cumsum()])
    return RaggedSets(elements, offsets), np.diff(running[offsets]).astype(float)


def make_digit_bags(
    n_sets: int = 1000,
    *,
    set_size: SetSize = (2, 20),
    subset: str = "all",
    random_state: Any = None,
) -> tuple[RaggedSets, np.ndarray]:
    """Bags of images of handwritten digits; the target is whether any of them shows a 9.

    Multiple-instance learning as in Ilse, Tomczak and Welling (2018), "Attention-based deep multiple instance
    learning": the label does not say which image. There the images are those of MNIST, a bag has about 10
    of them (normal, with a variance of 2), and 50 to 500 bags are trained on.

    Parameters
    ----------
    n_sets : int, default=1000
    set_size : int or (int, int), default=(2, 20)
        The number of elements, or the smallest and the largest, between which all sizes are equally likely. Every image
        is as likely as any other: one in ten shows a 9.
    subset : {"train", "test", "all"}, default="all"
        Which images to draw from: the first 1,000, the other 797, or all.
    random_state : int, RandomState instance or None, default=None

    Returns
    -------
    sets : RaggedSets of ``n_sets`` sets with 64 features, 0 to 16
    y : ndarray of shape (n_sets,), bool

    Examples
    --------
    >>> from sk_deepsets.datasets import make_digit_bags
    >>> bags, y = make_digit_bags(n_sets=500, subset="train", random_state=0)
    >>> bags.n_features, round(float(y.mean()), 2)
    (64, 0.64)
    """
    rng = random_numbers(random_state)
    offsets = draw_offsets(n_sets, set_size, rng)
    images, labels = _images(subset)
    chosen = rng.integers(len(images), size=offsets[-1])
    nines = np.concatenate([[0], (labels[chosen] == 9).cumsum()])
    return RaggedSets(images[chosen], offsets), np.diff(nines[offsets]) > 0


def make_set_outliers(
    n_sets: int = 1000,
    *,
    set_size: SetSize = 16,
    subset: str = "all",
    random_state: Any = None,
) -> tuple[RaggedSets, list[np.ndarray]]:
    """Sets of images of one digit, and one image of another; the targets say of each image whether it is that one.

    Set anomaly detection as in Zaheer et al. (2017), "Deep Sets", section 4.4, with digits in place of the faces of
    CelebA: there, 15 of 16 faces share two attributes that one lacks, and a model finds it in 75 percent of the sets.
    No image is odd by itself, only among the others.

    Parameters
    ----------
    n_sets : int, default=1000
    set_size : int or (int, int), default=16
        The number of elements, or the smallest and the largest, between which all sizes are equally likely; at least 3.
    subset : {"train", "test", "all"}, default="all"
        Which images to draw from: the first 1,000, the other 797, or all.
    random_state : int, RandomState instance or None, default=None

    Returns
    -------
    sets : RaggedSets of ``n_sets`` sets with 64 features, 0 to 16
    y : list of ndarray of shape (n_i,), bool
        One array for each set, with one True.

    Examples
    --------
    >>> from sk_deepsets.datasets import make_set_outliers
    >>> sets, odd = make_set_outliers(n_sets=5, set_size=4, random_state=0)
    >>> odd[0]
    array([False,  True, False, False])
    """
    rng = random_numbers(random_state)
    offsets = draw_offsets(n_sets, set_size, rng)
    sizes = np.diff(offsets)
    if (sizes < 3).any():
        raise ValueError(f"set_size: expected at least 3 elements, of which one can be odd, got {set_size}.")
    images, labels = _images(subset)
    usual = rng.integers(10, size=n_sets)
    other = (usual + rng.integers(1, 10, size=n_sets)) % 10
    odd = np.zeros(offsets[-1], dtype=bool)
    odd[offsets[:-1] + rng.integers(sizes)] = True
    wanted = np.where(odd, np.repeat(other, sizes), np.repeat(usual, sizes))
    # any image of the digit: those of a digit lie side by side in the order of their labels
    order, counts = np.argsort(labels, kind="stable"), np.bincount(labels)
    chosen = order[(counts.cumsum() - counts)[wanted] + rng.integers(counts[wanted])]
    return RaggedSets(images[chosen], offsets), np.split(odd, offsets[1:-1]) if n_sets else []


def _images(subset: str) -> tuple[np.ndarray, np.ndarray]:
    """Images (n, 64) of a part of the digits, and what they show."""
    check_option("subset", subset, SUBSETS)
    images, labels = load_digits(return_X_y=True)
    return images[SUBSETS[subset]], labels[SUBSETS[subset]]
