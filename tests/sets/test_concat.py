import numpy as np
import pandas as pd
import pytest

from sk_deepsets import RaggedSets, check_sets
from sk_deepsets.sets._concat import concat_sets

NUMBERS = RaggedSets(np.array([[4.0, 5.0]]), [0, 1])
NAMED = RaggedSets(np.ones((1, 2)), [0, 1], feature_names=["p", "q"])
SWAPPED = RaggedSets(np.array([[1.0, 2.0]]), [0, 1], feature_names=["q", "p"])
NOTHING = RaggedSets(np.empty((0, 0)), [0, 0, 0])


def kinds(values, **how):
    return RaggedSets(pd.DataFrame({"a": 1.0, "kind": pd.Categorical(values, **how)}), [0, len(values)])


def test_categories_are_united_where_pandas_makes_objects():
    table = concat_sets([kinds(["x", "y"]), kinds(["p", "z"]), kinds([None])]).elements
    assert table["kind"].tolist() == ["x", "y", "p", "z", np.nan]
    assert table.dtypes.astype(str).tolist() == ["float64", "category"]
    with pytest.raises(TypeError, match="categories of 'kind' differ"):
        concat_sets([kinds(["x"]), kinds(["q"], ordered=True)])


def test_columns_agree_by_name_or_by_width():
    assert list(concat_sets([NUMBERS, NAMED]).feature_names) == ["p", "q"]
    assert concat_sets([NAMED, SWAPPED]).elements.tolist() == [[1, 1], [2, 1]]
    frame = RaggedSets(pd.DataFrame({"q": [5.0], "p": [6.0]}), [0, 1])
    joined = concat_sets([NOTHING, NAMED, frame])
    assert joined.sizes.tolist() == [0, 0, 1, 1]
    assert joined[3].to_dict("list") == {"p": [6.0], "q": [5.0]}
    with pytest.raises(ValueError, match="Sets with 1 features do not go with sets with 2 features"):
        concat_sets([NUMBERS, check_sets([[1.0]])])
    with pytest.raises(ValueError, match=r"columns \['a', 'kind'\] do not go with .* \['p', 'q'\]"):
        concat_sets([NAMED, kinds(["x"])])


def test_nothing_tells_no_features():
    assert concat_sets([NOTHING, NUMBERS, NOTHING]).sizes.tolist() == [0, 0, 1, 0, 0]
    assert concat_sets([NOTHING, NOTHING]).elements.shape == (0, 0)


def test_labels_of_rows_are_joined_where_all_have_some():
    labelled = RaggedSets(np.zeros((2, 2)), [0, 2], rows=pd.Index(["r", "s"]))
    assert concat_sets([labelled, labelled[:0], labelled]).rows.tolist() == ["r", "s", "r", "s"]
    assert concat_sets([labelled, NUMBERS]).rows.tolist() == [(0, 0), (0, 1), (0, 0)]
    ones = RaggedSets(np.zeros((3, 1)), [0, 1, 3])
    assert concat_sets([ones[1:], ones[:1]]).rows.tolist() == [(1, 0), (1, 1), (0, 0)]
    frame = RaggedSets(pd.DataFrame({"p": [1.0], "q": [2.0]}, index=["t"]), [0, 1])
    assert concat_sets([frame, labelled]).rows.tolist() == ["t", "r", "s"]


def test_numbers_that_arrow_does_not_round_are_named_by_their_column():
    pytest.importorskip("pyarrow")
    large = pd.DataFrame({"id": pd.Series([2**60 + 1], dtype="int64[pyarrow]")})
    with pytest.raises(ValueError, match=r"Column 'id' has dtypes that cannot be joined, \['int64"):
        check_sets([large, pd.DataFrame({"id": [1.5]})])
