"""What a net learns from the training sets before it is trained: the scalings of its inputs."""

import numpy as np
import torch

from sk_deepsets.estimators._projection import project
from sk_deepsets.nn import (
    CollectionColumns,
    CollectionProjection,
    CollectionStatistics,
    Columns,
    MixedColumns,
    RelativeColumns,
    Scalings,
    Standardize,
    Statistics,
)
from sk_deepsets.preprocessing import mean_and_scale
from sk_deepsets.training import SetBatches, SetDataset

# Of more values than this among the elements, 256 MiB in float32, a sample tells the scalings: a pass over all would
# take about as long as an epoch. Its sets have this many values together, and are as many as this at least.
MOST_VALUES, SAMPLE_VALUES, FEWEST_SAMPLED = 67_108_864, 16_777_216, 100
# Scalings are learned from so many elements at most.
ENOUGH_ELEMENTS = 50_000
# Statistics are computed in float64 from values of about 1: sums of up to a million of them are right to this.
RESOLUTION = 2.0**-30
# Where elements are seen beside the others of their set, each number has three columns, and each element is a row to
# learn from: with six times the intervals of other ensembles, the columns of 38 numbers have 13 each, not two.
RELATIVE_INTERVALS = 1_536


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
    own = _element_layer(sets, encoder, weight, standardize, centred)
    return own | _context_layer(sets, encoder, weight, standardize)


def collection_layers(sets, encoder, weight, *, standardize, centred=True):
    """The same for a :class:`DeepSetsCollections`, of which ``encoder`` is a CollectionsEncoder."""
    collections = {
        name: _element_layer(part, encoder.encoders[name], weight, standardize, centred)
        | {"sum_scale": sum_scale(part, weight, encoder.encoders[name].weight_column)}
        | {"weight_column": encoder.encoders[name].weight_column}
        for name, part in encoder.split(sets).items()
    }
    own = {"collections": collections, "n_columns": [*encoder.widths.values()]}
    return own | _context_layer(sets, encoder, weight, standardize)


def _element_layer(sets, encoder, weight, standardize, centred):
    rows, row_weight, _ = learned_from(sets, weight)
    row_weight = with_element_weight(row_weight, rows, encoder.weight_column)
    layer, dim = input_layer(rows, encoder.n_categories, row_weight, standardize, centred, encoder.weight_column)
    return {"input_layer": layer, "input_dim": dim}


def _context_layer(sets, encoder, weight, standardize):
    if sets.context is None:
        return {}
    layer, dim = input_layer(sets.context, encoder.n_context_categories, weight, standardize)
    return {"context_layer": layer, "context_dim": dim}


def input_layer(table, n_categories, weight, standardize, centred=True, weight_column=None):
    """A layer for the columns of a table but ``weight_column``, and how many features come out of it."""
    numbers = table[:, : n_numbers(table, n_categories, weight_column)]
    mean, scale = np.zeros(numbers.shape[1]), np.ones(numbers.shape[1])
    if standardize:
        mean, scale = mean_and_scale(numbers, weight)
        if not centred:
            mean, scale = np.zeros_like(mean), np.hypot(mean, scale)  # the root mean square
    layer = Standardize(torch.from_numpy(mean), torch.from_numpy(scale))
    if not n_categories and weight_column is None:
        return layer, numbers.shape[1]
    layer = MixedColumns(layer, numbers.shape[1], n_categories)
    return layer, layer.output_dim


