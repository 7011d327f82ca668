"""The accessor of a column of sets."""

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from sk_deepsets import RaggedSets
from sk_deepsets.sets import SetArray

EVENTS = pd.DataFrame({"id": [7, 3, 7, 5], "amount": [1.0, 2.0, 3.0, 4.0]})
SETS = RaggedSets.from_frame(EVENTS, by="id", ids=[7, 9, 3, 5])
COLUMN = SETS.to_series().rename("events")


def test_sizes_have_the_labels_of_the_column():
    sizes = COLUMN.sets.sizes
    assert sizes.to_dict() == {7: 2, 9: 0, 3: 1, 5: 1}
    assert sizes.dtype == np.int64
    assert COLUMN[::-1].sets.sizes.to_dict() == sizes.to_dict()


def test_missing_sets_have_no_size():
    holed = pd.Series(SetArray(SETS, [False, True, False, False]), index=SETS.index)
    assert holed.sets.sizes.isna().tolist() == [False, True, False, False]
    assert holed.sets.sizes.dropna().tolist() == [2, 1, 1]


def test_the_long_table_and_the_sets_come_back():
    assert_frame_equal(COLUMN.sets.to_frame(), SETS.to_frame())
    ragged = COLUMN.iloc[[2, 0]].sets.ragged
    assert ragged.index.tolist() == [3, 7]
    assert [one["amount"].tolist() for one in ragged] == [[2.0], [1.0, 3.0]]


def test_other_columns_have_no_sets():
    with pytest.raises(AttributeError, match=r'Only columns of dtype "sets" have \.sets, but this one has dtype int64'):
        EVENTS["id"].sets  # noqa: B018
    assert not hasattr(pd.Series([[1.0]]), "sets")


def test_sizes_of_many_sets_cost_no_look_at_them():
    many = RaggedSets(pd.DataFrame({"x": np.zeros(300_000)}), np.arange(300_001)).to_series()
    assert many.sets.sizes.sum() == many.map(len).sum() == 300_000
