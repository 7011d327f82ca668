"""
Quickstart: does a bag of images hold a nine?
=============================================

Multiple-instance learning on real images: a bag holds 2 to 20 handwritten digits, and its label says whether any of
them is a 9, but not which one. This is the MNIST-bags experiment of Ilse, Tomczak and Welling (2018, "Attention-based
deep multiple instance learning") on the digits that come with scikit-learn.

Training bags and test bags are drawn from different images.
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
# A bag is an array with one row per image, and bags differ in size. ``X`` is the list of bags.

images, digits = load_digits(return_X_y=True)
train, test = train_test_split(np.arange(1797), test_size=0.4, stratify=digits, random_state=0)
rng = np.random.default_rng(0)


def draw(indices, n_bags):
    """Bags of 2 to 20 images, and whether they hold a 9."""
    bags = [rng.choice(indices, size) for size in rng.integers(2, 21, n_bags)]
    return [images[bag] for bag in bags], ["9" if 9 in digits[bag] else "no 9" for bag in bags]


bags, y = draw(train, 400)
test_bags, test_y = draw(test, 1000)
print([bag.shape for bag in bags[:4]], y[:4])

# %%
# ``fit`` and ``predict`` work as in scikit-learn. Nothing is padded, and there is no mask to build.

clf = DeepSetsClassifier(random_state=0).fit(bags, y)
print(f"Deep Sets: test accuracy {clf.score(test_bags, test_y):.3f}")

# %%
# For comparison, a table: the mean and the maximum of each pixel over the bag, and gradient boosting.

table = make_pipeline(SetAggregator(("mean", "max")), HistGradientBoostingClassifier(random_state=0)).fit(bags, y)
print(f"mean and maximum, then boosting: test accuracy {table.score(test_bags, test_y):.3f}")

# %%
# Some test bags, with the predicted probability that they hold a nine.

probability = clf.predict_proba(test_bags)[:, list(clf.classes_).index("9")]
figure, axes = plt.subplots(2, 3, figsize=(9, 2), layout="constrained")
figure.get_layout_engine().set(wspace=0.08)
shown = [i for label in ("9", "no 9") for i in np.flatnonzero(np.array(test_y) == label)[:3]]
for i, axis in zip(shown, axes.flat, strict=True):
    page = np.zeros((20, 8, 8))
    page[: len(test_bags[i])] = test_bags[i].reshape(-1, 8, 8)
    axis.imshow(page.reshape(2, 10, 8, 8).transpose(0, 2, 1, 3).reshape(16, 80), cmap="Greys")
    axis.set_title(f"label {test_y[i]!r}: p(9) = {probability[i]:.2f}", fontsize=10)
    axis.set_axis_off()
figure.savefig(Path(sys.argv[0]).with_suffix(".png"), dpi=90)
