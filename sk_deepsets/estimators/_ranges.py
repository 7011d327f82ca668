"""What a model was trained on: the sizes of the sets and the ranges of the columns; warnings where others are far."""

import warnings

import numpy as np

from sk_deepsets.sets import pieces

# A size is far when it is so many times as large, or as small, as any trained on; a value when it lies so many times
# the range of its column outside. In 5-fold splits of fifteen data sets, held-out sets were at most 1.5 times as large
# as the largest set trained on and a quarter of the smallest, and values at most 3.3 ranges outside. With 30 sets to
# train on, sets were at most 2.5 times as large, and 6 % of the sets of fox, 7 % of those of tiger and at most .05 % of
# the others had values that are far.
FAR = 4
# A column has no range where four fifths of its values are the same, but for rounding: what its few other values are
# tells little (of the sets of fox and tiger, 2 and 5 % would be far in 5-fold splits).
MIDDLE, ROUNDING, ENOUGH_ROWS = (0.1, 0.9), 1e-7, 20_000
# A column of X_val is far when its mean is so many standard deviations from that of X, or its standard deviation so
# many times as large; in those splits at most .8 and 3.9.
FAR_MEAN, FAR_SPREAD = 3, 5
# So many rows are one for NumPy, which is slow where there are few columns.
ROWS_AT_ONCE = 64


class FarSetWarning(UserWarning):
    """Sets are far from those that a model was trained on."""


def size_range(sizes, before=None):
    """The sizes of the smallest and of the largest set, empty sets aside, together with a range from before."""
    filled = sizes[sizes > 0]
    smallest, largest = int(filled.min(initial=sizes.max())), int(filled.max(initial=0))
    return (smallest, largest) if before is None else (min(smallest, before[0]), max(largest, before[1]))


