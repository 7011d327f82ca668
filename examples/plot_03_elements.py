"""Which image does not belong? One answer for each element of a set.

The set anomaly task of the Deep Sets paper (Zaheer et al., 2017, section 4.4, there on faces), on real images that come
with scikit-learn: a set holds 16 handwritten digits, 15 of one class and one of another, and the odd one is to be
found. No image is odd by itself, only among the others of its set: a classifier of single images has nothing to learn
(it beats one in 16 a little, since scores that merely differ between classes set the odd image apart).

Sets for training and for testing are drawn from different images, the first 1,000 and the rest. The settings were
chosen on sets of the images 700 to 999, with the first 700 for training. Pixels are left unstandardised: those at the
edge are almost always blank, and would be blown up.
"""

import time
from pathlib import Path

import matplotlib as mpl
import numpy as np
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.neighbors import NearestNeighbors

from sk_deepsets import DeepSetsElementClassifier

PICTURE = Path(__file__).with_suffix(".png")


def make_sets(images, digits, n_sets, rng, size=16):
    """Sets of images, (n_sets, size, 64); and for each image whether it is the odd one, (n_sets, size)."""
    odd = np.arange(size) == rng.integers(size, size=n_sets)[:, np.newaxis]
    chosen = np.empty((n_sets, size), dtype=int)
    for i in range(n_sets):
        usual, other = rng.choice(10, 2, replace=False)
        chosen[i] = rng.choice(np.flatnonzero(digits == usual), size, replace=False)
        chosen[i, odd[i]] = rng.choice(np.flatnonzero(digits == other))
    return images[chosen], odd


def found(scores, odd):
    """Share of the sets whose odd image has the largest score."""
    return np.mean(scores.argmax(axis=1) == odd.argmax(axis=1))


def draw(sets, odd, chosen, path):
    """Sets as rows; the chosen image framed, green where it is the odd one, and the odd one dashed where missed."""
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(*odd.shape, figsize=(9, 0.6 * len(sets)), layout="constrained")
    for i, row in enumerate(axes):
        for j, axis in enumerate(row):
            axis.imshow(sets[i, j].reshape(8, 8), cmap="Greys")
            axis.set(xticks=[], yticks=[])
            color = ("tab:green" if odd[i, j] else "tab:red") if j == chosen[i] else "tab:green"
            framed = j == chosen[i] or odd[i, j]
            axis.spines[:].set(visible=framed, color=color, linewidth=3, linestyle="-" if j == chosen[i] else ":")
    figure.savefig(path, dpi=90)


if __name__ == "__main__":
    rng = np.random.default_rng(0)
    images, digits = load_digits(return_X_y=True)
    images /= 16
    sets, odd = make_sets(images[:1000], digits[:1000], 20_000, rng)
    test_sets, test_odd = make_sets(images[1000:], digits[1000:], 1000, rng)

    start = time.perf_counter()
    clf = DeepSetsElementClassifier(
        target="one_per_set",
        pool_type="sum",
        layer_norm=True,
        dropout=0.2,
        max_epochs=25,
        standardize=False,
        random_state=0,
        verbose=1,
    ).fit(sets, odd)
    probability = np.stack(clf.predict_proba(test_sets))[:, :, 1]
    print(f"Deep Sets:                           odd image found in {found(probability, test_odd):.3f} of sets", end="")
    print(f"  ({time.perf_counter() - start:.1f} s, best epoch {clf.best_iteration_} of {clf.n_iter_})")

    forest = RandomForestClassifier(random_state=0).fit(sets[:1000].reshape(-1, 64), odd[:1000].ravel())
    alone = forest.predict_proba(test_sets.reshape(-1, 64))[:, 1].reshape(test_odd.shape)
    print(
        f"random forest, each image by itself: odd image found in {found(alone, test_odd):.3f} of sets (chance 0.062)"
    )
    far = np.linalg.norm(test_sets - np.median(test_sets, axis=1, keepdims=True), axis=2)
    lonely = np.array([NearestNeighbors(n_neighbors=1).fit(one_set).kneighbors()[0][:, 0] for one_set in test_sets])
    print(f"farthest from the set's median:      odd image found in {found(far, test_odd):.3f} of sets")
    print(f"farthest from its nearest neighbour: odd image found in {found(lonely, test_odd):.3f} of sets")

    wrong = probability.argmax(axis=1) != test_odd.argmax(axis=1)
    shown = np.r_[np.flatnonzero(~wrong)[:5], np.flatnonzero(wrong)[:1]]
    draw(test_sets[shown], test_odd[shown], probability[shown].argmax(axis=1), PICTURE)
    print(f"picture: {PICTURE.name}")
