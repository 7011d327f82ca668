import numpy as np
import pandas as pd
import pytest

from sk_deepsets import RaggedSets, check_sets
from sk_deepsets.preprocessing import SetEncoder

CONTEXT = pd.DataFrame({"age": [1.0, 2.0, 3.0], "town": ["b", "a", "b"]})
ELEMENTS = pd.DataFrame({"kind": ["x", "y", "x"], "price": [1.5, 2.5, 3.5]})


def sets_of(context=None, elements=ELEMENTS):
    return check_sets(RaggedSets(elements, [0, 1, 1, 3], context=context), dtype=None)


def test_numbers_stand_first_and_codes_count_categories_as_they_come():
    encoder = SetEncoder().fit(sets_of(CONTEXT))
    out = encoder.transform(sets_of(CONTEXT[["town", "age"]].assign(town=["c", "a", "b"])))
    assert out.elements.tolist() == [[1.5, 1], [2.5, 2], [3.5, 1]]
    assert out.context.tolist() == [[1, 0], [2, 2], [3, 1]]
    assert (encoder.n_categories, encoder.n_context_categories, encoder.n_context_features) == ([2], [2], 2)


@pytest.mark.parametrize("chosen", [["count"], [1], [False, True]])
def test_features_are_chosen_by_name_position_or_mask(chosen):
    sets = sets_of(elements=pd.DataFrame({"price": [1.5, 2.5, 3.5], "count": [7, 9, 7]}))
    assert SetEncoder(chosen).fit(sets).transform(sets).elements.tolist() == [[1.5, 1], [2.5, 2], [3.5, 1]]
    assert SetEncoder(None).fit(sets).transform(sets).elements.tolist() == [[1.5, 7], [2.5, 9], [3.5, 7]]


@pytest.mark.parametrize(
    ("context", "message"),
    [
        (CONTEXT.assign(age=[1, np.nan, np.inf]), r"column 'age' holds NaN or infinity \(the first in row 1\); impute"),
        (CONTEXT.assign(town=["a", None, None]), r"column 'town' has 2 missing values \(the first in row 1\); impute"),
        (CONTEXT.assign(age=list("abc")), "column 'age' has dtype .*; in fit it held numbers"),
        (CONTEXT.assign(town=[1, 2, 3]), "column 'town' holds values of type integer; in fit it held string"),
        (CONTEXT.assign(more=1), r"not seen in fit: \['more'\]"),
        (None, "X has no context features, but the estimator was fitted with 2"),
    ],
)
def test_a_context_that_does_not_fit_names_the_column(context, message):
    encoder = SetEncoder().fit(sets_of(CONTEXT))
    with pytest.raises(ValueError, match=message):
        encoder.transform(sets_of(context))


def test_what_is_neither_number_nor_category_is_an_error_in_fit():
    times = pd.DataFrame({"when": pd.to_datetime(["2020-01-01"] * 3)})
    for what, sets in (("Context", sets_of(times)), ("Element", sets_of(elements=times))):
        with pytest.raises(ValueError, match=f"{what} column 'when' has dtype .*; expected numbers, booleans"):
            SetEncoder().fit(sets)
    with pytest.raises(ValueError, match="Context column 'town' has 1 missing values"):
        SetEncoder().fit(sets_of(CONTEXT.assign(town=["a", None, "b"])))


def test_ids_that_floats_would_take_for_others_are_refused():
    ids = [2**53 + 1, 2**53]
    sets = check_sets([[[one, 0.5]] for one in ids])
    with pytest.raises(ValueError, match=r"column 0 of categories holds 9007199254740992: float64, .* cannot tell"):
        SetEncoder([0]).fit(sets)
    encoder = SetEncoder([0]).fit(check_sets([[[7, 0.5]]]))
    with pytest.raises(ValueError, match="cannot tell whole numbers"):
        encoder.transform(sets)
    for values in (np.float32([2**24, 2**24 + 2]), pd.Categorical([2.0**53, 2.0**53 + 2])):
        with pytest.raises(ValueError, match="cannot tell whole numbers"):
            SetEncoder([0]).fit(check_sets([pd.DataFrame({"id": values})], dtype=None))
    frames = check_sets([pd.DataFrame({"id": [one]}) for one in ids], dtype=None)
    assert SetEncoder(["id"]).fit(frames).transform(frames).elements.tolist() == [[1], [2]]
