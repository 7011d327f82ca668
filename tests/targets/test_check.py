"""What targets, weights and groups may be: what is misread elsewhere is refused here, by name."""

import datetime

import numpy as np
import pandas as pd
import pytest
import torch

from sk_deepsets import (
    DeepSetsClassifier,
    DeepSetsElementClassifier,
    DeepSetsElementRegressor,
    DeepSetsRegressor,
    RaggedSets,
    check_sets,
)
from sk_deepsets.targets._check import check_groups, check_weight
from sk_deepsets.targets._class_weights import class_weights

SETS = check_sets([[1.0], [2.0, 5.0], [3.0]])
GONE = [1, 0, 0]


def fit_values(y, **weights):
    return DeepSetsRegressor(n_members=1, max_epochs=1, random_state=0).fit(SETS, y, **weights)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.ma.array([1.0, 2.0, 3.0], mask=GONE), "y has masked values"),
        (np.array(["2020", "2021", "2022"], dtype="M8[Y]"), "y holds values of type datetime64; expected numbers"),
        (pd.Series(pd.to_timedelta([1, 2, 3])), "y holds values of type timedelta64; expected numbers"),
        ([datetime.timedelta(1), datetime.timedelta(2), datetime.timedelta(3)], "y holds values of type timedelta"),
        (pd.Series(pd.date_range("2020", periods=3, tz="UTC")), "y holds values of type Timestamp; expected numbers"),
        (pd.Series([None, 1, 2], dtype="Int64"), "y is missing for 1 of 3 sets; the first is set 0"),
        ([1.0, None, None], "y is missing for 2 of 3 sets; the first is set 1"),
        (pd.DataFrame({"a": [1, 2, None], "b": [1, 2, None]}, dtype="Int64"), "y is missing for 1 of 3 sets"),
    ],
)
def test_values_that_would_be_misread_are_refused(y, message):
    with pytest.raises(ValueError, match=message):
        fit_values(y)


WIDE = [np.zeros((size, 2)) for size in SETS.sizes]


@pytest.mark.parametrize(
    ("y", "shape"),
    [
        (WIDE, (1, 2)),
        (pd.Series(WIDE), (1, 2)),
        ([pd.DataFrame(one) for one in WIDE], (1, 2)),
        (SETS.replace(np.zeros((4, 2))), (1, 2)),
        (np.zeros((3, 5, 2)), (5, 2)),
        ([[[0, 1]] * 5] * 3, (5, 2)),
        (np.concatenate(WIDE), (4, 2)),
    ],
)
@pytest.mark.parametrize("estimator", [DeepSetsClassifier, DeepSetsRegressor])
def test_targets_of_elements_tell_their_shape(estimator, y, shape):
    with pytest.raises(ValueError, match=r"expected one( target)? for each set") as caught:
        estimator().fit(SETS, y)
    element_wise = estimator.__name__.replace("Sets", "SetsElement")
    assert f"shape {shape}" in str(caught.value)
    assert str(caught.value).endswith(
        f"For one target for each element, such as one column of them, use {element_wise}."
    )


def test_outputs_in_a_series_are_stacked():
    y = pd.Series([[0.0, 1.0], [1.0, 2.0], [2.0, 3.0]])
    with pytest.raises(ValueError, match=r"array of shape \(2,\).*If they are several outputs.*pass np\.stack\(y\)"):
        fit_values(y)
    np.testing.assert_array_equal(fit_values(np.stack(y)).predict(SETS), fit_values(y.tolist()).predict(SETS))


@pytest.mark.parametrize("dtype", ["string", "string[pyarrow]", object])
def test_a_missing_label_is_counted(dtype):
    y = pd.Series(["a", None, "b"], dtype=dtype)
    with pytest.raises(ValueError, match="y is missing for 1 of 3 sets; the first is set 1"):
        DeepSetsClassifier(n_members=1, max_epochs=1).fit(SETS, y)


def test_tensors_may_have_a_gradient():
    y = torch.tensor([1.0, 2.0, 4.0], requires_grad=True)
    wanted = fit_values([1.0, 2.0, 4.0], sample_weight=[1.0, 2.0, 4.0]).predict(SETS)
    np.testing.assert_array_equal(fit_values(y, sample_weight=y).predict(SETS), wanted)


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (np.ma.array([1.0, 2.0, 3.0], mask=GONE), "sample_weight has masked values"),
        (np.array([1, 2, 3], dtype="m8[s]"), "sample_weight holds values of type timedelta64; expected numbers"),
        (np.full(3, 1.7e308), r"The sum of sample_weight overflows; the largest is 1.7e\+308"),
    ],
)
def test_weights_that_would_be_misread_are_refused(weight, message):
    with pytest.raises(ValueError, match=message):
        check_weight(weight, SETS)


