"""from_frame and to_frame: no row and no set is lost, and the order is the one asked for."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from sk_deepsets import RaggedSets

EVENTS = pd.DataFrame(
    {
        "customer": [7, 3, 7, 5, 3, 7],
        "shop": list("abbaab"),
        "amount": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
        "item": pd.Categorical(list("xyxzzy")),
        "gift": [True, False, True, False, False, True],
    },
    index=list("pqrstu"),
)


def test_rows_keep_their_kinds_labels_and_order_within_a_set():
    sets = RaggedSets.from_frame(EVENTS, by="customer", columns=["amount", "item", "gift"])
    np.testing.assert_array_equal(sets.sizes, [2, 1, 3])
    assert_frame_equal(sets[2], EVENTS.loc[["p", "r", "u"], ["amount", "item", "gift"]])
    assert sets.index.equals(pd.Index([3, 5, 7], name="customer"))
    assert sets.index.name == "customer"
    assert sets.elements.dtypes.equals(EVENTS[["amount", "item", "gift"]].dtypes)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 6), max_size=40), st.permutations(range(7)))
def test_every_row_comes_back_where_it_stood(keys, ids):
    frame = pd.DataFrame({"id": np.array(keys, dtype=np.int64), "x": np.arange(float(len(keys)))})
    sets = RaggedSets.from_frame(frame, by="id", ids=ids)
    assert len(sets) == 7
    for number, one_set in zip(ids, sets, strict=True):
        assert one_set["x"].tolist() == frame.loc[frame["id"] == number, "x"].tolist()
    assert_frame_equal(sets.to_frame().sort_index(), frame)


def test_several_keys_and_index_levels():
    frame = EVENTS.set_index("shop", append=True).rename_axis(["row", "shop"])
    sets = RaggedSets.from_frame(frame, by=["customer", "shop"], columns=["amount"])
    wanted = EVENTS.groupby(["customer", "shop"])["amount"].agg(list)
    assert sets.index.tolist() == wanted.index.tolist()
    assert [one_set["amount"].tolist() for one_set in sets] == wanted.tolist()
    assert sets.index.names == ["customer", "shop"]
    assert sets.to_frame().columns.tolist() == ["customer", "amount"]
    assert sets.to_frame().index.names == ["row", "shop"]
    ids = pd.MultiIndex.from_tuples([(7, "b"), (9, "z"), (3, "a"), (3, "b"), (5, "a"), (7, "a")])
    np.testing.assert_array_equal(RaggedSets.from_frame(frame, ["customer", "shop"], ids=ids).sizes, [2, 0, 1, 1, 1, 1])


def test_categories_as_keys_match_ids_by_value():
    frame = EVENTS.assign(customer=pd.Categorical(EVENTS["customer"], categories=[9, 7, 5, 3]))
    assert RaggedSets.from_frame(frame, "customer").index.tolist() == [3, 5, 7]
    np.testing.assert_array_equal(RaggedSets.from_frame(frame, "customer", ids=[5, 9, 7, 3]).sizes, [1, 0, 3, 2])


def test_context_from_a_frame_or_from_constant_columns():
    context = pd.DataFrame({"age": [50, 30, 70, 90]}, index=[5, 3, 7, 9])
    sets = RaggedSets.from_frame(EVENTS, "customer", ["amount"], ids=[7, 9, 3, 5], context=context)
    assert sets.context["age"].tolist() == [70, 90, 30, 50]
    assert sets[[1, 2]].context["age"].tolist() == [90, 30]
    frame = EVENTS.assign(age=EVENTS["customer"] * 10, note=None)
    sets = RaggedSets.from_frame(frame, "customer", context=["age", "note"])
    assert sets.context["age"].tolist() == [30, 50, 70]
    assert "age" not in sets.elements


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"by": "client"}, KeyError, r"by names \['client'\]"),
        ({"columns": ["price", "amount"]}, KeyError, r"columns names \['price'\]"),
        (
            {"columns": ["amount", "amount"]},
            ValueError,
            r"Names in columns stand for more than one column each: \['amount'",
        ),
        ({"ids": [3, 5]}, ValueError, r"sets that are not in ids: 7 \(sets: 1, rows: 3\)"),
        ({"ids": [3, 5, 7, 3, 5]}, ValueError, "Ids occur more than once in ids: 3, 5 .ids: 2"),
        ({"ids": [3, 5, 7, np.nan]}, ValueError, "1 of 4 ids is missing"),
        ({"context": ["amount"]}, ValueError, "'amount' has different values within the set"),
        ({"context": ["gift"], "ids": [3, 5, 7, 9]}, ValueError, r"nothing to take their context from: 9 \(sets: 1\)"),
        (
            {"context": pd.DataFrame({"a": [1, 2]}, index=[3, 5])},
            ValueError,
            r"The context lacks rows for the sets 7 \(sets: 1\)",
        ),
        (
            {"context": pd.DataFrame({"a": [1, 2]}, index=[3, 3])},
            ValueError,
            "Ids occur more than once in the ids of the context: 3",
        ),
        ({"context": EVENTS["amount"]}, TypeError, "context must be a DataFrame whose index holds the ids"),
    ],
)
def test_nothing_is_dropped_silently(arguments, error, message):
    with pytest.raises(error, match=message):
        RaggedSets.from_frame(EVENTS, **{"by": "customer", **arguments})


def test_rows_without_an_id_are_counted():
    frame = EVENTS.astype({"customer": float})
    frame.iloc[[1, 4], 0] = np.nan
    with pytest.raises(ValueError, match=r"Row 1 has no 'customer', .* \(so in 2 of \d+ rows\)"):
        RaggedSets.from_frame(frame, "customer")


def test_duplicate_columns_of_the_frame_are_named():
    frame = pd.concat([EVENTS, EVENTS[["amount"]]], axis=1)
    with pytest.raises(ValueError, match=r"more than one column each: \['amount'\]"):
        RaggedSets.from_frame(frame, "customer")
    with pytest.raises(TypeError, match="frame must be a DataFrame, one row per element, but is list"):
        RaggedSets.from_frame([1, 2], "customer")


def test_arrays_come_back_as_a_frame_with_the_numbers_of_their_sets():
    frame = RaggedSets(np.arange(6.0).reshape(3, 2), [0, 1, 1, 3]).to_frame()
    assert_frame_equal(frame, pd.DataFrame({"set": [0, 2, 2], "x0": [0.0, 2.0, 4.0], "x1": [1.0, 3.0, 5.0]}))


def test_levels_are_matched_by_name_and_not_by_position():
    frame = pd.DataFrame({"a": [1, 1, 2, 2], "b": [1, 2, 1, 2], "v": [11, 12, 21, 22]})
    swapped = pd.MultiIndex.from_product([[1, 2], [1, 2]], names=["b", "a"])
    context = pd.DataFrame({"q": [11, 21, 12, 22]}, index=swapped)
    sets = RaggedSets.from_frame(frame, ["a", "b"], context=context)
    assert sets.context["q"].tolist() == [one_set["v"].iloc[0] for one_set in sets] == [11, 12, 21, 22]
    sets = RaggedSets.from_frame(frame, ["a", "b"], ids=swapped)
    assert [one_set["v"].tolist() for one_set in sets] == [[11], [21], [12], [22]]
    with pytest.raises(ValueError, match=r"levels of ids are called \['b', 'c'\], but by names \['a', 'b'\]"):
        RaggedSets.from_frame(frame, ["a", "b"], ids=swapped.set_names(["b", "c"]))
    with pytest.raises(ValueError, match=r"1 of \d ids is missing"):
        RaggedSets.from_frame(frame, ["a", "b"], ids=pd.MultiIndex.from_tuples([(1.0, 1.0), (1.0, np.nan)]))


@pytest.mark.parametrize("by", ["id", ["id", "day"], ["day", "id"]])
def test_ids_in_the_index_come_back_in_the_index(by):
    rows = pd.DataFrame({"id": [2, 1, 2], "day": [0, 5, 1], "x": [1.0, 2.0, 3.0]})
    frame = rows.set_index("id")
    back = RaggedSets.from_frame(frame, by=by).to_frame()
    assert back.index.name == "id"
    assert back.columns.tolist() == ["day", "x"]
    pd.testing.assert_frame_equal(back.sort_values("x"), frame)
    again = RaggedSets.from_frame(back, by=by)
    assert again.sizes.tolist() == RaggedSets.from_frame(frame, by=by).sizes.tolist()


def test_one_name_and_tables_of_other_libraries_will_do():
    wanted = RaggedSets.from_frame(EVENTS, by="customer", columns=["amount"])
    sets = RaggedSets.from_frame(EVENTS, by="customer", columns="amount")
    assert_frame_equal(sets.elements, wanted.elements)
    pa = pytest.importorskip("pyarrow")
    sets = RaggedSets.from_frame(pa.Table.from_pandas(EVENTS.reset_index(drop=True)), by="customer", columns="amount")
    np.testing.assert_array_equal(sets.elements, wanted.elements)
    customers = pd.DataFrame({"customer": [7, 5, 3, 9], "age": 1})
    np.testing.assert_array_equal(
        RaggedSets.from_frame(EVENTS, "customer", ids=customers[["customer"]]).sizes, [3, 1, 2, 0]
    )


def test_what_is_no_name_or_id_is_an_error():
    with pytest.raises(TypeError, match="by must name columns or index levels"):
        RaggedSets.from_frame(EVENTS, by=EVENTS["customer"])
    customers = pd.DataFrame({"age": [1, 2, 3]}, index=[3, 5, 7])
    with pytest.raises(TypeError, match=r"ids is a DataFrame of \['age'\]: pass its index"):
        RaggedSets.from_frame(EVENTS, by="customer", ids=customers)


@pytest.mark.parametrize("ids", [["3", "7", "9"], pd.to_datetime([3, 7, 9])])
def test_ids_of_another_type_are_told_by_both_types(ids):
    kind = pd.Index(ids).inferred_type
    with pytest.raises(
        ValueError, match=rf"'customer' has the type integer \(int64\), such as 7; ids have the type {kind}"
    ):
        RaggedSets.from_frame(EVENTS, by="customer", ids=ids)
    context = pd.DataFrame({"age": [1, 2, 3]}, index=pd.Index(ids))
    with pytest.raises(
        ValueError, match=rf"the labels of the context have the type {kind}.*Convert one to the type of the other"
    ):
        RaggedSets.from_frame(EVENTS, by="customer", context=context)
    with pytest.raises(ValueError, match="Drop these rows, or add their sets to ids"):
        RaggedSets.from_frame(EVENTS, by="customer", ids=[100, 200])
