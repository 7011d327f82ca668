"""Fitted: what a fit leaves of itself."""

from dataclasses import dataclass
from typing import Any

from sk_deepsets.estimators._reader import CollectionsReader, SetReader
from sk_deepsets.estimators._variants import Layout
from sk_deepsets.targets import Target
from sk_deepsets.training import RandomNumbers, SetNet


@dataclass(frozen=True, eq=False)
class Fitted:
    """All that predictions, and further training, need beside the parameters of an estimator."""

    reader: SetReader | CollectionsReader
    target: Target
    net: SetNet
    layout: Layout
    """Of the members that training began with"""
    seed: int
    """Of the folds, or of the held-out part"""
    random_numbers: RandomNumbers
    parameters: dict[str, Any]
    """What the net was built with, in a form that compares"""
    size_range: tuple[int, int]
    column_ranges: dict[str, Any]
    """Of the columns of the elements, and of the context"""
    has_seen_all: bool
    """Whether every member has been trained on all sets, so that there are no out-of-fold predictions"""