@pytest.mark.parametrize("value", [-1, np.inf, np.nan, "a", None, 10**400], ids=lambda value: f"{value!r:.5}")
def test_class_weights_are_numbers_that_are_not_negative(value):
    with pytest.raises(ValueError, match=f"class_weight of 'no' is {value!r}; expected a finite number of at least 0"):
        class_weights({"no": value, "yes": 1}, np.array(["no", "yes"]), np.array([0, 1, 1]), None)


@pytest.mark.parametrize(("class_weight", "weight"), [({0: 1.7e308, 1: 1.7e308}, None), ({0: 1e300}, [1e100, 1, 1])])
def test_weights_that_overflow_together_are_told(class_weight, weight):
    with pytest.raises(ValueError, match="The sum of class_weight and sample_weight together overflows"):
        DeepSetsClassifier(class_weight=class_weight, n_members=1, max_epochs=1).fit(SETS, [0, 1, 0], weight)
    with pytest.raises(ValueError, match="The sum of class_weight and sample_weight together overflows"):
        DeepSetsElementClassifier(n_members=1, class_weight=class_weight, max_epochs=1).fit(SETS, [0, 1, 0, 1], weight)


def test_a_single_target_is_no_list_of_them():
    with pytest.raises(ValueError, match="y is missing for 1 of 1 sets"):
        DeepSetsRegressor(n_members=1, max_epochs=1).fit(SETS, np.array(np.nan, dtype=object))


@pytest.mark.parametrize("labels", [[1, "a", 1], ["a", 1, "a"], ["a", None, 1]])
def test_labels_of_several_types_are_refused(labels):
    message = "y is missing for 1" if None in labels else "y holds labels of several types, .*str; expected one type"
    for y in (labels, np.array(labels, dtype=object), pd.Series(labels, dtype=object)):
        with pytest.raises(ValueError, match=message):
            DeepSetsClassifier(n_members=1, max_epochs=1).fit(SETS, y)


@pytest.mark.parametrize("make", [DeepSetsClassifier, DeepSetsRegressor])
def test_score_refuses_labels_in_another_order(make):
    X = pd.DataFrame({"sets": SETS.to_series()}).set_index(pd.Index(["a", "b", "c"]))
    y = pd.Series([0, 1, 1], index=X.index)
    model = make(n_members=1, max_epochs=1, random_state=0).fit(X, y)
    assert model.score(X, y, y) == model.score(SETS, y.to_numpy(), y.to_numpy())
    with pytest.raises(ValueError, match=r"pass y.loc\[X.index\]"):
        model.score(X, y[::-1])
    with pytest.raises(ValueError, match=r"pass sample_weight.loc\[X.index\]"):
        model.score(X, y, y[::-1])
    for others in (
        pd.MultiIndex.from_product([range(3), ["p"]]),
        pd.interval_range(0, 3),
        pd.date_range("2020", periods=3),
    ):
        assert model.score(X, y.set_axis(others)) == model.score(X.set_axis(others), y) == model.score(X, y)


def test_groups_in_another_order_are_refused():
    sets = RaggedSets(SETS.elements, SETS.offsets, index=pd.Index(["a", "b", "c"]))
    groups = pd.Series([0, 1, 1], index=["a", "b", "c"])
    np.testing.assert_array_equal(check_groups(groups, sets), [0, 1, 1])
    with pytest.raises(ValueError, match=r"pass groups.loc\[X.index\]"):
        check_groups(groups.iloc[::-1], sets)


def test_groups_may_be_of_any_types_and_have_the_length_of_the_sets():
    assert check_groups(None, SETS) is None
    np.testing.assert_array_equal(check_groups(["b", "a", "b"], SETS), [1, 0, 1])
    for groups in ([1, "a", 1], ["1", 1, "1"], [datetime.date(2020, 1, 1), 1, datetime.date(2020, 1, 1)]):
        mixed = check_groups(groups, SETS)
        assert mixed[0] == mixed[2] != mixed[1]
    with pytest.raises(ValueError, match="one group for each of the 3 sets, but has shape"):
        check_groups([1, 2], SETS)
    with pytest.raises(ValueError, match="one group for each of the 3 sets, but set 0 has 2"):
        check_groups([np.ones(2), np.ones(3), np.ones(1)], SETS)


