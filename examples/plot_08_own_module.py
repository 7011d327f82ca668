"""
Your own torch module, and callbacks
====================================

Where Deep Sets are not the model that you want, bring your own: any torch module that takes ``x`` and ``mask``. The
data handling, early stopping, probabilities, pipelines and searches stay. Here a transformer in which each image of a
bag attends to the others counts *pairs*: does a bag of handwritten digits hold two images of one digit?
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_digits
from skorch.callbacks import EpochScoring, LRScheduler
from torch import nn

from sk_deepsets import DeepSetsClassifier
from sk_deepsets.inspection import check_invariance


def make_bags(usable, n_bags, rng):
    """Bags of 3 to 6 images, all of different digits or with one digit twice."""
    bags = []
    for number in range(n_bags):
        shown = rng.permutation(10)[: rng.integers(3, 7)]
        if number % 2:
            shown[0] = shown[1]
        bags.append(np.array([rng.choice(usable[digits[usable] == digit]) for digit in shown]))
    return [images[rng.permutation(bag)] for bag in bags], np.arange(n_bags) % 2 == 1


rng = np.random.default_rng(0)
images, digits = load_digits(return_X_y=True)
images = images / 16
bags, y = make_bags(np.arange(1000), 3000, rng)
test_bags, test_y = make_bags(np.arange(1000, 1797), 1000, rng)

# %%
# The class is built with the number of features and outputs, and called with a batch ``x (b, m, d)`` and its mask
# ``(b, m)``, which is True where there is an element. It returns one row of logits per set.


class SetTransformer(nn.Module):
    """Two layers of self-attention without positions, and the mean over the elements."""

    def __init__(self, input_dim, output_dim, width=64):
        super().__init__()
        layer = nn.TransformerEncoderLayer(width, 4, 2 * width, dropout=0.1, batch_first=True)
        self.embed = nn.Linear(input_dim, width)
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.readout = nn.Linear(width, output_dim)

    def forward(self, x, mask):
        """Logits (b, output_dim)."""
        hidden = self.layers(self.embed(x), src_key_padding_mask=~mask)
        weights = mask.unsqueeze(2) / mask.sum(1).clamp(min=1)[:, None, None]
        return self.readout((hidden * weights).sum(1))


# %%
# Callbacks are those of skorch: here a learning rate that follows a cosine, and the accuracy of each epoch.

settings = {"max_epochs": 40, "lr": 1e-3, "standardize": False, "weight_decay": 0.01, "n_iter_no_change": 40}
accuracy = EpochScoring("accuracy", name="valid_accuracy", lower_is_better=False)
cosine = LRScheduler(torch.optim.lr_scheduler.CosineAnnealingLR, T_max=40)
models = {
    "Deep Sets": DeepSetsClassifier(n_members=1, random_state=0, callbacks=[cosine, accuracy], **settings),
    "Set Transformer": DeepSetsClassifier(
        module=SetTransformer, random_state=0, callbacks=[cosine, accuracy], **settings
    ),
}
for name, model in models.items():
    model.fit(bags, y)
    print(f"{name:16} test accuracy {model.score(test_bags, test_y):.3f}, best epoch {model.best_iteration_}")

# %%
# A module of your own may depend on what it should not depend on, such as the order of the elements. This one does not:

print(check_invariance(models["Set Transformer"], test_bags[:50]))

# %%
# ``history_`` has one row per epoch, with what the callbacks add.

figure, axes = plt.subplots(1, 2, figsize=(9, 3), layout="constrained")
for (name, model), color in zip(models.items(), ["tab:blue", "tab:orange"], strict=True):
    epochs = [row["epoch"] for row in model.history_]
    axes[0].plot(epochs, [row["train_loss"] for row in model.history_], color=color, linestyle=":")
    axes[0].plot(epochs, [row["valid_loss"] for row in model.history_], color=color, label=name)
    axes[1].plot(epochs, [row["valid_accuracy"] for row in model.history_], color=color, label=name)
    axes[0].axvline(model.best_iteration_, color=color, linewidth=0.8)
axes[0].set(xlabel="epoch", ylabel="log loss (dotted: in training)")
axes[1].set(xlabel="epoch", ylabel="accuracy on the sets held out")
axes[1].legend()
figure.savefig(Path(__file__).with_suffix(".png"), dpi=90)