def learned_from(sets, weight):
    """The elements that scalings are learned from.

    Parameters
    ----------
    sets, weight
        As for ``input_layers``.

    Returns
    -------
    rows : ndarray of shape (n_rows, n_columns)
    row_weight : ndarray of shape (n_rows,) or None
    numbers : ndarray of int or None
        Of the sets that they are of, which are a random sample, the same each time, of those with a weight; None: of
        all. Of very large sets, the rows are every second element, or fewer.
    """
    if sets.elements.size <= MOST_VALUES:
        return sets.elements, None if weight is None else weight[sets.segments], None
    used = np.arange(len(sets)) if weight is None else np.flatnonzero(weight)
    numbers = np.random.RandomState(0).permutation(used)
    n_values = np.cumsum(sets.sizes[numbers]) * sets.n_features
    numbers = np.sort(numbers[: max(np.searchsorted(n_values, SAMPLE_VALUES), FEWEST_SAMPLED)])  # as they lie in a file
    step = max(1, -(-int(sets.sizes[numbers].sum()) * sets.n_features // SAMPLE_VALUES))
    begins, ends = sets.offsets[numbers].tolist(), sets.offsets[numbers + 1].tolist()
    parts = [sets.elements[begin:end:step] for begin, end in zip(begins, ends, strict=True)]
    row_weight = None if weight is None else np.repeat(weight[numbers], [len(part) for part in parts])
    return np.concatenate(parts), row_weight, numbers


def n_numbers(table, n_categories, weight_column=None):
    """How many columns of numbers a table has, which are the first; what weighs the rows comes behind these."""
    return table.shape[1] - len(n_categories) if weight_column is None else weight_column


def with_element_weight(weight, rows, weight_column):
    """Weights of rows of elements (n_rows,), or None, times what a column of theirs weighs."""
    if weight_column is None:
        return weight
    own = rows[:, weight_column].astype(np.float64)
    return own if weight is None else own * weight


def sum_scale(sets, weight, weight_column=None):
    """One over a typical size: sums over sets of a thousand elements would start training far out.

    Of weighted elements, over a typical total weight, which may also be less than 1.
    """
    if weight_column is None:
        typical_size = np.sqrt(np.average(np.square(sets.sizes), weights=weight))
        return 1 / max(float(typical_size), 1)
    totals = np.diff(np.r_[0.0, sets.elements[:, weight_column].cumsum(dtype=np.float64)][sets.offsets])
    typical = np.sqrt(np.average(np.square(totals), weights=weight))
    return 1 / float(typical) if typical > 0 else 1.0


def learn_columns(table, n_categories, weight, names, standardize, resolution=0.0, weight_column=None, **options):
    """The scalings of a table of numbers and codes, learned from the rows with a weight.

    Quantiles count each of these rows once, whatever its weight.

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
    weight_column : int, optional
        A column that is left out, behind those of numbers.
    **options
        Further arguments of :class:`Scalings`.
    """
    numbers = table[:, : n_numbers(table, n_categories, weight_column)]
    mean, scale = np.zeros(numbers.shape[1]), np.ones(numbers.shape[1])
    if standardize:
        mean, scale = mean_and_scale(numbers, weight, resolution)
    rows = np.arange(len(table)) if weight is None or not weight.any() else np.flatnonzero(weight)
    rows = rows[:: -(-len(rows) // ENOUGH_ELEMENTS)]
    scalings = Scalings(
        torch.from_numpy(np.ascontiguousarray(numbers[rows])),
        Standardize(torch.from_numpy(mean), torch.from_numpy(scale)),
        names,
        resolution,
        **options,
    )
    return Columns(scalings, numbers.shape[1], n_categories, n_skipped=weight_column is not None)


def ensemble_inputs(variants, sets, encoder, weight, standardize):
    """The arguments of an ensemble that depend on the data: scalings of elements, of statistics and of the context."""
    scale = sum_scale(sets, weight, encoder.weight_column)
    projection, sets, weight = project(sets, encoder, weight, standardize)
    elements, numbers = _element_columns(variants, sets, encoder, weight, standardize, projection)
    statistics = _statistics(elements, standardize)
    found = _set_inputs(variants, sets, encoder, weight, standardize, statistics, numbers)
    return {"projection": projection, "elements": elements, "sum_scale": scale, **found}


def collection_ensemble_inputs(variants, sets, encoder, weight, standardize):
    """The same for an ensemble for several collections, of which ``encoder`` is a CollectionsEncoder."""
    parts = encoder.split(sets)
    columns, projections = [], []
    for name, part in parts.items():
        own = encoder.encoders[name]
        own_projection, some, some_weight = project(part, own, weight, standardize)
        columns.append(_element_columns(variants, some, own, some_weight, standardize, own_projection)[0])
        projections.append(own_projection)
    statistics = CollectionStatistics([_statistics(each, standardize) for each in columns])
    numbers = learned_from(sets, weight)[2]
    projection = None
    if any(each is not None for each in projections):
        projection = CollectionProjection(projections, [*encoder.widths.values()])
    return {
        "projection": projection,
        "elements": CollectionColumns(columns),
        "names": [*parts],
        "sum_scale": [sum_scale(part, weight, encoder.encoders[name].weight_column) for name, part in parts.items()],
        **_set_inputs(variants, sets, encoder, weight, standardize, statistics, numbers, projection),
    }


def element_ensemble_inputs(variants, sets, encoder, weight, standardize):
    """The same for an ensemble whose elements are seen beside the others of their set."""
    projection, sets, weight = project(sets, encoder, weight, standardize, by_set=False)
    plain, numbers = _element_columns((), sets, encoder, weight, standardize, projection)
    relative = RelativeColumns(_units(plain, standardize), plain.n_numbers)
    some = np.arange(len(sets)) if weight is None or not weight.any() else np.flatnonzero(weight)
    # of whole sets, with about as many elements as scalings are learned from; an empty one has no target, and no weight
    some = some[:: max(1, int(sets.sizes[some].sum()) // ENOUGH_ELEMENTS)]
    table = _of_batches(relative, SetDataset(sets).subset(some))
    element_weight = None if weight is None else np.repeat(weight[some], sets.sizes[some])
    # in float64 the deviations have no more rounding than statistics, but the numbers that of their own dtype
    rounding = 2 * float(np.finfo(sets.elements.dtype).eps) if sets.elements.dtype.kind == "f" else 0.0
    names = {name for variant in variants for name in variant.elements}
    resolution = max(RESOLUTION, rounding)
    elements = learn_columns(
        table, encoder.n_categories, element_weight, names, standardize, resolution, most_intervals=RELATIVE_INTERVALS
    )
    statistics = _statistics(plain, standardize)
    set_inputs = _set_inputs(variants, sets, encoder, weight, standardize, statistics, numbers)
    return {"projection": projection, "relative": relative, "elements": elements, **set_inputs}


def _element_columns(variants, sets, encoder, weight, standardize, projection):
    """The scalings of the elements, and the sets that they are learned from, see ``learned_from``."""
    resolution = 0.0 if projection is None else RESOLUTION
    rows, row_weight, numbers = learned_from(sets, weight)
    names = {name for variant in variants for name in variant.elements} or {"standard"}
    column = weight_column_of(encoder, projection)
    row_weight = with_element_weight(row_weight, rows, column)
    columns = learn_columns(rows, encoder.n_categories, row_weight, names, standardize, resolution, column)
    return columns, numbers


def weight_column_of(encoder, projection):
    """Which column weighs the elements behind a projection, if there is one; None: none does."""
    if encoder.weight_column is None or projection is None:
        return encoder.weight_column
    return projection.output_dim


def _units(elements, standardize):
    """What sums over a set are in."""
    return elements.scalings.robust if standardize else elements.scalings.standardize


def _of_batches(function, dataset, projection=None):
    """What a function of packed sets, behind a projection, gives for all of a data set."""
    batches = (batch.packed for batch, _ in SetBatches(dataset, 1, max_elements=65_536))
    if projection is not None:
        batches = (packed._replace(elements=projection(packed.elements)) for packed in batches)
    return torch.cat([function(packed) for packed in batches]).numpy()


def _statistics(elements, standardize):
    # what weighs the elements is behind their numbers
    column = elements.n_numbers if elements.n_skipped else None
    return Statistics(_units(elements, standardize), elements.n_numbers, column)


def _set_inputs(variants, sets, encoder, weight, standardize, statistics, numbers, projection=None):
    """Scalings of the statistics and of the context; learned from the sets ``numbers``, None: from all.

    ``projection`` is what the elements of ``sets`` have yet to go through; None: nothing.
    """
    names = {name for variant in variants for name in variant.statistics} or {"standard"}
    dataset, set_weight = SetDataset(sets), weight
    if numbers is not None:
        dataset, set_weight = dataset.subset(numbers), None if weight is None else weight[numbers]
    table = _of_batches(statistics, dataset, projection)
    found = {
        "statistics": statistics,
        "statistic_columns": learn_columns(table, [], set_weight, names, standardize, RESOLUTION),
    }
    if sets.context is not None:
        names = {"clipped" if standardize else "standard"}
        found["context"] = learn_columns(sets.context, encoder.n_context_categories, weight, names, standardize)
    return found
