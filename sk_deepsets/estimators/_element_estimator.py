"""ElementEstimator: the base of the estimators with one prediction per element."""

import numpy as np
import pandas as pd

from sk_deepsets.estimators._architecture import check_widths
from sk_deepsets.estimators._base import DeepSetsBase
from sk_deepsets.estimators._folds import FEWEST_SETS
from sk_deepsets.estimators._inputs import element_ensemble_inputs, input_layers, sum_scale
from sk_deepsets.estimators._variants import SINGLE_NET, adapted, equivariant_widths, layout
from sk_deepsets.nn import DeepSetsEquivariant, ElementEnsemble
from sk_deepsets.preprocessing import read_element_targets
from sk_deepsets.targets import check_weight


class SetAnswers(list):
    """A list with one array per set, which NumPy reads as an object array of these arrays.

    scikit-learn's ``cross_val_predict`` needs this to concatenate the predictions of the folds.
    """

    def __array__(self, dtype=None, copy=None):
        """One object for each set."""
        array = np.empty(len(self), dtype=object)
        array[:] = list(self)
        return array

    @property
    def shape(self):
        """None: a metric of probabilities, for instance, requires an array."""
        raise AttributeError(
            "The answers of an element-wise estimator are one array per set, which have no shape together. "
            'scikit-learn\'s metrics see them as one sample by scoring=element_scorer("roc_auc"), or another name.'
        )


def split_like(X, flat, sets):
    """Predictions of all elements as one array for each set; as an array where X is one."""
    if isinstance(X, np.ndarray) and X.ndim == 3:
        return flat.reshape(*X.shape[:2], *flat.shape[1:])
    return SetAnswers(np.split(flat, sets.offsets[1:-1]))


class ElementEstimator(DeepSetsBase):
    """Base of the estimators with one prediction per element."""

    _takes_collections = False

    def _score(self, X, y, sample_weight, decode, metric):
        """A metric of the elements that have a target."""
        sets = self._read_sets(X)
        targets, weight = read_element_targets(y, sets), check_weight(sample_weight, sets)
        labelled = ~pd.isna(targets)
        if not labelled.any():
            raise ValueError("No element has a target in y.")
        answers = decode(self._outputs(sets), sets)
        weight = None if weight is None else weight[sets.segments[labelled]]
        return float(metric(targets[labelled], answers[labelled], weight))

    def _choose_layout(self, n_sets, n_elements):
        if self.n_members == "auto" and n_sets < FEWEST_SETS:
            return SINGLE_NET
        return layout(self.n_members, n_sets, n_elements)

    def _make_core(self, encoded, weight, target, encoder, layout):
        sets = encoded.sets
        dims = {
            "hidden_dims": check_widths(equivariant_widths(self.hidden_dims, layout.n_folds), "hidden_dims"),
            "pool_type": self.pool_type,
            "activation": self.activation,
            "residual": self.residual,
            "layer_norm": self.layer_norm,
            "sum_scale": sum_scale(sets, weight),
        }
        if sets.context is not None:
            dims["fusion_type"] = self.fusion_type
        if layout.n_folds > 1:
            variants = adapted(layout.variants, dropout=self.dropout, standardize=self.standardize)
            inputs = element_ensemble_inputs(variants, sets, encoder, weight, self.standardize)
            prior = {"link": target.link, "prior": target.prior(encoded, weight).tolist()}
            return ElementEnsemble, {"variants": variants, "n_folds": layout.n_folds, **dims, **inputs, **prior}
        dims["dropout"] = 0.0 if self.dropout == "auto" else self.dropout
        return DeepSetsEquivariant, dims | input_layers(sets, encoder, weight, standardize=self.standardize)

    def _split(self, X, answers, sets):
        return split_like(X, answers, sets)
