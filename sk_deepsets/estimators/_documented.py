"""Parameters of an estimator, each declared once: its default, its constraints and its documentation."""

from dataclasses import dataclass, field, fields
from inspect import cleandoc
from textwrap import indent
from typing import Any

FITTED = """
n_features_in_ : int
    Number of features of an element.
feature_names_in_ : ndarray of shape (``n_features_in_``,)
    Names of the features, if the sets are DataFrames whose column names are strings.
n_context_features_ : int or None
    Number of context columns; None if the sets have no context.
size_range_ : tuple of int
    Sizes of the smallest and the largest training set, not counting empty sets. ``predict`` warns of sets that are more
    than four times larger or smaller, and of values that lie more than four times the range of their column outside it.
n_iter_ : int
    Number of epochs trained.
best_iteration_ : int
    The epoch whose weights are kept, counted from 1; ``n_iter_`` without validation.
history_ : list of dict
    One row per epoch: ``epoch``, ``train_loss``, ``valid_loss`` (the loss of the held-out sets: log loss, or ``loss``
    on the standardised target; of a callable, what it returns), ``dur``, …. An ensemble is evaluated, and has a
    ``valid_loss``, at the epochs 1, 2, 3, 4, 5, 6, 8, 10, 13, …, each about 1.3 times the one before; with
    ``callbacks`` or ``verbose=2`` at every epoch.
net_ : skorch.NeuralNet
    The trained net. ``net_.module_`` is the torch module, which takes unstandardised ``x`` and ``mask``; a
    ``module`` of your own is ``net_.module_.module``, after the standardisation.
padder_ : SetPadder
    Checks ``max_set_size``. For sets without categories, ``padder_.transform(X)`` has the ``values`` and the ``mask``
    that ``net_.module_`` takes, as tensors.
"""

# Of the estimators that may be ensembles.
FITTED_OUT_OF_FOLD = """
oof_prediction_ : ndarray of shape (n_sets, n_classes), (n_sets, n_labels), (n_sets,) or (n_sets, n_outputs)
    Out-of-fold predictions: the probabilities, or values, of each training set, predicted by the members that were not
    trained on it; NaN for sets of weight 0. Only of ensembles, and not with ``X_val`` or after ``partial_fit``.
oof_score_ : float
    Accuracy, or R², of ``oof_prediction_``, as ``score`` has it. It is slightly optimistic, since the number of epochs
    and the weights of the members were chosen on the same folds.
"""

# Of the same with one prediction per element.
FITTED_OUT_OF_FOLD_BY_ELEMENT = """
oof_prediction_ : list of ndarray, or ndarray of shape (n_sets, set_size, ...)
    Out-of-fold predictions in the form of ``predict_proba``, or of ``predict`` of a regressor: those of each training
    set, predicted by the members that were not trained on it; NaN for sets of weight 0 and without targets. Only of
    ensembles, and not with ``X_val`` or after ``partial_fit``.
oof_score_ : float
    Accuracy, R² or NDCG of ``oof_prediction_``, as ``score`` has it. It is slightly optimistic, since the number of
    epochs and the weights of the members were chosen on the same folds.
"""


def parameter(default: Any, kind: str, doc: str, *constraints: Any) -> Any:
    """A field of an estimator: its default, its type as numpydoc shows it, what it does, and what it may be."""
    return field(default=default, metadata={"kind": kind, "doc": cleandoc(doc), "constraints": list(constraints)})


def with_parameters(cls: type) -> type:
    """Make a class a dataclass whose ``__init__`` only stores its parameters, with their constraints and documentation.

    ``{parameters}`` in the docstring of the class stands for the list of all its parameters, ``{fitted}`` for the
    attributes that all estimators have after ``fit``, ``{out_of_fold}`` for those that ensembles have in addition, and
    ``{out_of_fold_by_element}`` for those of the element-wise ones.
    """
    cls = dataclass(kw_only=True, eq=False, repr=False)(cls)
    cls._parameter_constraints = {one.name: one.metadata["constraints"] for one in fields(cls)}
    texts = {
        "{parameters}": "\n".join(map(_entry, fields(cls))),
        "{fitted}": cleandoc(FITTED),
        "{out_of_fold}": cleandoc(FITTED_OUT_OF_FOLD),
        "{out_of_fold_by_element}": cleandoc(FITTED_OUT_OF_FOLD_BY_ELEMENT),
    }
    for name, text in texts.items():
        cls.__doc__ = cls.__doc__.replace(name, indent(text, "    ").strip())
    return cls


def _entry(one: Any) -> str:
    default = f'"{one.default}"' if isinstance(one.default, str) else one.default
    return f"{one.name} : {one.metadata['kind']}, default={default}\n{indent(one.metadata['doc'], '    ')}"
