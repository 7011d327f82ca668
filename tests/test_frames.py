"""A DataFrame with a column of sets as X: found by content, context by name, through all of scikit-learn."""

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from sklearn.base import clone
from sklearn.compose import ColumnTransformer, make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler

from sk_deepsets import (
    DeepSetsClassifier,
    DeepSetsRegressor,
    ElementTransformer,
    PaddedSets,
    RaggedSets,
    SetAggregator,
    check_sets,
)
from tests.versions import needs_polars_output

RNG = np.random.default_rng(0)
EVENTS = pd.DataFrame(
    {
        "customer": RNG.integers(0, 90, 700),
        "amount": RNG.gamma(2, 30, 700),
        "item": pd.Categorical(RNG.choice(list("xyz"), 700)),
    }
)
CUSTOMERS = pd.DataFrame({"age": RNG.integers(18, 90, 93), "country": RNG.choice(["de", "fr"], 93)})
SETS = RaggedSets.from_frame(EVENTS, "customer", ids=CUSTOMERS.index)
X = CUSTOMERS.assign(events=SETS.to_series())
Y = np.where(CUSTOMERS["age"] > 50, "old", "young")
CLF = DeepSetsClassifier(max_epochs=4, random_state=0)


def test_the_column_of_sets_is_found_and_the_rest_is_context():
    sets = check_sets(X, dtype=None)
    assert_frame_equal(sets.elements, SETS.elements)
    assert_frame_equal(sets.context, CUSTOMERS)
    assert sets.index.equals(X.index)
    np.testing.assert_array_equal(sets.sizes, SETS.sizes)


def test_a_column_of_objects_reads_as_the_column_of_sets():
    numbers = RaggedSets(EVENTS[["amount"]].to_numpy(), [0, 300, 300, 700]).to_series()
    for column in (list(numbers.array), [one_set.tolist() for one_set in numbers.array]):
        objects = pd.Series(column, index=numbers.index, dtype=object)
        sets = check_sets(pd.DataFrame({"age": [1, 2, 3], "events": objects}))
        np.testing.assert_array_equal(sets.elements, EVENTS[["amount"]].to_numpy())
        np.testing.assert_array_equal(sets.sizes, [300, 0, 400])


def test_sets_alone_need_no_context():
    sets = check_sets(X[["events"]], dtype=None)
    assert sets.context is None
    assert check_sets(X["events"], dtype=None).index.equals(X.index)


def test_order_of_columns_does_not_matter_in_predict():
    clf = clone(CLF).fit(X, Y)
    np.testing.assert_array_equal(clf.predict_proba(X[["events", "country", "age"]]), clf.predict_proba(X))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X: X.drop(columns="age"), r"missing: \['age'\], not seen in fit: \[\]"),
        (lambda X: X.assign(income=1.0), r"missing: \[\], not seen in fit: \['income'\]"),
        (lambda X: X[["events"]], "X has no context features, but the estimator was fitted with 2"),
        (lambda X: X.assign(more=X["events"]), r"2 columns of sets, \['events', 'more'\], but exactly one is expected"),
        (lambda X: X.drop(columns="events"), "2-D DataFrame of shape .* two ways"),
        (lambda X: X.set_axis(["age", "age", "events"], axis=1), r"Several columns of X have the same name: \['age'\]"),
    ],
)
def test_other_columns_are_errors_by_name(change, message):
    clf = clone(CLF).fit(X, Y)
    with pytest.raises(ValueError, match=message):
        clf.predict(change(X))


@pytest.mark.parametrize("output", ["default", "pandas"])
def test_a_column_transformer_works_on_the_context_and_passes_the_sets_on(output):
    holed = X.assign(age=X["age"].where(X["age"] > 25))
    assert holed["age"].isna().any()
    change = make_column_transformer(
        (OneHotEncoder(sparse_output=False), ["country"]),
        (make_pipeline(SimpleImputer(), StandardScaler()), ["age"]),
        remainder="passthrough",
    ).set_output(transform=output)
    pipe = make_pipeline(change, clone(CLF)).fit(holed, Y)
    assert pipe[-1].n_context_features_ == 3
    by_hand = pd.DataFrame(
        {
            "de": X["country"] == "de",
            "fr": X["country"] == "fr",
            "age": StandardScaler().fit_transform(holed[["age"]].fillna(holed["age"].mean()))[:, 0],
            "events": X["events"],
        }
    )
    wanted = clone(CLF).fit(by_hand, Y).predict_proba(by_hand)
    np.testing.assert_allclose(pipe.predict_proba(holed), wanted, rtol=1e-3, atol=1e-5)


