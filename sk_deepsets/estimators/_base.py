"""DeepSetsEstimator: what the estimators with one answer a set share."""

from __future__ import annotations

from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from sk_deepsets.estimators._learner import SetLearner
from sk_deepsets.estimators._training import dimensions
from sk_deepsets.nn import POOL_TYPES
from sk_deepsets.training import SetDataset, build_net


class DeepSetsEstimator(ClassNamePrefixFeaturesOutMixin, TransformerMixin, SetLearner):
    """Base of the set-level estimators; :class:`DeepSetsClassifier` documents the parameters."""

    _parameter_constraints = {  # noqa: RUF012 - scikit-learn's name and form
        **SetLearner._parameter_constraints,
        "phi_hidden_dims": ["array-like"],
        "rho_hidden_dims": ["array-like"],
        "pool_type": [StrOptions(set(POOL_TYPES)), tuple, list],
        "context_in_rho": ["boolean"],
        "encoder": [StrOptions({"elementwise", "equivariant"})],
        "module": [callable, None],
        "mixed_precision": ["boolean"],
    }

    def transform(self, X):
        """Embed sets: what the pool gives and rho reads.

        Parameters
        ----------
        X : sets
            Any form that :func:`check_sets` takes.

        Returns
        -------
        ndarray of shape (n_sets, n_embedding_features), float32
        """
        check_is_fitted(self)
        return self.net_.embed(SetDataset(self._read_sets(X))).numpy()

    def _outputs(self, X):
        """The net's outputs for sets, (n_sets, n_outputs) in float64."""
        check_is_fitted(self)
        return self.net_.forward(SetDataset(self._read_sets(X))).double().numpy()

    def _build_net(self, sets, weight, how):
        return build_net(self._loss_name, self.module, dimensions(self, sets, weight), how)

    def _dataset(self, sets, y, weight):
        return SetDataset(sets, self._scaled(y), weight)

    def __sklearn_tags__(self):
        """An embedding comes in float32."""
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


def _has_embedding(estimator):
    module = getattr(estimator.module, "func", estimator.module)
    return module is None or hasattr(module, "embed")


# after the class is made: set_output's own wrapper would hide that the method is not always there
DeepSetsEstimator.transform = available_if(_has_embedding)(DeepSetsEstimator.transform)
DeepSetsEstimator.get_feature_names_out = available_if(_has_embedding)(DeepSetsEstimator.get_feature_names_out)
