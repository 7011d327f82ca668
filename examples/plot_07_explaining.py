"""
Which element decided?
======================

A prediction for a set can be attributed to its elements. Here bags of handwritten digits are positive if they hold a
nine. The labels do not say which image it is, but the explanation should find it.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from sk_deepsets import DeepSetsClassifier
from sk_deepsets.inspection import check_invariance, element_importance, feature_importance


def make_bags(usable, n_bags, rng):
    """Bags of 5 to 15 images, half of them with one 9; and the digits that they show."""
    nines, others = usable[digits[usable] == 9], usable[digits[usable] != 9]
    bags = [rng.choice(others, rng.integers(5, 16)) for _ in range(n_bags)]
    for bag in bags[::2]:
        bag[rng.integers(len(bag))] = rng.choice(nines)
    return [images[bag] for bag in bags], [digits[bag] for bag in bags]


rng = np.random.default_rng(0)
images, digits = load_digits(return_X_y=True)
bags, shown_digits = make_bags(np.arange(1000), 800, rng)
test_bags, test_digits = make_bags(np.arange(1000, 1797), 300, rng)
y, test_y = (np.array([9 in one for one in known]) for known in (shown_digits, test_digits))
clf = DeepSetsClassifier(pool_type="max", n_members=5, max_epochs=60, random_state=0).fit(bags, y)
print(f"test accuracy {clf.score(test_bags, test_y):.3f}")

# %%
# By default, ``element_importance`` compares the log-odds of the class with and without the element. It is exact, and
# takes five to seven times as long as a prediction. In positive bags, the image with the largest importance should be
# the nine.

importance = element_importance(clf, test_bags, target=True)
positive = np.flatnonzero(test_y)
found = np.mean([test_digits[i][importance[i].argmax()] == 9 for i in positive])
chance = np.mean([1 / len(test_digits[i]) for i in positive])
print(f"the nine has the largest importance in {found:.3f} of the positive bags (chance {chance:.3f})")

# %%
# ``feature_importance`` permutes one column over all elements at a time, and the set sizes. Here the columns are
# pixels, and those in which a nine differs from other digits should matter.

pixels = feature_importance(clf, test_bags, test_y, n_repeats=2, scoring="neg_log_loss", random_state=0)
size = pixels.importances_mean[pixels.kinds == "size"][0]
pixel = pixels.importances_mean[pixels.kinds == "element"].max()
print(
    f"log loss rises by {pixel:.3f} for the worst pixel, and by {size:.3f} for the sizes: smaller bags lose their nine"
)

# %%
# The order of the elements, the other sets of a batch and padding must not change a prediction. A module of your own
# may break this rule, and ``check_invariance`` detects it.

print(check_invariance(clf, test_bags[:50]))

# %%
# Four positive bags with the importance of each image, and the importance of the pixels.

figure = plt.figure(figsize=(9, 3.4), layout="constrained")
left, right = figure.subfigures(1, 2, width_ratios=(3, 1))
shown = positive[[len(test_bags[i]) >= 10 for i in positive]][:4]
for i, row in zip(shown, left.subplots(4, 10), strict=True):
    order = np.argsort(-importance[i])[:10]
    for j, axis in zip(order, row, strict=True):
        axis.imshow(test_bags[i][j].reshape(8, 8), cmap="Greys")
        axis.set_title(f"{importance[i][j]:.2f}", fontsize=8, color="tab:green" if test_digits[i][j] == 9 else "black")
        axis.set(xticks=[], yticks=[])
left.suptitle("images of a bag by importance; nines in green", fontsize=10)
axis = right.subplots()
limit = np.abs(pixels.importances_mean[:64]).max()
axis.imshow(pixels.importances_mean[:64].reshape(8, 8), cmap="PiYG", vmin=-limit, vmax=limit)
axis.set(xticks=[], yticks=[])
axis.set_title("importance of the pixels", fontsize=10)
figure.savefig(Path(sys.argv[0]).with_suffix(".png"), dpi=90)
