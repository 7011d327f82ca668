"""What a model learns to predict: from y to numbers, and from outputs to predictions."""

from sk_deepsets.targets._check import check_groups, check_one_for_each_set, check_weight
from sk_deepsets.targets._classes import ClassTarget, LabelsTarget, has_several_labels
from sk_deepsets.targets._custom_loss import CustomLossTarget
from sk_deepsets.targets._elements import (
    ChosenElementTarget,
    ElementClassTarget,
    ElementPositiveTarget,
    ElementQuantilesTarget,
    ElementValueTarget,
    RankingTarget,
)
from sk_deepsets.targets._quantiles import QuantilesTarget, check_quantiles
from sk_deepsets.targets._rank_metrics import mean_ndcg
from sk_deepsets.targets._survival import SurvivalTarget
from sk_deepsets.targets._target import Encoded, Target
from sk_deepsets.targets._values import PositiveTarget, ValueTarget

TARGETS = (
    *(ClassTarget, LabelsTarget, ValueTarget, PositiveTarget, QuantilesTarget, CustomLossTarget),
    SurvivalTarget,
    *(ElementClassTarget, ChosenElementTarget, RankingTarget),
    *(ElementValueTarget, ElementPositiveTarget, ElementQuantilesTarget),
)

__all__ = [
    "TARGETS",
    "ChosenElementTarget",
    "ClassTarget",
    "CustomLossTarget",
    "ElementClassTarget",
    "ElementPositiveTarget",
    "ElementQuantilesTarget",
    "ElementValueTarget",
    "Encoded",
    "LabelsTarget",
    "PositiveTarget",
    "QuantilesTarget",
    "RankingTarget",
    "SurvivalTarget",
    "Target",
    "ValueTarget",
    "check_groups",
    "check_one_for_each_set",
    "check_quantiles",
    "check_weight",
    "has_several_labels",
    "mean_ndcg",
]
