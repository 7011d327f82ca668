"""Words are equal where values do the same, in other processes too."""

import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import torch
from skorch.callbacks import EpochScoring, LRScheduler

from sk_deepsets.estimators._in_words import in_words


def score(net, X, y):
    return float(len(net.history) in {"a", "b", "c", "d"})


def made(beta):
    return lambda params, lr: torch.optim.Adam(params, lr=lr, betas=(beta, 0.999))


class Policy:
    def __init__(self, gamma):
        self.gamma = gamma

    def __call__(self, epoch):
        return self.gamma**epoch


DIFFERENT = [
    lambda: 1,
    lambda: 2,
    lambda: "1",
    lambda: lambda: 1,
    lambda: lambda: 2,
    lambda x=1: x,
    lambda x=2: x,
    lambda *, x=2: x,
    made(0.1),
    made(0.95),
    partial(made, 0.1),
    partial(made, beta=0.1),
    Policy(0.5),
    Policy(0.9),
    Policy(0.5).__call__,
    LRScheduler("StepLR", step_size=1, gamma=0.1),
    LRScheduler("StepLR", step_size=1, gamma=0.5),
    LRScheduler(torch.optim.lr_scheduler.StepLR, step_size=1, gamma=0.5),
    EpochScoring(score),
    ("a", EpochScoring(score)),
    ("b", EpochScoring(score)),
    torch.optim.SGD,
    torch.optim.Adam,
    np.arange(2_000),
    np.arange(2_000) + (np.arange(2_000) == 1_000),
    np.arange(2_000.0),
    torch.arange(2_000.0),
    np.array(["a", None], dtype=object),
    {"a": 1, "b": 2},
    {"a", "b"},
    ["a", "b"],
    len,
    max,
    None,
    1,
    1.0,
    True,
]


def test_what_differs_differs_in_words():
    words = [in_words(one) for one in DIFFERENT]
    same = [(a, b) for a in range(len(words)) for b in range(a) if words[a] == words[b]]
    assert same == []


def test_other_processes_say_the_same():
    code = f"from {__name__} import DIFFERENT, in_words; print(list(map(in_words, DIFFERENT)))"
    root = Path(__file__).parents[2]
    said = set()
    for seed in "012":  # of the hashes, which order sets
        environment = {"PYTHONHASHSEED": seed, "PYTHONPATH": str(root)}
        said.add(subprocess.check_output([sys.executable, "-c", code], cwd=root, env=environment, text=True))
    assert len(said) == 1


def test_what_refers_to_itself_has_words():
    one = Policy(0.5)
    one.itself = [one]
    assert in_words(one) == in_words(one)