def test_splits_search_and_cross_validation():
    train, test, y_train, y_test = train_test_split(X, Y, random_state=0)
    search = GridSearchCV(clone(CLF), {"fusion_type": ["concat", "film"]}, cv=2).fit(train, y_train)
    assert search.predict(test).shape == y_test.shape
    wanted = clone(CLF).set_params(**search.best_params_).fit(train, y_train).predict_proba(test)
    np.testing.assert_array_equal(search.predict_proba(test), wanted)
    assert set(cross_val_predict(clone(CLF), X, Y, cv=2)) <= {"old", "young"}


ELEMENTS = ElementTransformer(make_column_transformer((MinMaxScaler(), ["amount"]), (OneHotEncoder(), ["item"])))


def test_element_transformer_gives_a_frame_for_a_frame():
    out = clone(ELEMENTS).fit_transform(X)
    assert out.columns.tolist() == X.columns.tolist()
    assert_frame_equal(out[["age", "country"]], X[["age", "country"]])
    wanted = clone(ELEMENTS).fit_transform(SETS)
    for events in (out["events"], clone(ELEMENTS).fit(X).transform(X)["events"]):
        np.testing.assert_array_equal(events.array.sets.elements, wanted.elements)
        assert events.array.sets.rows.equals(SETS.rows)
    scaled = ElementTransformer(StandardScaler()).fit(X.assign(events=SETS[:].to_series()).pipe(_numbers))
    back = scaled.inverse_transform(scaled.transform(_numbers(X)))
    np.testing.assert_allclose(back["events"].array.sets.elements, SETS.elements[["amount"]])


def _numbers(frame):
    return frame.assign(events=RaggedSets(SETS.elements[["amount"]], SETS.offsets).to_series())


@pytest.mark.parametrize("output", ["default", "pandas", pytest.param("polars", marks=needs_polars_output)])
def test_elements_and_context_are_transformed_in_any_order(output):
    if output == "polars":
        pytest.importorskip("polars")
    context = ColumnTransformer([("age", StandardScaler(), ["age"])], remainder="passthrough").set_output(
        transform=output
    )
    inside = ColumnTransformer(
        [("age", StandardScaler(), ["age"]), ("country", "passthrough", ["country"]), ("sets", ELEMENTS, ["events"])]
    ).set_output(transform=output if output != "polars" else "pandas")
    pipes = [make_pipeline(ELEMENTS, context, CLF), make_pipeline(context, ELEMENTS, CLF), make_pipeline(inside, CLF)]
    first, *others = [clone(pipe).fit(X, Y).predict_proba(X) for pipe in pipes]
    for other in others:
        np.testing.assert_allclose(other, first, rtol=1e-5)


def test_aggregates_inside_of_a_column_transformer_have_names():
    both = ColumnTransformer(
        [
            ("age", StandardScaler(), ["age"]),
            ("sets", make_pipeline(clone(ELEMENTS), SetAggregator(("size", "mean"))), ["events"]),
        ]
    )
    rows = both.set_output(transform="pandas").fit_transform(X)
    names = ["sets__size", "sets__minmaxscaler__amount__mean", "sets__onehotencoder__item_x__mean"]
    assert rows.columns[:4].tolist() == ["age__age", *names]
    assert both.get_feature_names_out().tolist() == rows.columns.tolist()
    np.testing.assert_array_equal(rows["sets__size"], SETS.sizes)
    wanted = ELEMENTS.fit_transform(SETS)
    first = next(number for number, size in enumerate(SETS.sizes) if size)
    assert rows["sets__minmaxscaler__amount__mean"][first] == pytest.approx(np.asarray(wanted[first])[:, 0].mean())


