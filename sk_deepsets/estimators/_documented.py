"""Parameters of an estimator said once: the default, the constraints and the documentation of each."""

from dataclasses import dataclass, field, fields
from inspect import cleandoc
from textwrap import indent
from typing import Any

FITTED = """
n_features_in_ : int
    Features of an element.
feature_names_in_ : ndarray of shape (``n_features_in_``,)
    Names of the features, where the sets were DataFrames with string columns.
n_context_features_ : int or None
    Columns of the context; None where the sets have none.
size_range_ : tuple of int
    Sizes of the smallest and of the largest set trained on, empty sets aside. ``predict`` warns of sets that are more
    than four times as large, or as small.
n_iter_ : int
    Epochs trained.
best_iteration_ : int
    The epoch whose weights are kept, counted from 1; ``n_iter_`` without validation.
history_ : list of dict
    One row per epoch: ``epoch``, ``train_loss``, ``valid_loss`` (the loss of the sets held out: log loss, or ``loss``
    on the standardised target), ``dur``, ….
net_ : skorch.NeuralNet
    The trained net; ``net_.module_`` is the torch module, and takes raw, unstandardised ``x`` and ``mask``; a
    ``module`` of your own is ``net_.module_.module``, behind the standardisation.
padder_ : SetPadder
"""


def parameter(default: Any, kind: str, doc: str, *constraints: Any) -> Any:
    """A field of an estimator: its default, its type as numpydoc shows it, what it does, and what it may be."""
    return field(default=default, metadata={"kind": kind, "doc": cleandoc(doc), "constraints": list(constraints)})


def with_parameters(cls: type) -> type:
    """Make a class a dataclass whose ``__init__`` only stores its parameters, with their constraints and documentation.

    ``{parameters}`` in the docstring of the class stands for the list of all its parameters, ``{fitted}`` for the
    attributes that all estimators have after ``fit``.
    """
    cls = dataclass(kw_only=True, eq=False, repr=False)(cls)
    cls._parameter_constraints = {one.name: one.metadata["constraints"] for one in fields(cls)}
    texts = {"{parameters}": "\n".join(map(_entry, fields(cls))), "{fitted}": cleandoc(FITTED)}
    for name, text in texts.items():
        cls.__doc__ = cls.__doc__.replace(name, indent(text, "    ").strip())
    return cls


def _entry(one: Any) -> str:
    default = f'"{one.default}"' if isinstance(one.default, str) else one.default
    return f"{one.name} : {one.metadata['kind']}, default={default}\n{indent(one.metadata['doc'], '    ')}"
