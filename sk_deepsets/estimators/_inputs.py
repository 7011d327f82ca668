"""What a net learns from the training sets before it is trained: the scalings of its inputs."""

import numpy as np
import torch

from sk_deepsets.nn import Columns, MixedColumns, Scalings, Standardize, Statistics
from sk_deepsets.preprocessing import mean_and_scale
from sk_deepsets.training import SetBatches, SetDataset

# Scalings are learned from so many elements at most.
ENOUGH_ELEMENTS = 50_000
# Statistics are computed in float64 from values of about 1: sums of up to a million of them are right to this.
RESOLUTION = 2.0**-30


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
    element_weight = None if weight is None else weight[sets.segments]
    layer, dim = input_layer(sets.elements, encoder.n_categories, element_weight, standardize, centred)
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


def learn_columns(table, n_categories, weight, names, standardize, resolution=0.0):
    """The scalings of a table of numbers and codes, learned from the rows with a weight.

    Parameters
    ----------
    table : ndarray of shape (n_rows, n_columns)
    n_categories : list of int
        Of the columns of codes, which are the last.
    weight : ndarray of shape (n_rows,) or None
    names : set of str
        Which scalings.
    standardize : bool
    resolution : float, default=0.0
        See :class:`Scalings`.
    """
    n_numbers = table.shape[1] - len(n_categories)
    numbers = table[:, :n_numbers]
    mean, scale = np.zeros(n_numbers), np.ones(n_numbers)
    if standardize:
        mean, scale = mean_and_scale(numbers, weight, resolution)
    rows = np.arange(len(table)) if weight is None or not weight.any() else np.flatnonzero(weight)
    rows = rows[:: -(-len(rows) // ENOUGH_ELEMENTS)]
    scalings = Scalings(
        torch.from_numpy(np.ascontiguousarray(numbers[rows])),
        Standardize(torch.from_numpy(mean), torch.from_numpy(scale)),
        names,
        resolution,
    )
    return Columns(scalings, n_numbers, n_categories)


def ensemble_inputs(variants, sets, encoder, weight, standardize):
    """The arguments of an ensemble that depend on the data: scalings of elements, of statistics and of the context."""
    element_weight = None if weight is None else weight[sets.segments]
    names = {name for variant in variants for name in variant.elements}
    elements = learn_columns(sets.elements, encoder.n_categories, element_weight, names, standardize)
    units = elements.scalings.robust if standardize else elements.scalings.standardize
    statistics = Statistics(units, elements.n_numbers)
    names = {name for variant in variants for name in variant.statistics} or {"standard"}
    batches = SetBatches(SetDataset(sets), 1, max_elements=65_536)
    table = torch.cat([statistics(batch.packed) for batch, _ in batches]).numpy()
    found = {
        "elements": elements,
        "statistics": statistics,
        "statistic_columns": learn_columns(table, [], weight, names, standardize, RESOLUTION),
    }
    if sets.context is not None:
        names = {"clipped" if standardize else "standard"}
        found["context"] = learn_columns(sets.context, encoder.n_context_categories, weight, names, standardize)
    return found
