"""Which bags of handwritten digits hold a 9?

Multiple-instance learning on real images: a bag holds 2 to 30 of scikit-learn's bundled handwritten digits, and all
that is known of it is whether one of them, any one, is a 9. This is the MNIST-bags experiment of Ilse, Tomczak and
Welling (2018, "Attention-based deep multiple instance learning") on the digits that come with scikit-learn.

Bags for training and for testing are drawn from different images. Beside Deep Sets stands what a table gives: the
mean and the maximum of each pixel over the bag, and gradient boosting.
"""

import time
from pathlib import Path

import matplotlib as mpl
import numpy as np
from sklearn.datasets import load_digits
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import train_test_split

from sk_deepsets import DeepSetsClassifier

PICTURE = Path(__file__).with_suffix(".png")


def make_bags(images, digits, n_bags, rng):
    """Bags of 2 to 30 images, half of them with a 9 or more; and whether they hold one."""
    bags, y = [], []
    nines, others = np.flatnonzero(digits == 9), np.flatnonzero(digits != 9)
    for positive in rng.permutation(np.arange(n_bags) % 2 == 1):
        chosen = rng.choice(others, rng.integers(2, 31))
        if positive:
            n_nines = 1 + rng.binomial(len(chosen) - 1, 0.05)
            chosen[:n_nines] = rng.choice(nines, n_nines)
        bags.append(images[rng.permutation(chosen)])
        y.append("has a 9" if positive else "no 9")
    return bags, np.array(y)


def aggregate(bags):
    """What groupby().agg(["mean", "max"]) makes of the bags."""
    return np.array([np.r_[bag.mean(axis=0), bag.max(axis=0)] for bag in bags])


def draw(bags, y, probability, path):
    """Some bags of the test set, with the probability that they hold a 9."""
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, 3, figsize=(9, 2.9), layout="constrained")
    shown = [i for label in ("has a 9", "no 9") for i in np.flatnonzero(y == label)[:3]]
    for i, axis in zip(shown, axes.flat, strict=True):
        columns = 10
        page = np.zeros((3 * columns, 8, 8))
        page[: len(bags[i])] = bags[i].reshape(-1, 8, 8)
        axis.imshow(page.reshape(3, columns, 8, 8).transpose(0, 2, 1, 3).reshape(24, 8 * columns), cmap="Greys")
        axis.set_title(f"{y[i]}: p(9) = {probability[i]:.2f}", fontsize=10)
        axis.set_axis_off()
    figure.savefig(path, dpi=90)


if __name__ == "__main__":
    rng = np.random.default_rng(0)
    digits = load_digits()
    train_images, test_images, train_digits, test_digits = train_test_split(
        digits.data, digits.target, test_size=0.4, stratify=digits.target, random_state=0
    )
    bags, y = make_bags(train_images, train_digits, 2000, rng)
    test_bags, test_y = make_bags(test_images, test_digits, 1000, rng)
    print(f"{len(bags)} bags of {min(map(len, bags))} to {max(map(len, bags))} images, {len(test_bags)} to test")

    start = time.perf_counter()
    clf = DeepSetsClassifier(pool_type="max", random_state=0, verbose=1)
    clf.fit(bags, y)
    print(f"Deep Sets:                    test accuracy {clf.score(test_bags, test_y):.3f}", end="")
    print(f"  ({time.perf_counter() - start:.1f} s, best epoch {clf.best_iteration_} of {clf.n_iter_})")

    boosting = HistGradientBoostingClassifier(random_state=0).fit(aggregate(bags), y)
    print(f"mean and max, then boosting:  test accuracy {boosting.score(aggregate(test_bags), test_y):.3f}")

    has_a_nine = list(clf.classes_).index("has a 9")
    draw(test_bags, test_y, clf.predict_proba(test_bags)[:, has_a_nine], PICTURE)
    print(f"picture: {PICTURE.name}")
