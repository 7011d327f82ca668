"""
One prediction per element: which image does not belong?
========================================================

The set anomaly task of the Deep Sets paper (Zaheer et al., 2017, section 4.4, there with faces), on real images that
come with scikit-learn: a set holds 16 handwritten digits, 15 of one class and one of another, and the task is to find
the odd one. No image is odd by itself, only in comparison with the others of its set.

Training sets and test sets are drawn from different images: the first 1,000 and the rest.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.neighbors import NearestNeighbors

from sk_deepsets import DeepSetsElementClassifier
from sk_deepsets.datasets import make_set_outliers

# %%
# There is one target per image: whether it is the odd one.

sets, odd = make_set_outliers(10_000, subset="train", random_state=0)
test_sets, test_odd = make_set_outliers(1000, subset="test", random_state=1)
# all sets have one size: a 3-D array of them and a 2-D array of targets
sets, test_sets = (each.elements.reshape(-1, 16, 64) / 16 for each in (sets, test_sets))
odd, test_odd = np.array(odd), np.array(test_odd)

# %%
# With ``target="one_per_set"`` the probabilities of the images of a set sum to 1. The pixels are not standardised:
# those at the edge are almost always blank, so that standardising would amplify them. Layer normalisation and the sum
# pool were chosen on sets of the images 700 to 999, training on the first 700. With 160,000 images one net is enough.

clf = DeepSetsElementClassifier(
    target="one_per_set",
    n_members=1,
    pool_type="sum",
    layer_norm=True,
    dropout=0.2,
    lr=1e-3,
    max_epochs=60,
    standardize=False,
    random_state=0,
).fit(sets, odd)
probability = clf.predict_proba(test_sets)[:, :, 1]


def share_found(scores):
    """Share of the test sets whose odd image has the largest score."""
    return np.mean(scores.argmax(axis=1) == test_odd.argmax(axis=1))


print(f"Deep Sets: odd image found in {share_found(probability):.3f} of sets")

# %%
# Without any training, the image that is farthest from its nearest neighbour is a good guess. A classifier of single
# images cannot know which class is the odd one in a set; chance is 0.062.

lonely = np.array([NearestNeighbors(n_neighbors=1).fit(one_set).kneighbors()[0][:, 0] for one_set in test_sets])
print(f"farthest from its nearest neighbour: {share_found(lonely):.3f}")
forest = RandomForestClassifier(random_state=0).fit(sets[:1000].reshape(-1, 64), odd[:1000].ravel())
alone = forest.predict_proba(test_sets.reshape(-1, 64))[:, 1].reshape(test_odd.shape)
print(f"random forest, each image by itself: {share_found(alone):.3f}")

# %%
# One set per row. A frame marks the chosen image, in green if it is the odd one; a dotted frame, an odd one missed.

chosen = probability.argmax(axis=1)
wrong = chosen != test_odd.argmax(axis=1)
shown = np.r_[np.flatnonzero(~wrong)[:5], np.flatnonzero(wrong)[:1]]
figure, axes = plt.subplots(6, 16, figsize=(9, 3.6), layout="constrained")
for i, row in zip(shown, axes, strict=True):
    for j, axis in enumerate(row):
        axis.imshow(test_sets[i, j].reshape(8, 8), cmap="Greys")
        is_chosen = j == chosen[i]
        color = "tab:red" if is_chosen and wrong[i] else "tab:green"
        style = {"color": color, "linewidth": 3, "linestyle": "-" if is_chosen else ":"}
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set(visible=is_chosen or test_odd[i, j], **style)
figure.savefig(Path(sys.argv[0]).with_suffix(".png"), dpi=90)
