"""
Your own torch module, and callbacks
====================================

If the models of this package do not fit your problem, use your own: any torch module that takes ``x`` and ``mask``.
Input checks, batches, early stopping, probabilities and pipelines remain. Here it is the gated attention of Ilse,
Tomczak and Welling (2018, "Attention-based deep multiple instance learning"), which predicts whether a bag of
handwritten digits holds a nine.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_digits
from skorch.callbacks import EpochScoring, LRScheduler
from torch import nn

from sk_deepsets import DeepSetsClassifier
from sk_deepsets.inspection import LossCurveDisplay, check_invariance


def make_bags(usable, n_bags, rng):
    """Bags of 10 to 30 images, half of them with one 9; and whether they hold it."""
    nines, others = usable[digits[usable] == 9], usable[digits[usable] != 9]
    bags = [rng.choice(others, rng.integers(10, 31)) for _ in range(n_bags)]
    for bag in bags[::2]:
        bag[rng.integers(len(bag))] = rng.choice(nines)
    return [images[bag] for bag in bags], np.arange(n_bags) % 2 == 0


rng = np.random.default_rng(0)
images, digits = load_digits(return_X_y=True)
bags, y = make_bags(np.arange(800), 1500, rng)
valid_bags, valid_y = make_bags(np.arange(800, 1000), 300, rng)
test_bags, test_y = make_bags(np.arange(1000, 1797), 1000, rng)

# %%
# The class is built with the numbers of features and outputs, and called with a batch ``x (b, m, d)`` and its mask
# ``(b, m)``, which is True where there is an element. It returns one row of logits per set. The guide has the whole
# contract, under "A torch module of your own".


class GatedAttention(nn.Module):
    """A mean of the hidden elements, with weights that depend on the elements."""

    def __init__(self, input_dim, output_dim, width=64):
        super().__init__()
        self.phi = nn.Sequential(nn.Linear(input_dim, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
        self.value, self.gate, self.weigh = nn.Linear(width, 32), nn.Linear(width, 32), nn.Linear(32, 1)
        self.rho = nn.Linear(width, output_dim)

    def forward(self, x, mask):
        """Logits (b, output_dim)."""
        hidden = self.phi(x)
        scores = self.weigh(torch.tanh(self.value(hidden)) * torch.sigmoid(self.gate(hidden))).squeeze(2)
        weights = scores.masked_fill(~mask, -1e9).softmax(1)
        return self.rho((weights.unsqueeze(2) * hidden).sum(1))


# %%
# Validation bags that share images with the training bags would tell little, so validation bags of other images are
# passed to ``fit``. Callbacks are those of skorch: here a cosine schedule of the learning rate, and the accuracy.

settings = {"n_members": 1, "max_epochs": 40, "lr": 2e-3, "n_iter_no_change": 40, "random_state": 0}
accuracy = EpochScoring("accuracy", name="valid_accuracy", lower_is_better=False)
cosine = LRScheduler(torch.optim.lr_scheduler.CosineAnnealingLR, T_max=40)
models = {
    "Deep Sets": DeepSetsClassifier(callbacks=[cosine, accuracy], **settings),
    "gated attention": DeepSetsClassifier(module=GatedAttention, callbacks=[cosine, accuracy], **settings),
}
for name, model in models.items():
    model.fit(bags, y, X_val=valid_bags, y_val=valid_y)
    print(f"{name:16} test accuracy {model.score(test_bags, test_y):.3f}, best epoch {model.best_iteration_}")

# %%
# By mistake, a module of your own may depend on the order of the elements or on padding. This one does not:

print(check_invariance(models["gated attention"], test_bags[:50]))

# %%
# Learning curves from ``history_``, which has one row per epoch, including what the callbacks record.

figure, axes = plt.subplots(1, 3, figsize=(10, 3), layout="constrained")
for axis, (name, model) in zip(axes, models.items(), strict=False):
    LossCurveDisplay.from_estimator(model, ax=axis)
    axis.set_title(name)
    axes[2].plot(
        [row["epoch"] for row in model.history_], [row["valid_accuracy"] for row in model.history_], label=name
    )
axes[2].set(xlabel="epoch", title="accuracy on the validation sets")
axes[2].legend(frameon=False)
figure.savefig(Path(sys.argv[0]).with_suffix(".png"), dpi=90)
