"""Several columns of sets in a table: each is a collection with a phi and a pool of its own."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_deepsets import (
    DeepSetsClassifier,
    DeepSetsElementRegressor,
    DeepSetsRegressor,
    ElementTransformer,
    RaggedSets,
    SetAggregator,
    check_sets,
)
from sk_deepsets.inspection import (
    ElementImportanceDisplay,
    SetSizeDisplay,
    check_invariance,
    critical_elements,
    element_importance,
    feature_importance,
)
from sk_deepsets.io import load, save, to_onnx
from sk_deepsets.io._onnx import description, inputs_of
from sk_deepsets.io._program import ServedCollections
from sk_deepsets.io._steps import Steps

N = 60
QUICK = {"n_members": 1, "max_epochs": 3, "random_state": 0}
SMALL = {"phi_hidden_dims": (8,), "rho_hidden_dims": (8,)}


def make_sets(rng, columns, sizes, kinds=False):
    owner = np.repeat(np.arange(N) * 10, sizes)
    frame = pd.DataFrame(rng.normal(size=(len(owner), len(columns))), columns=columns).assign(customer=owner)
    if kinds:
        frame["kind"] = pd.Categorical(rng.choice(["new", "old"], len(frame)), ["old", "new"])
    return RaggedSets.from_frame(frame.sample(frac=1, random_state=1), by="customer", ids=np.arange(N) * 10)


@pytest.fixture(scope="module")
def parts():
    """Orders, some of whose names are those of methods of a dict, and visits; each is empty here and there."""
    rng = np.random.default_rng(0)
    items = make_sets(rng, ["amount", "price"], rng.integers(0, 6, N), kinds=True)
    return {"items": items, "visits": make_sets(rng, ["length", "hour", "page"], rng.integers(0, 4, N))}


@pytest.fixture(scope="module")
def table(parts):
    rng = np.random.default_rng(1)
    context = pd.DataFrame({"age": rng.normal(size=N), "town": rng.choice(["x", "y"], N)}, index=np.arange(N) * 10)
    return context.assign(**{name: sets.to_series() for name, sets in parts.items()})


@pytest.fixture(scope="module")
def values(parts):
    items, visits = parts["items"], parts["visits"]
    return np.array([items[i]["amount"].sum() - visits[i]["length"].sum() for i in range(N)])


@pytest.fixture(scope="module")
def ensemble(table, values):
    return DeepSetsClassifier(n_members=8, max_epochs=4, random_state=0, **SMALL).fit(table, values > 0)


def test_a_difference_of_two_sums_is_learned_exactly(parts, table, values):
    reg = DeepSetsRegressor(phi_hidden_dims=(), rho_hidden_dims=(), pool_type="sum", lr=0.05, random_state=0)
    X = table[["items", "visits"]].assign(items=parts["items"].replace(parts["items"].elements[["amount"]]).to_series())
    reg.fit(X, values)
    assert reg.score(X, values) > 0.999
    assert reg.feature_names_in_.tolist() == ["items__amount", "visits__length", "visits__hour", "visits__page"]
    assert reg.n_features_in_ == 4
    double = pd.Series([pd.concat([one, one]) for one in table["visits"]], index=table.index)
    added = reg.predict(X.assign(visits=double)) - reg.predict(X)
    expected = -np.array([one["length"].sum() for one in table["visits"]])
    np.testing.assert_allclose(added, expected, atol=0.05)


def test_the_order_of_the_columns_and_of_the_elements_does_not_matter(table, values):
    first = DeepSetsRegressor(**QUICK).fit(table, values)
    second = DeepSetsRegressor(**QUICK).fit(table[table.columns[::-1]], values)
    np.testing.assert_array_equal(first.predict(table), second.predict(table))
    np.testing.assert_array_equal(first.predict(table), first.predict(table[["visits", "town", "items", "age"]]))
    assert check_invariance(first, table).is_invariant


def test_ensembles_learn_out_of_fold_and_do_not_depend_on_batch_dtype_and_order(ensemble, table, values):
    assert ensemble.oof_prediction_.shape == (N, 2)
    assert 0 <= ensemble.oof_score_ <= 1
    assert check_invariance(ensemble, table).is_invariant
    rows = [ensemble.predict_proba(table.iloc[[number]])[0] for number in range(5)]
    np.testing.assert_allclose(rows, ensemble.predict_proba(table)[:5], atol=1e-6)
    assert ensemble.transform(table).shape == (N, len(ensemble.get_feature_names_out()))


def test_two_copies_of_a_collection_are_pooled_alike(parts):
    rng = np.random.default_rng(3)
    sets, y = parts["visits"], rng.normal(size=N)
    X = pd.DataFrame({"a": sets.to_series(), "b": sets.to_series()})
    reg = DeepSetsRegressor(**QUICK, phi_hidden_dims=(), pool_type=("mean", "std")).fit(X, y)
    alone = DeepSetsRegressor(**QUICK, phi_hidden_dims=(), pool_type=("mean", "std")).fit(sets, y)
    embedded = reg.transform(X)
    np.testing.assert_array_equal(embedded[:, :6], embedded[:, 6:])
    np.testing.assert_allclose(embedded[:, :6], alone.transform(sets), atol=1e-6)


def test_names_are_matched_and_a_missing_or_renamed_collection_is_named(ensemble, table):
    renamed = table.rename(columns={"visits": "visit"})
    with pytest.raises(
        ValueError,
        match=r"\['items', 'visit'\] \(missing: \['visits'\], not seen in fit: \['visit'\]\).*\['items', 'visits'\]",
    ):
        ensemble.predict(renamed)
    with pytest.raises(ValueError, match=r"one collection; in fit it had the collections \['items', 'visits'\]"):
        ensemble.predict(table.drop(columns="visits"))
    with pytest.raises(ValueError, match=r"Collection 'visits': The feature names should match"):
        ensemble.predict(table.assign(visits=[one.rename(columns={"page": "site"}) for one in table["visits"]]))
    with pytest.raises(ValueError, match=r"2 columns of sets, \['items', 'visits'\].*DeepSetsClassifier"):
        check_sets(table)


def test_errors_of_the_context_name_its_columns(ensemble, table, values):
    with pytest.raises(ValueError, match=r"^Context column 'age' holds NaN or infinity \(the first in row 4\)"):
        DeepSetsRegressor(**QUICK).fit(table.assign(age=table["age"].where(np.arange(N) != 4)), values)
    with pytest.raises(
        ValueError, match=r"^Context has the columns \['age', 'city'\]; in fit it had \['age', 'town'\]"
    ):
        ensemble.predict(table.rename(columns={"town": "city"}))
    with pytest.raises(ValueError, match=r"^X has no context features, but the estimator was fitted with 2"):
        ensemble.predict(table[["items", "visits"]])


def test_a_frame_with_one_collection_refuses_two_at_predict(table, values):
    reg = DeepSetsRegressor(**QUICK).fit(table[["visits"]], values)
    with pytest.raises(ValueError, match=r"2 columns of sets, \['items', 'visits'\]"):
        reg.predict(table)


def test_missing_sets_follow_their_rule_and_bad_values_name_the_collection(table, values):
    lost = table.assign(visits=table["visits"].astype(object).where(np.arange(N) != 3, None))
    with pytest.raises(ValueError, match=r"Collection 'visits': 1 of 60 sets is missing"):
        DeepSetsRegressor(**QUICK).fit(lost, values)
    DeepSetsRegressor(**QUICK, missing_sets="empty").fit(lost, values)
    bad = table["visits"].astype(object).copy()
    row = next(row for row, one in enumerate(bad) if len(one))
    bad.iloc[row] = bad.iloc[row] * np.inf
    with pytest.raises(ValueError, match=r"Collection 'visits': .*[Ss]et " + str(row)):
        DeepSetsRegressor(**QUICK).fit(table.assign(visits=bad), values)
    with pytest.raises(ValueError, match=r"Collection 'items': Set \d+ is empty"):
        DeepSetsRegressor(**QUICK, empty_sets="error").fit(table, values)


def test_element_wise_estimators_say_what_to_do(table):
    with pytest.raises(ValueError, match=r"several collections.*\['items', 'visits'\].*elements of one.*SetAggregator"):
        DeepSetsElementRegressor().fit(table, np.zeros(N))


def test_categories_are_chosen_by_collection(table, values):
    numbers = table.assign(items=[one.assign(kind=(one["kind"] == "new") * 1.0) for one in table["items"]])
    found = DeepSetsRegressor(**QUICK, categorical_features={"items": ["kind"]}).fit(numbers, values)
    assert found.net_.module_.embeddings[0].input_layer.output_dim > 3
    with pytest.raises(ValueError, match=r"names \['item'\]; the collections are \['items', 'visits'\]"):
        DeepSetsRegressor(categorical_features={"item": ["kind"]}).fit(numbers, values)
    with pytest.raises(ValueError, match=r"expected categorical_features as a dict"):
        DeepSetsRegressor(categorical_features=["kind"]).fit(numbers, values)


@pytest.mark.parametrize("options", [{"n_members": 1, "fusion_type": "film"}, {"n_members": 4}])
def test_without_each_element_predictions_are_those_for_the_sets_without_it(parts, table, values, options):
    reg = DeepSetsRegressor(max_epochs=2, random_state=0, **SMALL, **options).fit(table, values)
    without, row = reg.leave_one_out(table), 7
    for name, sets in parts.items():
        assert [len(one) for one in without[name]] == sets.sizes.tolist()
        for place in range(sets.sizes[row]):
            less = table.iloc[[row]].assign(**{name: [sets[row].drop(index=sets[row].index[place])]})
            np.testing.assert_allclose(without[name][row][place], reg.predict(less)[0], atol=1e-5)


def test_importance_comes_by_collection(ensemble, parts, table, values):
    for method in ("occlusion", "gradient"):
        found = element_importance(ensemble, table, method)
        assert {name: [len(one) for one in lists] for name, lists in found.items()} == {
            name: sets.sizes.tolist() for name, sets in parts.items()
        }
    found = feature_importance(ensemble, table, values > 0, n_repeats=1, random_state=0)
    expected = ["items__amount", "items__price", "items__kind", "visits__length", "visits__hour", "visits__page"]
    expected += ["age", "town", "items: set size", "visits: set size"]
    assert found.feature_names.tolist() == expected
    amounts, order = parts["items"].elements.copy(), np.random.RandomState(0).permutation(parts["items"].sizes.sum())
    amounts["amount"] = amounts["amount"].to_numpy()[order]
    shuffled = table.assign(items=parts["items"].replace(amounts).to_series())
    by_hand = ensemble.score(table, values > 0) - ensemble.score(shuffled, values > 0)
    np.testing.assert_allclose(found.importances[0], by_hand)


def test_integrated_gradients_add_up(table, values):
    reg = DeepSetsRegressor(**QUICK, activation="silu").fit(table, values)
    found = reg.integrated_gradients(table, n_steps=64)
    added = sum(np.array([one.sum() for one in lists]) for lists in found.values())
    means = {
        name: mean.numpy() for name, mean in zip(["items", "visits"], reg.net_.module_.mean_elements(), strict=True)
    }
    start = table.copy()
    for name, mean in means.items():
        start[name] = [
            one.assign(**dict(zip(one.columns[: len(mean)], np.tile(mean, (len(one), 1)).T, strict=False)))
            for one in table[name]
        ]
    np.testing.assert_allclose(added, reg.predict(table) - reg.predict(start), atol=2e-3)


def test_critical_elements_alone_give_the_same_prediction(parts, table, values):
    reg = DeepSetsRegressor(**QUICK, **SMALL, pool_type="max").fit(table, values)
    kept = critical_elements(reg, table)
    less = table.assign(
        **{name: [one.iloc[few] for one, few in zip(table[name], lists, strict=True)] for name, lists in kept.items()}
    )
    assert sum(map(len, kept["items"])) < parts["items"].sizes.sum()
    np.testing.assert_allclose(reg.predict(less), reg.predict(table), atol=1e-5)


def test_attention_sums_to_one_in_each_collection(table, values):
    reg = DeepSetsRegressor(**QUICK, pool_type="attention").fit(table, values)
    for lists in element_importance(reg, table).values():
        np.testing.assert_allclose([one.sum() for one in lists if len(one)], 1, atol=1e-5)


def test_displays_take_collections(ensemble, table, values):
    pytest.importorskip("matplotlib")
    display = ElementImportanceDisplay.from_estimator(ensemble, table, 2, collection="items")
    assert len(display.importance) == len(table["items"].iloc[2])
    with pytest.raises(ValueError, match=r"collection is None, but X has the collections \['items', 'visits'\]"):
        ElementImportanceDisplay.from_estimator(ensemble, table, 2)
    assert display.ax_.get_title().startswith("items of set 2: the probability of class ")
    sizes = SetSizeDisplay.from_estimator(ensemble, table, values > 0)
    assert sizes.ax_.get_xlabel() == "elements of items and visits together"
    one = DeepSetsRegressor(**QUICK).fit(table[["items"]], values)
    assert SetSizeDisplay.from_estimator(one, table[["items"]], values).ax_.get_xlabel() == "size of the set"


def test_the_diagram_shows_the_phi_of_each_collection(ensemble, table, values):
    assert "phi: items 3 → 8, visits 3 → 8" in ensemble._repr_html_()
    positive = table.assign(visits=[one.abs() for one in table["visits"]])
    weighted = DeepSetsRegressor(**QUICK, **SMALL, element_weight={"visits": "page"}).fit(positive, values)
    assert "phi: items 3 → 8, visits 2 → 8" in weighted._repr_html_()


def test_files_keep_collections(ensemble, table, tmp_path):
    save(ensemble, tmp_path / "model")
    np.testing.assert_array_equal(load(tmp_path / "model").predict_proba(table), ensemble.predict_proba(table))


def as_inputs(parts, table, described):
    """The inputs of an exported program, of which ``described`` tells the columns."""

    def numbers(values, known):
        return values.to_numpy() if known is None else np.array([known.index(value) + 1 for value in values])

    inputs = {}
    for name, sets in parts.items():
        columns = described["collections"][name]
        inputs[name] = np.full((N, sets.sizes.max() + 1, len(columns)), np.nan)
        inputs[f"{name}_mask"] = np.arange(sets.sizes.max() + 1) < sets.sizes[:, None]
        for place, column in enumerate(columns):
            filled = numbers(sets.elements[column["name"]], column["categories"])
            inputs[name][inputs[f"{name}_mask"], place] = filled
    columns = [numbers(table[one["name"]], one["categories"]) for one in described["context"]]
    return inputs | {"context": np.column_stack(columns).astype(np.float64)}


def test_what_is_exported_of_an_ensemble_says_what_it_says(ensemble, parts, table):
    given = inputs_of(ensemble, Steps([]))
    served = ServedCollections(ensemble.net_.module_, ensemble._fitted, given, torch.float64).eval()
    inputs = as_inputs(parts, table, description(ensemble))
    with torch.no_grad():
        found = served(*map(torch.from_numpy, inputs.values())).numpy()
    np.testing.assert_allclose(found, ensemble.predict_proba(table), atol=1e-5)


def test_an_exported_program_takes_an_array_and_a_mask_of_each(parts, table, values, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    reg = DeepSetsRegressor(**QUICK, **SMALL).fit(table, values)
    to_onnx(reg, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    described = json.loads(session.get_modelmeta().custom_metadata_map["sk_deepsets"])
    inputs = as_inputs(parts, table, described)
    assert [one.name for one in session.get_inputs()] == [*inputs]
    np.testing.assert_allclose(session.run(None, inputs)[0], reg.predict(table), atol=1e-5)


def test_the_aggregator_names_its_columns_by_collection(parts, table):
    plain = table.assign(items=[one[["amount", "price"]] for one in table["items"]])
    found = SetAggregator(("size", "mean")).fit(plain).transform(plain)
    expected = ["items__size", "items__amount__mean", "items__price__mean", "visits__size", "visits__length__mean"]
    assert found.columns.tolist() == [*expected, "visits__hour__mean", "visits__page__mean", "age", "town"]
    means = parts["items"].elements["amount"].groupby(parts["items"].segments).mean()
    np.testing.assert_allclose(found["items__amount__mean"].dropna(), means)
    assert found.index.equals(table.index)


def test_pipelines_and_searches_take_collections(table, values):
    numbers = table.assign(items=[one[["amount", "price"]] for one in table["items"]])
    scale = [("items", ElementTransformer(StandardScaler()), ["items"])]
    steps = ColumnTransformer(scale, remainder="passthrough", verbose_feature_names_out=False)
    pipeline = make_pipeline(steps.set_output(transform="pandas"), DeepSetsRegressor(**QUICK))
    search = GridSearchCV(pipeline, {"deepsetsregressor__pool_type": ["mean", "max"]}, cv=2).fit(numbers, values)
    assert search.predict(numbers).shape == (N,)
    without_names = make_pipeline(ColumnTransformer(scale, remainder="passthrough"), DeepSetsRegressor(**QUICK))
    assert without_names.fit(numbers, values).predict(numbers).shape == (N,)


def test_training_continues_by_partial_fit_groups_and_validation_sets(table, values):
    reg = DeepSetsRegressor(**QUICK).partial_fit(table, values).partial_fit(table.iloc[:20], values[:20])
    assert reg.n_iter_ == 2
    grouped = DeepSetsRegressor(n_members=4, max_epochs=2, random_state=0, **SMALL)
    grouped.fit(table, values, groups=np.arange(N) // 5, sample_weight=np.ones(N))
    assert grouped.oof_prediction_.shape == (N,)
    DeepSetsRegressor(**QUICK).fit(table.iloc[:40], values[:40], X_val=table.iloc[40:], y_val=values[40:])


class Sums(torch.nn.Module):
    """A module of the user's own."""

    def __init__(self, input_dim, output_dim, context_dim, width=4):
        super().__init__()
        self.layers = torch.nn.ModuleDict({f"of_{name}": torch.nn.Linear(d, width) for name, d in input_dim.items()})
        self.last = torch.nn.Linear(width * len(input_dim) + context_dim, output_dim)

    def forward(self, items, items_mask, visits, visits_mask, context):
        pairs = {"items": (items, items_mask), "visits": (visits, visits_mask)}
        pooled = [(self.layers[f"of_{name}"](x) * mask.unsqueeze(2)).sum(1) for name, (x, mask) in pairs.items()]
        return self.last(torch.cat([*pooled, context], dim=1))


