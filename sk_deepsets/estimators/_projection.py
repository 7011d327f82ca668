"""What an ensemble sees of elements with very many columns: a projection, learned from the training sets."""

import numpy as np
import torch
from scipy.stats import f
from sklearn.utils.extmath import randomized_svd

from sk_deepsets.nn import Projection, Standardize
from sk_deepsets.preprocessing import mean_and_scale
from sk_deepsets.training import SetBatches, SetDataset

# With more columns of numbers than this, a first layer for each member costs more than all else, and learns noise.
MOST_COLUMNS = 500
FEWEST_COMPONENTS, MOST_COMPONENTS, SETS_PER_COMPONENT = 64, 256, 4
# Directions of the elements of some sets count if those of others have so much of their spread along them, and so many
# times that along any direction.
SHARE_OF_SPREAD, TIMES_ANY_DIRECTION = 0.5, 2.0
# A column whose means differ between sets by more than chance, in one of so many draws of all columns without any.
CHANCE = 0.01
# In the sample of elements that directions are learned from.
SAMPLE_VALUES = 16_777_216
AT_ONCE = 65_536
# Of more values than this a sample of the sets tells the scalings of their coordinates, 256 MiB in float32.
MOST_VALUES = 67_108_864


def project(sets, encoder, weight, standardize, by_set=True):
    """A projection, or None, and the sets with their weights as scalings are learned from them.

    Of very many values, the sets are a random sample; ``by_set`` as in ``learn_projection``.
    """
    projection = learn_projection(sets, encoder, weight, by_set) if standardize else None
    if projection is None:
        return None, sets, weight
    used = np.arange(len(sets)) if weight is None else np.flatnonzero(weight)
    n_values = np.cumsum(sets.sizes[used]) * sets.n_features
    if len(used) and n_values[-1] > MOST_VALUES:
        order = np.random.RandomState(0).permutation(used)
        n_values = np.cumsum(sets.sizes[order]) * sets.n_features
        some = np.sort(order[: max(1, np.searchsorted(n_values, MOST_VALUES))])
        sets, weight = sets[some], None if weight is None else weight[some]
    batches = SetBatches(SetDataset(sets), 1, max_elements=AT_ONCE)
    elements = torch.cat([projection(batch.packed.elements) for batch, _ in batches])
    return projection, sets.replace(elements.numpy()), weight


def learn_projection(sets, encoder, weight, by_set=True):
    """A projection of the elements of these sets; None where they have few columns of numbers, or nothing in common.

    The directions are those of the greatest spread (a truncated singular value decomposition by random projections,
    Halko et al., 2011), of a random sample of the elements. Where there are none, and fewer sets than columns, they are
    the columns in which sets differ, if any do. The random numbers come from torch's generator.

    Parameters
    ----------
    sets, encoder, weight
        As for ``ensemble_inputs``.
    by_set : bool
        Whether there is one answer for each set, rather than for each element. If so, columns of which all sets have
        about the same mean may be left out.
    """
    n_numbers = encoder.weight_column  # which is behind those of phi
    if n_numbers is None:
        n_numbers = sets.n_features - len(encoder.n_categories)
    if n_numbers <= MOST_COLUMNS:
        return None
    random = np.random.RandomState(int(torch.randint(2**31 - 1, ())))
    has_weight = np.ones(len(sets), dtype=bool) if weight is None else weight > 0
    rows, most = np.flatnonzero(has_weight[sets.segments]), SAMPLE_VALUES // n_numbers
    if len(rows) > most:
        rows = np.sort(random.choice(rows, most, replace=False))
    numbers = np.asarray(sets.elements[rows])[:, :n_numbers]
    counts = bool((numbers >= 0).all() and (numbers == np.round(numbers)).all())
    mean, scale = mean_and_scale(numbers)
    projection = Projection(
        Standardize(torch.from_numpy(mean), torch.from_numpy(scale)), torch.empty(0, n_numbers).double(), counts
    )
    table = projection.comparable(torch.from_numpy(numbers)).numpy()
    half = random.permutation(len(sets)) % 2 == 0
    n_components = int(np.clip(has_weight.sum() // SETS_PER_COMPONENT, FEWEST_COMPONENTS, MOST_COMPONENTS))
    n_common = n_common_directions(table, half[sets.segments[rows]], n_components, random)
    if n_common:
        directions = randomized_svd(table, n_common, random_state=random)[2]
    else:
        has_choice = by_set and has_weight.sum() < n_numbers
        columns = differing_columns(table, sets.segments[rows], n_components) if has_choice else []
        if not len(columns):
            return None
        directions = (np.arange(n_numbers) == columns[:, None]).astype(np.float64)
    projection.components = torch.from_numpy(np.ascontiguousarray(directions))
    return projection


def differing_columns(table, segments, least):
    """The columns of a table in which sets differ most: all that differ beyond chance, if any do; ``least`` at least.

    By the F-test of an analysis of variance: the variance of the means of the sets, compared with that within sets.

    Parameters
    ----------
    table : ndarray of shape (n_rows, n_columns)
    segments : ndarray of int, shape (n_rows,)
        The set of each row, in ascending order.
    least : int
    """
    starts = np.flatnonzero(np.r_[True, np.diff(segments) > 0])
    sizes = np.diff(np.r_[starts, len(table)])
    n_between, n_within = len(starts) - 1, len(table) - len(starts)
    if n_between < 1 or n_within < 1:
        return np.empty(0, dtype=int)
    between = (np.square(np.add.reduceat(table, starts)) / sizes[:, None]).sum(axis=0)
    between -= np.square(table.sum(axis=0)) / len(table)
    within = np.square(table - table.mean(axis=0)).sum(axis=0) - between
    # what is constant within sets differs most, and what is constant has nothing but rounding
    ratio = between / n_between / (np.maximum(within, 1e-20 * len(table)) / n_within)
    n_beyond = int((ratio > f.isf(CHANCE / len(ratio), n_between, n_within)).sum())
    return np.sort(np.argsort(-ratio, kind="stable")[: max(n_beyond, least)]) if n_beyond else np.empty(0, dtype=int)


def n_common_directions(table, half, most, random):
    """How many directions of one half of the rows of a table spread those of the other half, too.

    Of a few hundred rows with thousands of columns, the greatest spread is along directions of chance: new sets have
    less of it, and nothing that is learned of it holds for them.

    Parameters
    ----------
    table : ndarray of shape (n_rows, n_columns)
    half : ndarray of bool, shape (n_rows,)
        Which rows are of one half of the sets.
    most : int
    random : RandomState
    """
    if half.all() or not half.any():
        return 0
    directions = randomized_svd(table[half], min(most, half.sum(), table.shape[1]), random_state=random)[2]
    known, new = (np.square(rows @ directions.T).mean(axis=0) for rows in (table[half], table[~half]))
    any_direction = np.square(table[~half]).mean()
    return int(((new > SHARE_OF_SPREAD * known) & (new > TIMES_ANY_DIRECTION * any_direction)).sum())
