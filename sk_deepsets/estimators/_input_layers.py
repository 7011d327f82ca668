"""The first layers of a model: numbers are standardised and categories embedded."""

from numbers import Integral

import numpy as np
import torch

from sk_deepsets.estimators._statistics import mean_and_scale
from sk_deepsets.nn import MixedColumns, Standardize


def input_layers(sets, encoder, weight, *, standardize, centred=True):
    """The arguments of a torch module that depend on the data: its input layers and their widths.

    Parameters
    ----------
    sets : RaggedSets
        Of numbers and of codes of categories.
    encoder : SetEncoder
        Which made them.
    weight : ndarray of shape (n_sets,) or None
        Of the sets in what is learned.
    standardize : bool
    centred : bool
        Whether to subtract the mean of the elements.
    """
    of_elements = None if weight is None else weight[sets.segments]
    layer, dim = input_layer(sets.elements, encoder.n_categories, of_elements, standardize, centred)
    dims = {"input_layer": layer, "input_dim": dim}
    if sets.context is not None:
        layer, dim = input_layer(sets.context, encoder.n_context_categories, weight, standardize)
        dims |= {"context_layer": layer, "context_dim": dim}
    return dims


def input_layer(table, n_categories, weight, standardize, centred=True):
    """A layer for the columns of a table, and how many features come out of it."""
    numbers = table[:, : table.shape[1] - len(n_categories)]
    mean, scale = np.zeros(numbers.shape[1]), np.ones(numbers.shape[1])
    if standardize:
        mean, scale = mean_and_scale(numbers, weight)
        if not centred:
            mean, scale = np.zeros_like(mean), np.hypot(mean, scale)  # the root mean square
    layer = Standardize(torch.from_numpy(mean), torch.from_numpy(scale))
    if not n_categories:
        return layer, numbers.shape[1]
    layer = MixedColumns(layer, numbers.shape[1], n_categories)
    return layer, layer.output_dim


def sum_scale(sets, weight):
    """One over a typical size: sums over sets of a thousand elements would start training far out."""
    typical_size = np.sqrt(np.average(np.square(sets.sizes), weights=weight))
    return 1 / max(float(typical_size), 1)


def check_widths(dims, name):
    """The widths of hidden layers that a parameter holds, as a tuple."""
    dims = tuple(dims)
    if not all(isinstance(dim, Integral) and not isinstance(dim, bool) and dim > 0 for dim in dims):
        raise ValueError(f"{name} must hold whole numbers of at least 1, one for each hidden layer, but is {dims}.")
    return dims
