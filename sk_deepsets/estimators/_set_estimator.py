"""SetEstimator: the base of the estimators with one prediction per set."""

from functools import partial

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted
from torch import nn

from sk_deepsets.estimators._architecture import check_widths, pool_names
from sk_deepsets.estimators._base import DeepSetsBase
from sk_deepsets.estimators._by_element import ByElementMixin
from sk_deepsets.estimators._folds import FEWEST_SETS
from sk_deepsets.estimators._inputs import (
    collection_ensemble_inputs,
    collection_layers,
    ensemble_inputs,
    input_layers,
    sum_scale,
)
from sk_deepsets.estimators._module_parameters import ModuleParametersMixin
from sk_deepsets.estimators._outcome import check_finite
from sk_deepsets.estimators._variants import SINGLE_NET, Layout, adapted, layout
from sk_deepsets.nn import (
    DeepSetsCollections,
    DeepSetsConditional,
    DeepSetsEnsemble,
    DeepSetsInvariant,
)
from sk_deepsets.preprocessing import CollectionsEncoder, are_columns, as_labelled
from sk_deepsets.sets import RaggedSets
from sk_deepsets.training import ModuleEnsemble, PaddedModule, SetDataset


class SetEstimator(
    ByElementMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin, ModuleParametersMixin, DeepSetsBase
):
    """Base of the estimators with one prediction per set."""

    def transform(self, X):
        """Embed sets: the pooled vectors, which are the input of rho.

        Parameters
        ----------
        X : sets
            Any form that :func:`check_sets` takes.

        Returns
        -------
        ndarray of shape (n_sets, n_embedding_features), float32; or the DataFrame that ``set_output`` asks for
            In pandas with the labels of the sets.
        """
        check_is_fitted(self)
        sets = self._read_sets(X)
        embedding = check_finite(self.net_.embed(SetDataset(sets)).numpy(), sets, self, self._fitted.reader.encoder)
        return as_labelled(self, embedding, sets.index)

    def get_feature_names_out(self, input_features=None):
        """Names of the features of an embedding: the class in lower case, and a number.

        Parameters
        ----------
        input_features : array-like of str, default=None
            The features of an element or the columns of the table, as pipelines and ``ColumnTransformer`` pass them.

        Returns
        -------
        ndarray of str
        """
        check_is_fitted(self)
        is_table = are_columns(input_features, self._fitted.reader.columns)
        return super().get_feature_names_out(None if is_table else input_features)

    def _is_right_for_any_size(self):
        """Whether the output is linear in a sum, or that of a few elements alone, whatever the number of others."""
        if self.element_weight is not None:  # how many elements there are has no effect
            return True
        if self.module is not None or self.net_.module_.reads_statistics:
            return False
        return self._is_additive or {*pool_names(self.pool_type)} <= {"max", "min"}

    @property
    def _is_additive(self):
        """Whether the output for a set is the sum of what each element adds by itself."""
        is_sum = {*pool_names(self.pool_type)} == {"sum"}
        return is_sum and not len(self.rho_hidden_dims) and self.encoder == "elementwise"

    @property
    def _n_features_out(self):
        module = self.net_.module_
        if module.embedding_dim is not None:
            return module.embedding_dim * module.n_members
        # of a module of the user's own, one element shows it
        n_context = self.n_context_features_
        context = None if n_context is None else np.zeros((1, n_context), dtype=np.float32)
        n_columns = self._fitted.reader.encoder.n_columns
        one = RaggedSets(np.zeros((1, n_columns), dtype=np.float32), [0, 1], context=context)
        return self.net_.embed(SetDataset(one)).shape[1]

    def _part_size(self):
        if not self.resample:
            return None
        if self.max_set_size is None:
            raise ValueError(
                "resample=True trains on a new random part of larger sets in each epoch, but max_set_size, which is "
                "the size of a part, is None: set one, such as max_set_size=1000."
            )
        return self.max_set_size

    def _element_weight(self):
        if self.element_weight is not None and self.module is not None:
            raise ValueError(
                f"element_weight={self.element_weight!r} weighs elements in pool_type, which a module of your own "
                "replaces: leave it out. The column is then a feature of x, by which the module can weigh them itself."
            )
        return self.element_weight

    def _choose_layout(self, n_sets, n_elements):
        phi = check_widths(self.phi_hidden_dims, "phi_hidden_dims")
        if self.n_members == "auto" and (self.module is not None or not phi or n_sets < FEWEST_SETS):
            return SINGLE_NET
        if self.module is not None:
            return Layout(n_folds=self.n_members)
        if not phi and self.n_members != 1:
            raise ValueError(
                f"phi_hidden_dims=(), but n_members={self.n_members} nets differ in what the first layer of phi "
                "takes: set phi_hidden_dims=(32,), or n_members=1."
            )
        return layout(self.n_members, n_sets, n_elements)

    def _make_core(self, encoded, weight, target, encoder, layout):
        sets, has_collections = encoded.sets, isinstance(encoder, CollectionsEncoder)
        if self.module is None and (options := self._module_options()):
            raise ValueError(f"module__{next(iter(options))} is for a module of your own, but module is None.")
        prior_weight = None if weight is None else weight / weight[weight > 0].mean()  # twice the weights, same prior
        ensemble = {
            "n_folds": layout.n_folds,
            "link": target.link,
            "prior": target.prior(encoded, prior_weight).tolist(),
        }
        if self.module is not None:
            return self._make_own_core(sets, weight, encoder, layout, ensemble)
        dims = {
            "phi_hidden_dims": check_widths(self.phi_hidden_dims, "phi_hidden_dims"),
            "rho_hidden_dims": check_widths(self.rho_hidden_dims, "rho_hidden_dims"),
            "pool_type": ("mean", "max") if self.pool_type == "auto" else self.pool_type,
            "activation": self.activation,
            "encoder": self.encoder,
        }
        if sets.context is not None:
            dims |= {"fusion_type": self.fusion_type, "context_in_rho": self.context_in_rho}
        if layout.n_folds > 1:
            how = {"dropout": self.dropout, "pool_type": self.pool_type, "standardize": self.standardize}
            variants = adapted(layout.variants, **how, additive=self._is_additive)
            options = {"variants": variants, **dims, **ensemble}
            make_inputs = collection_ensemble_inputs if has_collections else ensemble_inputs
            return DeepSetsEnsemble, options | make_inputs(variants, sets, encoder, weight, self.standardize)
        # a sum of centred elements no longer tells the set's size: without a layer to see it in, only scale them
        centred = len(dims["phi_hidden_dims"]) or "sum" not in pool_names(self.pool_type)
        dropout = 0.0 if self.dropout == "auto" else self.dropout
        if has_collections:
            inputs = collection_layers(sets, encoder, weight, standardize=self.standardize, centred=centred)
            return DeepSetsCollections, {**dims, **inputs, "phi_dropout": dropout, "rho_dropout": dropout}
        inputs = input_layers(sets, encoder, weight, standardize=self.standardize, centred=centred)
        inputs |= {"sum_scale": sum_scale(sets, weight, encoder.weight_column), "dropout": dropout}
        inputs["weight_column"] = encoder.weight_column
        return DeepSetsInvariant if sets.context is None else DeepSetsConditional, {**dims, **inputs}

    def _make_own_core(self, sets, weight, encoder, layout, ensemble):
        """What ``_make_core`` gives for the user's own module."""
        if isinstance(self.module, nn.Module):
            name = type(self.module).__name__
            raise TypeError(
                f"module is an instance of {name}, but expected the class: module={name}, which is then built with "
                "input_dim=... and output_dim=...; module__width=64 gives it a further argument, width."
            )
        if isinstance(encoder, CollectionsEncoder):
            inputs = collection_layers(sets, encoder, weight, standardize=self.standardize)
            each = inputs.pop("collections")
            inputs["collections"] = dict(zip(each, inputs.pop("n_columns"), strict=True))
            inputs["input_dim"] = {name: own["input_dim"] for name, own in each.items()}
            inputs["input_layer"] = nn.ModuleList(own["input_layer"] for own in each.values())
        else:
            inputs = input_layers(sets, encoder, weight, standardize=self.standardize)
        inputs |= {"module": self.module, "options": self._module_options()}
        return (ModuleEnsemble, {**inputs, **ensemble}) if layout.n_folds > 1 else (PaddedModule, inputs)

    def __sklearn_tags__(self):
        """An embedding comes in float32."""
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


def _has_embedding(estimator):
    module = estimator.module.func if isinstance(estimator.module, partial) else estimator.module
    return module is None or hasattr(module, "embed")


# after the class is made: set_output's own wrapper would hide that the method is not always there
SetEstimator.transform = available_if(_has_embedding)(SetEstimator.transform)
SetEstimator.get_feature_names_out = available_if(_has_embedding)(SetEstimator.get_feature_names_out)
