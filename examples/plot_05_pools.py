"""
Which pool for which question?
==============================

The pool combines the elements of a set into one vector, so it determines what the model can see. This example compares
four pools on five questions about bags of handwritten digits, first on bags of the training sizes, then on larger ones.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.metrics import r2_score

from sk_deepsets import DeepSetsRegressor

# %%
# Bags of 5 to 15 images for training; for testing, bags of other images, of 5 to 15 and of 20 to 40.


def make_bags(usable, sizes, rng):
    """Bags of images, and the digits that they show."""
    chosen = [rng.choice(usable, size) for size in sizes]
    return [images[one] for one in chosen], [digits[one] for one in chosen]


rng = np.random.default_rng(0)
images, digits = load_digits(return_X_y=True)
train, train_digits = make_bags(np.arange(1000), rng.integers(5, 16, 1500), rng)
test, test_digits = make_bags(np.arange(1000, 1797), rng.integers(5, 16, 500), rng)
large, large_digits = make_bags(np.arange(1000, 1797), rng.integers(20, 41, 500), rng)

questions = {
    "how many images": len,
    "sum of the digits": np.sum,
    "mean of the digits": np.mean,
    "spread of the digits": np.std,
    "largest digit": np.max,
}
pools = ["sum", "mean", "max", ("mean", "std")]

# %%
# One plain net for each pool and question. ``R²`` is 1 for perfect predictions and 0 for a constant prediction of the
# mean.


def score(pool, question, *bags):
    """R² of a net with this pool for this question, on several lists of bags."""
    answer = questions[question]
    net = DeepSetsRegressor(pool_type=pool, n_members=1, max_epochs=250, random_state=0)
    net.fit(train, [answer(one) for one in train_digits])
    return [r2_score([answer(one) for one in known], net.predict(sets)) for sets, known in bags]


results = np.array(
    [[score(pool, question, (test, test_digits), (large, large_digits)) for pool in pools] for question in questions]
)
for question, row in zip(questions, results, strict=True):
    print(f"{question:22}", "  ".join(f"{value:5.2f}" for value in row[:, 0]))

# %%
# A mean does not know how many elements there are; a maximum finds the largest digit. The sum does well on all five
# questions, as long as the bags are of the training sizes. In larger bags, its values leave the range that rho was
# trained on. For totals over larger sets there is an additive model, ``pool_type="sum"`` with ``rho_hidden_dims=()``,
# whose prediction is a sum over the elements:

total = [digits_of_bag.sum() for digits_of_bag in train_digits]
additive = DeepSetsRegressor(pool_type="sum", rho_hidden_dims=(), n_members=1, max_epochs=150, random_state=0)
additive.fit(train, total)
known = np.array([digits_of_bag.sum() for digits_of_bag in large_digits])
error = np.abs(additive.predict(large) - known)
print(f"sums of 20 to 40 digits, about {known.mean():.0f}: mean error {error.mean():.1f}")

figure, axes = plt.subplots(1, 2, figsize=(9, 3), layout="constrained", sharey=True)
names = ["sum", "mean", "max", "mean, std"]
for axis, values, title in zip(axes, results.transpose(2, 0, 1), ["bags of 5 to 15", "bags of 20 to 40"], strict=True):
    axis.imshow(values.clip(0, 1), cmap="Greens", vmin=0, vmax=1.3, aspect="auto")
    for (i, j), value in np.ndenumerate(values):
        axis.text(j, i, f"{value:.2f}" if value > -1 else "< -1", ha="center", va="center", fontsize=9)
    axis.set(xticks=range(4), xticklabels=names, yticks=range(5), yticklabels=questions, title=f"R², {title}")
figure.savefig(Path(sys.argv[0]).with_suffix(".png"), dpi=90)
