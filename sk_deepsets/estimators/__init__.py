"""scikit-learn estimators on sets, with one prediction per set or one per element."""

from sk_deepsets.estimators._base import DeepSetsBase
from sk_deepsets.estimators._element_estimators import DeepSetsElementClassifier, DeepSetsElementRegressor
from sk_deepsets.estimators._element_scorer import element_scorer
from sk_deepsets.estimators._plan import Fitted
from sk_deepsets.estimators._ranges import FarSetWarning
from sk_deepsets.estimators._reader import CollectionsReader, SetReader
from sk_deepsets.estimators._same_model import comparable
from sk_deepsets.estimators._set_estimator import SetEstimator
from sk_deepsets.estimators._set_estimators import DeepSetsClassifier, DeepSetsRegressor
from sk_deepsets.estimators._survival import DeepSetsSurvival
from sk_deepsets.estimators._training import make_net
from sk_deepsets.estimators._variants import Layout

__all__ = [
    "CollectionsReader",
    "DeepSetsBase",
    "DeepSetsClassifier",
    "DeepSetsElementClassifier",
    "DeepSetsElementRegressor",
    "DeepSetsRegressor",
    "DeepSetsSurvival",
    "FarSetWarning",
    "Fitted",
    "Layout",
    "SetEstimator",
    "SetReader",
    "comparable",
    "element_scorer",
    "make_net",
]
