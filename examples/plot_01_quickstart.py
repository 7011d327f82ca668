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
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline

from sk_deepsets import DeepSetsClassifier, SetAggregator
from sk_deepsets.datasets import make_digit_bags

# %%
# A bag is an array with one row per image, and bags differ in size. ``bags`` holds them all, and a list of arrays would
# do as well.

bags, y = make_digit_bags(400, subset="train", random_state=0)
test_bags, test_y = make_digit_bags(1000, subset="test", random_state=1)
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

probability = clf.predict_proba(test_bags)[:, 1]
figure, axes = plt.subplots(2, 3, figsize=(9, 2), layout="constrained")
figure.get_layout_engine().set(wspace=0.08)
shown = [*np.flatnonzero(test_y)[:3], *np.flatnonzero(~test_y)[:3]]
for i, axis in zip(shown, axes.flat, strict=True):
    page = np.zeros((20, 8, 8))
    page[: len(test_bags[i])] = test_bags[i].reshape(-1, 8, 8)
    axis.imshow(page.reshape(2, 10, 8, 8).transpose(0, 2, 1, 3).reshape(16, 80), cmap="Greys")
    axis.set_title(f"{'a 9' if test_y[i] else 'no 9'}: p(9) = {probability[i]:.2f}", fontsize=10)
    axis.set_axis_off()
figure.savefig(Path(sys.argv[0]).with_suffix(".png"), dpi=90)