def column_range(table, before=None, is_used=None, n_used=None):
    """The lowest and the highest value of each column, (2, d), together with a range from before; NaN for no range.

    Both are rounded outwards to about a hundredth of the range: a model keeps no value of its training data.

    Parameters
    ----------
    table : ndarray of shape (n_rows, d)
    before : ndarray of shape (2, d), optional
    is_used, n_used : callable and int, optional
        From numbers of rows to whether they count, and how many do. None: all.
    """
    found, parts = np.full((2, table.shape[1]), np.nan), []
    step = max(1, -(-(len(table) if n_used is None else n_used) // ENOUGH_ROWS))
    for piece in pieces(table):
        rows = table[piece] if is_used is None else table[piece][is_used(np.arange(piece.start, piece.stop))]
        if len(rows):
            parts.append((*extremes(rows), rows[::step].astype(np.float64)))
    if parts:
        lowest, highest, some = zip(*parts, strict=True)
        found = np.array([np.min(lowest, axis=0), np.max(highest, axis=0)], dtype=np.float64)
        lower, upper = np.quantile(np.concatenate(some), MIDDLE, axis=0)
        found[:, upper - lower <= ROUNDING * np.abs(found).max(axis=0)] = np.nan
        step = 10.0 ** (np.floor(np.log10(found[1] - found[0])) - 2)
        found = np.array([np.floor(found[0] / step) * step, np.ceil(found[1] / step) * step])
    return found if before is None else np.array([np.fmin(found[0], before[0]), np.fmax(found[1], before[1])])


def column_ranges(columns, before, used):
    """The ranges of columns of numbers, together with those from before.

    Parameters
    ----------
    columns : dict of str to NumberColumns
    before : dict of str to ndarray
    used : ndarray of int
        The sets that count, whose rows are not copied.
    """
    found = {}
    for what, (names, table, sizes) in columns.items():
        is_used, owners_of = np.zeros(len(sizes), dtype=bool), owners(sizes)
        is_used[used] = True
        part = () if is_used.all() else (lambda rows: is_used[owners_of(rows)], sizes[used].sum())  # noqa: B023
        found[what] = column_range(table[:, : len(names)], before.get(what), *part)
    return found


def warn_of_far_sets(sets, columns, sizes, ranges, stacklevel):
    """Warn, once, of sets far larger or smaller than any trained on, and of values far outside the range trained on.

    Parameters
    ----------
    sets : RaggedSets
    columns : dict of str to NumberColumns
        Of these sets.
    sizes : tuple of int or None
        Those of the smallest and of the largest set trained on; None where any size is fine.
    ranges : dict of str to ndarray
        Of the columns trained on.
    stacklevel : int
        As in :func:`warnings.warn`: 1 is the caller of this function.
    """
    found = [] if sizes is None else [*_far_sizes(sets.sizes, *sizes)]
    for what, trained_on in ranges.items():
        found += _far_values(columns[what], f"{what} column", trained_on)
    if found:
        n_far = len(np.unique(np.concatenate([numbers for numbers, _, _ in found])))
        which, them = ("1 set is", "it") if n_far == 1 else (f"{n_far:,} sets are", "them")
        said, advice = "; ".join(text for _, text, _ in found), " ".join(dict.fromkeys(one for _, _, one in found))
        text = f"{said} ({which} far outside): predictions for {them} are guesses. {advice}"
        warnings.warn(f"{text[0].upper()}{text[1:]}", FarSetWarning, stacklevel=stacklevel + 1)


def columns_apart(valid, train):
    """What to say of validation sets with columns whose mean or spread is far from that in the training sets, or None.

    Parameters
    ----------
    valid, train : dict of str to NumberColumns
    """
    for what, (names, table, _) in train.items():
        tables_of_both = [_some(each[:, : len(names)]) for each in (valid[what].table, table)]
        if not all(map(len, tables_of_both)):
            continue
        (mean, spread), (wanted, usual) = ((table.mean(axis=0), table.std(axis=0)) for table in tables_of_both)
        has_range = ~np.isnan(column_range(tables_of_both[1])[0])
        most = FAR_MEAN * (1 + 1 / np.sqrt(len(valid[what].sizes)))  # the mean of few sets may be anywhere
        far = np.flatnonzero(has_range & ((abs(mean - wanted) > most * usual) | (spread > FAR_SPREAD * usual)))
        if len(far):
            one = far[0]
            return (
                f"X_val is far from X: in the {what} column {names[one]!r} it has mean {mean[one]:.4g} and standard "
                f"deviation {spread[one]:.4g}, X {wanted[one]:.4g} and {usual[one]:.4g}{_more(far)}. "
            )
    return None


def owners(sizes):
    """What tells the sets of rows, of which each set has so many, one after another."""
    ends = np.cumsum(sizes)
    return lambda rows: np.searchsorted(ends, rows, side="right")


def _far_sizes(sizes, smallest, largest):
    """Numbers of sets of sizes that are far, a text about the first of them, and what to do."""
    advice = "SetSizeDisplay in sk_deepsets.inspection shows the error by size; SetPadder limits the size."
    for far, extreme in (
        (sizes > FAR * largest, f"the largest has {largest:,}"),
        ((sizes > 0) & (FAR * sizes < smallest), f"the smallest has {smallest:,}"),
    ):
        if far.any():
            one = sizes[far.argmax()]
            elements = "1 element" if one == 1 else f"{one:,} elements"
            text = f"set {far.argmax()} has {elements}, but among the training sets {extreme}"
            yield np.flatnonzero(far), text, advice


def _far_values(found, what, trained_on):
    """The same for values that are far."""
    names, table, sizes = found
    if not len(table):
        return
    table = table[:, : len(names)]
    reach = FAR * (trained_on[1] - trained_on[0])
    lower, upper = trained_on[0] - reach, trained_on[1] + reach
    lowest, highest = zip(*(extremes(table[part]) for part in pieces(table)), strict=True)
    columns = np.flatnonzero((np.min(lowest, axis=0) < lower) | (np.max(highest, axis=0) > upper))  # nearly always none
    if not len(columns):
        return
    rows = []
    for part in pieces(table):
        far = (table[part, columns] < lower[columns]) | (table[part, columns] > upper[columns])
        rows.append(part.start + np.flatnonzero(far.any(axis=1)))
    numbers, values = owners(sizes)(rows := np.concatenate(rows)), table[rows[0], columns]
    place = int(((values < lower[columns]) | (values > upper[columns])).argmax())
    low, high = trained_on[:, columns[place]]
    text = (
        f"set {numbers[0]} has {values[place]:.6g} in the {what} {names[columns[place]]!r}, where the "
        f"training sets have {low:.6g} to {high:.6g}{_more(columns)}"
    )
    yield numbers, text, "Check that units, and earlier steps such as scaling, are the same as in fit."


def extremes(rows):
    """The lowest and the highest value of each column of a table."""
    n_columns, n_alone = rows.shape[1], len(rows) % ROWS_AT_ONCE
    alone, wide = rows[:n_alone], rows[n_alone:].reshape(-1, ROWS_AT_ONCE * n_columns) if n_columns else rows[:0]
    if not len(wide):
        return rows.min(axis=0), rows.max(axis=0)
    lowest, highest = wide.min(axis=0).reshape(-1, n_columns), wide.max(axis=0).reshape(-1, n_columns)
    return np.concatenate([lowest, alone]).min(axis=0), np.concatenate([highest, alone]).max(axis=0)


def _more(columns):
    """How many columns there are beside the one that is named."""
    return "" if len(columns) == 1 else f" ({len(columns) - 1} more column{'s are' if len(columns) > 2 else ' is'} far)"


def _some(table):
    """Every so many rows of a table, in float64."""
    return table[:: max(1, -(-len(table) // ENOUGH_ROWS))].astype(np.float64)