def test_names_of_elements_and_of_the_table_that_held_them():
    transformer = clone(ELEMENTS).fit(X)
    names = ["minmaxscaler__amount", *(f"onehotencoder__item_{item}" for item in "xyz")]
    assert transformer.get_feature_names_out().tolist() == names
    assert transformer.get_feature_names_out(["amount", "item"]).tolist() == names
    assert transformer.get_feature_names_out(X.columns).tolist() == X.columns.tolist()
    with pytest.raises(ValueError, match="input_features is not equal to feature_names_in_"):
        clone(ELEMENTS).fit(SETS).get_feature_names_out(X.columns)


def test_embeddings_have_names_in_a_column_transformer():
    X = pd.DataFrame({"sets": SETS.to_series().to_numpy(), "age": np.arange(float(len(SETS)))})
    embed = DeepSetsClassifier(n_members=1, phi_hidden_dims=(3,), pool_type="mean", max_epochs=1)
    both = ColumnTransformer([("embed", embed, ["sets"])], remainder="passthrough").set_output(transform="pandas")
    rows = both.fit_transform(X, np.arange(len(SETS)) % 2)
    names = [f"embed__deepsetsclassifier{number}" for number in range(3)]
    assert rows.columns.tolist() == both.get_feature_names_out().tolist() == [*names, "remainder__age"]
    with pytest.raises(ValueError, match="input_features"):
        both.named_transformers_["embed"].get_feature_names_out(["other"])


IDS = pd.Index(np.random.default_rng(1).permutation(12))
VALUES = np.random.default_rng(1).normal(size=(12, 3, 2))
LABELLED = {
    "ragged": RaggedSets(VALUES.reshape(36, 2), np.arange(13) * 3, index=IDS),
    "padded": PaddedSets(VALUES, np.ones((12, 3)), index=IDS),
    "context": RaggedSets(
        VALUES.reshape(36, 2), np.arange(13) * 3, context=pd.DataFrame({"age": np.arange(12)}, index=IDS)
    ),
}
LABELLED["series"] = LABELLED["ragged"].to_series()
LABELLED["objects"] = pd.Series(list(VALUES), index=IDS)
LABELLED["frame"] = LABELLED["series"].to_frame().assign(age=np.arange(12.0))


@pytest.mark.parametrize("form", LABELLED)
def test_every_transformer_gives_the_rows_their_labels(form):
    X, y = LABELLED[form], np.arange(12) % 2
    embed = DeepSetsClassifier(n_members=1, phi_hidden_dims=(3,), max_epochs=1, random_state=0)
    values = DeepSetsRegressor(n_members=1, phi_hidden_dims=(2,), max_epochs=1, random_state=0)
    steps = [embed, values, SetAggregator(("max",)), make_pipeline(ElementTransformer(StandardScaler()), clone(embed))]
    union = make_union(*steps).set_output(transform="pandas").fit(X, y)
    rows = union.transform(X)
    assert rows.index.equals(IDS)
    parts = [np.asarray(clone(step).set_output(transform="default").fit(X, y).transform(X)) for step in steps]
    np.testing.assert_array_equal(rows.to_numpy(), np.hstack(parts))
    np.testing.assert_array_equal(rows.filter(like="__max"), VALUES.max(axis=1))


@pytest.mark.parametrize(
    "index", [None, pd.Index([f"c{number}" for number in range(93)]), pd.RangeIndex(93, name="id")]
)
def test_cross_validation_refuses_targets_in_another_order(index):
    table = X if index is None else X.set_axis(index)
    y = pd.Series(Y, index=table.index)
    with pytest.raises(ValueError, match=r"pass y\.loc\[X\.index\]"):
        cross_val_score(clone(CLF), table, y.sample(frac=1, random_state=0), error_score="raise")
    unlabelled = pd.Series(Y)  # beside a table in another order
    assert np.isfinite(cross_val_score(clone(CLF), table.sample(frac=1, random_state=0), unlabelled, cv=2)).all()
