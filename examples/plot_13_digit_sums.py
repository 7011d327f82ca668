"""
Trained on ten digits, right on a hundred: beside a GRU and an LSTM
===================================================================

Zaheer et al. (2017, "Deep Sets", section 4.1.2) train on the sums of at most 10 digits, and ask for the sums of up to
100. Recurrent nets have to learn that the order does not matter, and lose count where sets are larger than those of
training; a sum over the elements does not.
"""

import sys
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import nn

from sk_deepsets import DeepSetsRegressor
from sk_deepsets.datasets import make_digit_sums

# %%
# 3,000 sets of 1 to 10 digits, each digit as ten zeros and ones; the paper has 100,000 for training. For the test, 200
# sets each of 5, 10, ..., 100 digits.

train, y_train = make_digit_sums(3000, random_state=0)
sizes = np.arange(5, 101, 5)
tests = [make_digit_sums(200, set_size=int(size), random_state=1) for size in sizes]

# %%
# The recurrent nets are modules of one's own, with about as many weights as phi: they read the elements one by one, and
# the state after the last one is what a linear layer takes.


class Recurrent(nn.Module):
    """A GRU or an LSTM that reads a set as a sequence."""

    def __init__(self, input_dim, output_dim, cell=nn.GRU, width=17):
        super().__init__()
        self.read = cell(input_dim, width, batch_first=True)
        self.rho = nn.Linear(width, output_dim)

    def forward(self, x, mask):
        """Values (b, output_dim)."""
        states, _ = self.read(x)
        last = states[torch.arange(len(x)), mask.sum(dim=1).clamp(min=1) - 1]
        return self.rho(last)


# %%
# Deep Sets whose rho is linear are a sum over the elements, at any size. With a hidden layer in rho they are not: sums
# leave the range in which rho was trained. ``predict`` warns of sets that much larger, which here are the question; and
# ``fit`` of losses that were still falling, after epochs that are the same for all.

warnings.filterwarnings("ignore", ".*are guesses")
warnings.filterwarnings("ignore", "The validation loss was still falling")
recurrent = {"module": Recurrent, "lr": 0.01}
additive = {"pool_type": "sum", "rho_hidden_dims": (), "lr": 0.01, "weight_decay": 0}
models = {
    "Deep Sets, a sum": additive,
    "Deep Sets, a sum and a hidden layer": additive | {"rho_hidden_dims": (32,)},
    "GRU": recurrent | {"module__cell": nn.GRU, "module__width": 17},
    "LSTM": recurrent | {"module__cell": nn.LSTM, "module__width": 14},
}
accuracy = {}
for name, options in models.items():
    model = DeepSetsRegressor(n_members=1, max_epochs=60, random_state=0, **options).fit(train, y_train)
    accuracy[name] = [np.mean(model.predict(sets).round() == y) for sets, y in tests]
    n_weights = sum(weight.numel() for weight in model.net_.module_.parameters())
    shown = ", ".join(f"{size} digits {accuracy[name][size // 5 - 1]:.2f}" for size in (5, 10, 15, 20, 50, 100))
    print(f"{name:36} {n_weights:,} weights: {shown}")

# %%
# The share of sums that are right, once rounded. As in the paper's figure, all methods are right on the sizes of
# training, and Deep Sets alone on larger ones, here with 3 percent of its sets for training: what carries over is the
# linear rho. The recurrent nets, and a hidden layer in rho, are lost from 20 digits on.

figure, axis = plt.subplots(figsize=(7, 3.5), layout="constrained")
for (name, values), style in zip(accuracy.items(), ["C0o-", "C0o:", "C1s--", "C2^--"], strict=True):
    axis.plot(sizes, values, style, ms=4, label=name)
axis.axvspan(0, 10, color="0.9", zorder=0)
axis.text(5, 0.5, "trained on", rotation=90, ha="center", va="center", fontsize=8)
axis.set(xlabel="digits in a set", ylabel="share of right sums", xlim=(0, 102), ylim=(-0.03, 1.03))
axis.legend(fontsize=8, loc="center right")
figure.savefig(Path(sys.argv[0]).with_suffix(".png"), dpi=90)
