"""Fitted: what a fit leaves of itself."""

from dataclasses import dataclass
from typing import Any

from sk_deepsets.estimators._variants import Layout
from sk_deepsets.preprocessing import SetEncoder, SetPadder
from sk_deepsets.targets import Target
from sk_deepsets.training import RandomNumbers, SetNet


@dataclass(frozen=True, eq=False)
class SetReader:
    """How sets become numbers: what ``fit`` learned of their features, sizes and columns."""

    padder: SetPadder
    encoder: SetEncoder
    columns: list[str] | None
    """The names of the columns of the table that the sets came in"""

    @property
    def features(self) -> dict[str, Any]:
        """Number and names of the features of an element, as attributes of an estimator."""
        features = {"n_features_in_": self.padder.n_features_in_}
        if hasattr(self.padder, "feature_names_in_"):
            features["feature_names_in_"] = self.padder.feature_names_in_
        return features


@dataclass(frozen=True, eq=False)
class Fitted:
    """All that predictions, and further training, need beside the parameters of an estimator."""

    reader: SetReader
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
