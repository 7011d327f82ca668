"""Fingerprints are equal where values do the same, in other processes too."""

import cmath
import copy
import logging
import math
import re
import subprocess
import sys
import threading
from collections import defaultdict, deque
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from functools import partial
from operator import itemgetter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from skorch.callbacks import Callback, EpochScoring, LRScheduler
from torch import nn

from sk_deepsets.estimators._fingerprint import fingerprint


def score(net, X, y):
    return float(len(net.history) in {"a", "b", "c", "d"})


def made(beta):
    return lambda params, lr: torch.optim.Adam(params, lr=lr, betas=(beta, 0.999))


class Dict(dict):
    pass


class List(list):
    pass


class Float(float):
    pass


def subclassed(kind, mark):
    one = {dict: Dict, list: List, float: Float}[kind]()
    one.mark = mark
    return one


def linear(weight):
    layer = nn.Linear(2, 2, bias=False)
    nn.init.constant_(layer.weight, weight)
    return layer


def nested(levels, value):
    for _ in range(levels):
        value = Policy(value)
    return value


class Policy:
    def __init__(self, gamma):
        self.gamma = gamma

    def __call__(self, epoch):
        return self.gamma**epoch


@dataclass(slots=True)
class Slotted:
    one: int


class Watching(Callback):
    def __init__(self, rate):
        self._rate = rate  # not under the name of the parameter


def unset():
    def inner():
        return later

    return inner
    later = 1


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
    math.sqrt,
    cmath.sqrt,
    str.lower,
    str.upper,
    {1: 2}.get,
    {1: 3}.get,
    np.frompyfunc(len, 1, 1),
    np.add,
    np.multiply,
    np,
    torch,
    range(3),
    range(5),
    Path("a"),
    Path("b"),
    Decimal("1.5"),
    Fraction(3, 2),
    timedelta(1),
    timedelta(2),
    deque([1]),
    deque([2]),
    re.compile("a"),
    re.compile("b"),
    itemgetter(1),
    itemgetter(2),
    slice(1),
    slice(2),
    Slotted(1),
    Slotted(2),
    torch.float32,
    torch.float64,
    torch.device("cpu"),
    torch.device("meta"),
    torch.zeros(2, dtype=torch.bfloat16),
    torch.ones(2, dtype=torch.bfloat16),
    torch.eye(2).to_sparse(),
    torch.ones(2, 2).to_sparse(),
    torch.tensor([1j]),
    torch.tensor([1j]).conj(),
    nn.Parameter(torch.arange(2.0)),
    linear(0),
    linear(1),
    pd.DataFrame({"a": [1]}),
    pd.DataFrame({"b": [1]}),
    nested(20, 0),
    nested(20, 1),
    lambda *a: a,
    lambda a: a,
    lambda **a: a,
    unset(),
    Watching(1),
    Watching(2),
    subclassed(dict, 1),
    subclassed(dict, 2),
    subclassed(list, 1),
    subclassed(list, 2),
    subclassed(float, 1),
    subclassed(float, 2),
    defaultdict(int),
    defaultdict(float),
    np.ma.array([1, 2], mask=[0, 1]),
    np.ma.array([1, 3], mask=[0, 0]),
    torch.ones(3).requires_grad_(),
    torch.ones(3),
    logging.getLogger("one"),
    logging.getLogger("other"),
    None,
    1,
    1.0,
    True,
]


def test_what_differs_has_another_fingerprint():
    found = [fingerprint(one) for one in DIFFERENT]
    same = [(a, b) for a in range(len(found)) for b in range(a) if found[a] == found[b]]
    assert same == []


def test_other_processes_say_the_same():
    code = f"from {__name__} import DIFFERENT, fingerprint; print(list(map(fingerprint, DIFFERENT)))"
    root = Path(__file__).parents[2]
    environment = {"PYTHONHASHSEED": "1", "PYTHONPATH": str(root)}  # of the hashes, which order sets
    said = subprocess.check_output([sys.executable, "-c", code], cwd=root, env=environment, text=True)
    assert said.strip() == str(list(map(fingerprint, DIFFERENT)))


def test_what_refers_to_itself_has_a_fingerprint():
    def loop(gamma):
        one = Policy(gamma)
        one.itself = [one]
        return one

    assert fingerprint(loop(0.5)) == fingerprint(loop(0.5)) != fingerprint(loop(0.9))


def test_what_is_held_many_times_is_looked_at_once():
    value = []
    for _ in range(200):
        value = [value, value]
    assert fingerprint(value) == fingerprint(copy.deepcopy(value))


def test_what_cannot_be_pickled_is_told_by_its_type():
    assert fingerprint(Policy(threading.Lock())) == fingerprint(Policy(threading.Lock()))
    assert fingerprint(torch.zeros(2, device="meta")) == fingerprint(torch.zeros(3, device="meta"))


def test_a_log_call_changes_nothing():
    logger = logging.getLogger(__name__)
    before = fingerprint(logger)
    logger.debug("something")
    assert fingerprint(logger) == before


def test_the_order_of_a_dict_does_not_count():
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})


def test_what_is_too_deep_is_not_cut_short():
    with pytest.raises(RecursionError):
        fingerprint(nested(2_000, 1))