@pytest.mark.parametrize("n_members", [1, 2])
def test_a_module_is_called_with_the_names_of_the_collections(table, values, n_members, tmp_path):
    reg = DeepSetsRegressor(module=Sums, module__width=3, n_members=n_members, max_epochs=2, random_state=0)
    reg.fit(table, values)
    assert check_invariance(reg, table).is_invariant
    assert element_importance(reg, table.iloc[:3]).keys() == {"items", "visits"}
    save(reg, tmp_path / "model")
    np.testing.assert_array_equal(load(tmp_path / "model", module=Sums).predict(table), reg.predict(table))


class Means(Sums):
    """Divides by the sizes."""

    def forward(self, items, items_mask, visits, visits_mask, context):
        shares = [mask / mask.sum(1, keepdim=True) for mask in (items_mask, visits_mask)]
        return super().forward(items, shares[0], visits, shares[1], context)


def test_a_module_that_divides_by_the_size_of_an_empty_collection_is_told_which(parts, table, values):
    empty = np.array([parts["items"].sizes == 0, parts["visits"].sizes == 0])
    full = np.flatnonzero(~empty.any(axis=0))
    reg = DeepSetsRegressor(module=Means, n_members=1, max_epochs=1, early_stopping=False, random_state=0)
    fitted = clone(reg).fit(table.iloc[full], values[full])
    for rows, where in (
        (empty[0] & ~empty[1], " in the collection 'items'"),
        (empty[1] & ~empty[0], " in the collection 'visits'"),
        (empty.all(axis=0), ""),
    ):
        chosen = [*full, np.flatnonzero(rows)[0]]
        message = f"Set {len(full)} of X is empty{where}, and the output of the module for it is not finite"
        with pytest.raises(ValueError, match=message):
            fitted.predict(table.iloc[chosen])
        with pytest.raises(ValueError, match=message):
            clone(reg).fit(table.iloc[chosen], values[chosen])
