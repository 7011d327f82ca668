"""A missing set is not an empty one, in whatever form it comes."""

import numpy as np
import pandas as pd
import pytest

from sk_deepsets import ElementTransformer, RaggedSets, SetAggregator, SetPadder, check_sets
from sk_deepsets.sets import SetArray, find_missing
from sk_deepsets.sets._values import is_missing

PRESENT = [np.array([[1.0, 2.0]]), np.empty((0, 2)), np.array([[3.0, 4.0], [5.0, 6.0]])]


def with_missing(value=None):
    """Sets 1 and 4 are missing, set 2 is empty."""
    return [PRESENT[0], value, PRESENT[1], PRESENT[2], value]


def object_array(items):
    return np.fromiter(items, dtype=object, count=len(items))


def arrow_type():
    pa = pytest.importorskip("pyarrow")
    return pa.list_(pa.list_(pa.float64(), 2))


def as_lists(items):
    return [None if item is None else item.tolist() for item in items]


FORMS = {
    "list": list,
    "tuple": tuple,
    "list of lists": as_lists,
    "object array": object_array,
    "Series": lambda items: pd.Series(items, dtype=object),
    "column of sets": lambda items: pd.Series(items, dtype="sets"),
    "SetArray": lambda items: SetArray._from_sequence(items),
    "pandas Arrow": lambda items: pd.Series(as_lists(items), dtype=pd.ArrowDtype(arrow_type())),
    "pyarrow": lambda items: pytest.importorskip("pyarrow").array(as_lists(items), type=arrow_type()),
    "polars": lambda items: pytest.importorskip("polars").Series(as_lists(items)),
    "awkward": lambda items: pytest.importorskip("awkward").Array(as_lists(items)),
    "frame": lambda items: pd.DataFrame({"s": object_array(items), "age": 1}),
    "frame of sets": lambda items: pd.DataFrame({"s": pd.Series(items, dtype="sets"), "age": 1}),
    "polars frame": lambda items: pytest.importorskip("polars").DataFrame({"s": as_lists(items), "age": [1] * 5}),
    "pyarrow table": lambda items: pytest.importorskip("pyarrow").table({"s": as_lists(items), "age": [1] * 5}),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_missing_sets_are_counted_in_every_form_and_empty_only_where_asked(form):
    X = form(with_missing())
    with pytest.raises(ValueError, match=r"2 of 5 sets are missing; the first is set 1") as error:
        check_sets(X)
    assert "from_frame(frame, by=..., ids=...)" in str(error.value)
    assert 'missing_sets="empty"' in str(error.value)
    sets = check_sets(X, missing_sets="empty")
    assert sets.sizes.tolist() == [1, 0, 0, 2, 0]
    assert sets.elements.tolist() == [[1, 2], [3, 4], [5, 6]]


@pytest.mark.parametrize("value", [None, np.nan, np.float32("nan"), pd.NA, pd.NaT], ids=repr)
def test_whatever_pandas_calls_missing_is(value):
    assert is_missing(value)
    for X in (with_missing(value), object_array(with_missing(value)), pd.DataFrame({"s": with_missing(value)})):
        with pytest.raises(ValueError, match="2 of 5 sets are missing"):
            check_sets(X)
    assert find_missing(with_missing(value)).tolist() == [False, True, False, False, True]


@pytest.mark.parametrize("first", [[[1.0, 2.0]], ["tea"], [{"a": 1}], pd.DataFrame({"a": [1.0]})], ids=repr)
def test_missing_sets_beside_every_kind_of_set(first):
    for items in ([None, first, []], [first, np.nan, []]):
        with pytest.raises(ValueError, match="1 of 3 sets is missing"):
            check_sets(items, dtype=None)
        sets = check_sets(items, dtype=None, missing_sets="empty")
        assert sets.sizes.sum() == 1


@pytest.mark.parametrize("value", [0.0, "", (), np.array(np.nan), np.array([np.nan]), [None], {}], ids=repr)
def test_what_is_empty_or_wrong_is_not_missing(value):
    assert not is_missing(value)


def test_the_first_missing_set_is_named_by_its_label():
    column = pd.Series(PRESENT, index=["p", "q", "r"], dtype="sets").reindex(["r", "x", "p"])
    with pytest.raises(ValueError, match="1 of 3 sets is missing; the first is set 1, with the label 'x'"):
        check_sets(column)
    with pytest.raises(ValueError, match="with the label 'x'"):
        check_sets(pd.DataFrame({"s": column, "age": 1}))


def test_a_left_join_and_a_misaligned_index_leave_missing_sets():
    events = pd.DataFrame({"id": [1, 2, 2], "x": [1.0, 2.0, 3.0]})
    customers = pd.DataFrame({"age": [30, 40, 50]}, index=[1, 2, 3])
    sets = RaggedSets.from_frame(events, by="id")
    joined = customers.join(sets.to_series())
    assert joined["sets"].isna().tolist() == [False, False, True]
    assigned = customers.assign(sets=sets.to_series().reset_index(drop=True))
    assert assigned["sets"].isna().sum() == 2
    for X in (joined, assigned):
        with pytest.raises(ValueError, match=r"of 3 sets (is|are) missing"):
            check_sets(X)
    assert check_sets(joined, missing_sets="empty").sizes.tolist() == [1, 2, 0]
    whole = RaggedSets.from_frame(events, by="id", ids=customers.index)  # the way out that the message shows
    assert check_sets(customers.assign(sets=whole.to_series())).sizes.tolist() == [1, 2, 0]


@pytest.mark.parametrize("transformer", [SetAggregator(), SetPadder(), ElementTransformer("passthrough")])
def test_transformers_refuse_missing_sets(transformer):
    transformer.fit(PRESENT)
    for method in (transformer.fit, transformer.transform):
        with pytest.raises(ValueError, match="2 of 5 sets are missing"):
            method(with_missing())


def test_an_unknown_choice_is_an_error():
    with pytest.raises(ValueError, match=r"missing_sets must be \"error\" or \"empty\", but is 'zero'"):
        check_sets(PRESENT, missing_sets="zero")
