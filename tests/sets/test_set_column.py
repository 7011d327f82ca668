"""The column of sets in a table: found by its content, and put back."""

import numpy as np
import pandas as pd
import pytest

from sk_deepsets import RaggedSets, check_sets
from sk_deepsets.sets import put_sets

NUMBERS = RaggedSets(np.arange(8.0).reshape(4, 2), [0, 3, 3, 4])


def test_sets_are_put_into_the_table_that_they_came_from():
    frame = pd.DataFrame({"age": [30, 40, 50], "events": NUMBERS.to_series().array}, index=[7, 8, 9])
    reverse = NUMBERS[[2, 1, 0]]
    for table in (frame, pytest.importorskip("polars").from_pandas(frame)):
        out = put_sets(table, reverse)
        assert out.columns.tolist() == ["age", "events"]
        assert [one.tolist() for one in out["events"]] == [one.tolist() for one in reverse]
    assert [one.tolist() for one in frame["events"]] == [one.tolist() for one in NUMBERS]
    assert put_sets(frame, reverse).index.tolist() == [7, 8, 9]
    assert put_sets([*NUMBERS], reverse) is reverse


@pytest.mark.parametrize("dtype", ["sets", object])
def test_sets_that_are_missing_in_the_table_stay_missing(dtype):
    frame = pd.DataFrame({"events": pd.Series([np.ones((1, 2)), None, np.ones((2, 2))], dtype=dtype)})
    out = put_sets(frame, check_sets(frame, missing_sets="empty"))
    assert out["events"].isna().tolist() == [False, True, False]


@pytest.mark.parametrize("nothing", [None, np.nan, pd.NA])
def test_missing_values_in_the_first_rows_do_not_hide_a_column_of_sets(nothing):
    frame = pd.DataFrame({"age": [1, 2, 3], "events": pd.Series([nothing, nothing, [1.0, 2.0]], dtype=object)})
    sets = check_sets(frame, missing_sets="empty")
    assert sets.sizes.tolist() == [0, 0, 2]
    assert sets.context.columns.tolist() == ["age"]
