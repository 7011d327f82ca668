"""
Quickstart: does a bag of images hold a nine?
=============================================

Multiple-instance learning on real images: a bag holds 2 to 30 handwritten digits, and all that is known of it is
whether one of them, any one, is a 9. This is the MNIST-bags experiment of Ilse, Tomczak and Welling (2018,
"Attention-based deep multiple instance learning") on the digits that come with scikit-learn.

Bags for training and for testing are drawn from different images.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from sk_deepsets import DeepSetsClassifier, SetAggregator

# %%
# A bag is an array with one row per image, and bags have different sizes. ``X`` is the list of the bags.


def make_bags(images, digits, n_bags, rng):
    """Bags of 2 to 30 images, half of them with a 9 or more; and whether they hold one."""
    bags, y = [], []
    nines, others = np.flatnonzero(digits == 9), np.flatnonzero(digits != 9)
    for number in rng.permutation(n_bags):
        chosen = rng.choice(others, rng.integers(2, 31))
        if number % 2:
            n_nines = 1 + rng.binomial(len(chosen) - 1, 0.05)
            chosen[:n_nines] = rng.choice(nines, n_nines)
        bags.append(images[rng.permutation(chosen)])
        y.append("has a 9" if number % 2 else "no 9")
    return bags, np.array(y)


rng = np.random.default_rng(0)
digits = load_digits()
train_images, test_images, train_digits, test_digits = train_test_split(
    digits.data, digits.target, test_size=0.4, stratify=digits.target, random_state=0
)
bags, y = make_bags(train_images, train_digits, 400, rng)
test_bags, test_y = make_bags(test_images, test_digits, 1000, rng)
print([bag.shape for bag in bags[:4]], y[:4])

# %%
# ``fit`` and ``predict`` are those of scikit-learn. Nothing is padded, and no mask is made.

clf = DeepSetsClassifier(max_epochs=60, random_state=0).fit(bags, y)
print(f"Deep Sets: test accuracy {clf.score(test_bags, test_y):.3f}, {clf.oof_score_:.3f} expected from training")

# %%
# Beside it stands what a table gives: the mean and the maximum of each pixel over the bag, and gradient boosting.

table = make_pipeline(SetAggregator(("mean", "max")), HistGradientBoostingClassifier(random_state=0)).fit(bags, y)
print(f"mean and maximum, then boosting: test accuracy {table.score(test_bags, test_y):.3f}")

# %%
# Some bags of the test set, with the probability that they hold a nine.

probability = clf.predict_proba(test_bags)[:, list(clf.classes_).index("has a 9")]
figure, axes = plt.subplots(2, 3, figsize=(9, 2.9), layout="constrained")
shown = [i for label in ("has a 9", "no 9") for i in np.flatnonzero(test_y == label)[:3]]
for i, axis in zip(shown, axes.flat, strict=True):
    page = np.zeros((30, 8, 8))
    page[: len(test_bags[i])] = test_bags[i].reshape(-1, 8, 8)
    axis.imshow(page.reshape(3, 10, 8, 8).transpose(0, 2, 1, 3).reshape(24, 80), cmap="Greys")
    axis.set_title(f"{test_y[i]}: p(9) = {probability[i]:.2f}", fontsize=10)
    axis.set_axis_off()
figure.savefig(Path(sys.argv[0]).with_suffix(".png"), dpi=90)