@pytest.mark.parametrize(
    "groups",
    [["a", None, "a"], [1.0, np.nan, 2.0], np.array([1.0, np.nan, 2.0]), pd.Series(["a", pd.NA, "b"], dtype="string")],
)
def test_a_missing_group_is_named(groups):
    with pytest.raises(ValueError, match=r"groups is missing for .*set 1"):
        check_groups(groups, SETS)


def test_what_is_masked_among_the_targets_of_elements_is_missing():
    model = DeepSetsElementRegressor(n_members=1, max_epochs=2, random_state=0)
    y = [[np.nan], [2.0, 3.0], [1.0]]
    masked = [np.ma.array([9.0], mask=[1]), [2.0, 3.0], np.ma.array([1.0])]
    single = [[np.ma.masked], [2.0, 3.0], [1.0]]
    flat = np.ma.array([9.0, 2.0, 3.0, 1.0], mask=[1, 0, 0, 0])
    wanted = np.concatenate(model.fit(SETS, y).predict(SETS))
    for other in (masked, single, flat):
        np.testing.assert_array_equal(np.concatenate(model.fit(SETS, other).predict(SETS)), wanted)


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors:UserWarning")
@pytest.mark.parametrize("form", ["tensors", "nested", "jagged", "polars"])
def test_targets_of_elements_come_as_tensors_and_series(form):
    parts = [np.array([1.0]), np.array([2.0, 3.0]), np.array([1.0])]
    wanted = DeepSetsElementRegressor(n_members=1, max_epochs=2, random_state=0).fit(SETS, parts).predict(SETS)
    if form == "polars":
        polars = pytest.importorskip("polars")
        y = [polars.Series(part) for part in parts]
    else:
        y = [torch.from_numpy(part).requires_grad_(form == "tensors") for part in parts]
        if form != "tensors":
            layout = torch.jagged if form == "jagged" else torch.strided
            y = torch.nested.nested_tensor(y, layout=layout)
    found = DeepSetsElementRegressor(n_members=1, max_epochs=2, random_state=0).fit(SETS, y).predict(SETS)
    np.testing.assert_array_equal(np.concatenate(found), np.concatenate(wanted))


def test_the_set_whose_target_is_no_array_is_named():
    y = [[1.0], torch.ones(2, dtype=torch.bfloat16), [1.0]]
    with pytest.raises(TypeError, match=r"The target of set 1 in y is a torch tensor of torch\.bfloat16"):
        DeepSetsElementRegressor(n_members=1, max_epochs=1).fit(SETS, y)


OF_ELEMENTS = [np.arange(size) % 2 for size in (3, 2, 4, 1)]
FOUR = [np.ones((len(part), 2)) * len(part) for part in OF_ELEMENTS]
AS_SETS = RaggedSets(np.concatenate(OF_ELEMENTS)[:, None], [0, 3, 5, 9, 10])


@pytest.mark.parametrize(
    "y",
    [
        OF_ELEMENTS,
        tuple(OF_ELEMENTS),
        [part.tolist() for part in OF_ELEMENTS],
        np.array(OF_ELEMENTS, dtype=object),
        pd.Series(OF_ELEMENTS),
        AS_SETS,
        AS_SETS.to_series(),
        np.concatenate(OF_ELEMENTS),
    ],
    ids=["list", "tuple", "lists", "objects", "Series", "RaggedSets", "column of sets", "flat"],
)
@pytest.mark.parametrize("make", [DeepSetsClassifier, DeepSetsRegressor])
def test_targets_of_elements_name_the_estimator_that_takes_them(make, y):
    kind = make.__name__.removeprefix("DeepSets")
    model = make(n_members=1, max_epochs=1).fit(FOUR, [0, 1, 0, 1])
    with pytest.raises(ValueError, match=f"expected one (target )?for each.*DeepSetsElement{kind}"):
        make(n_members=1).fit(FOUR, y)
    with pytest.raises(ValueError, match=f"DeepSetsElement{kind}"):
        model.fit(FOUR, [0, 1, 0, 1], X_val=FOUR, y_val=y)
    if len(y) == 4:
        message = f"y: expected one target for each set, got several.*DeepSetsElement{kind}"
        with pytest.raises(ValueError, match=message):
            model.score(FOUR, y)
