"""What classifier and regressor share: input of every form, invariances, features, context, embedding."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline

from sk_deepsets import DeepSetsClassifier, DeepSetsRegressor, PaddedSets, RaggedSets, SetPadder, check_sets

POOLS = ["sum", "mean", "max", "min", "std", "attention"]


def object_array(bags):
    array = np.empty(len(bags), dtype=object)
    array[:] = bags
    return array


def junk_padded(bags):
    padded = SetPadder().fit_transform(bags)
    return PaddedSets(np.where(padded.mask[..., None], padded.values, np.nan), padded.mask)


FORMS = {
    "tuple": tuple,
    "nested lists": lambda bags: [bag.tolist() for bag in bags],
    "tensors": lambda bags: [torch.from_numpy(bag) for bag in bags],
    "object array": object_array,
    "series": lambda bags: pd.Series(bags, index=[f"bag {i}" for i in range(len(bags))]),
    "ragged": check_sets,
    "padded": junk_padded,
}


def with_context(bags, context=None):
    sets = check_sets(bags)
    context = np.arange(2.0 * len(sets)).reshape(-1, 2) if context is None else context
    return RaggedSets(sets.elements, sets.offsets, context=context)


def named(bags, columns=("a", "b", "c")):
    return [pd.DataFrame(bag, columns=list(columns)) for bag in bags]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_the_same_sets_gives_the_same_model_and_predictions(case, bags, form):
    model = case.make().fit(bags, case.y)
    wanted = case.outputs(model, bags)
    np.testing.assert_array_equal(case.outputs(model, FORMS[form](bags)), wanted)
    np.testing.assert_array_equal(case.outputs(case.make().fit(FORMS[form](bags), case.y), bags), wanted)


def test_sets_of_one_size_may_be_a_three_dimensional_array_and_scalars_sets_of_one_feature(case):
    X = np.random.default_rng(0).normal(size=(len(case.y), 4, 1))
    model = case.make().fit(X, case.y)
    np.testing.assert_array_equal(case.outputs(model, list(X[..., 0])), case.outputs(model, X))


@pytest.mark.parametrize(
    ("pool_type", "encoder"),
    [*product([*POOLS, tuple(POOLS)], ["elementwise", "equivariant"]), ("max", "attention")],
    ids=str,
)
def test_predictions_depend_on_neither_the_order_of_elements_nor_the_other_sets(case, bags, pool_type, encoder):
    model = case.make(pool_type=pool_type, encoder=encoder).fit(bags, case.y)
    wanted = case.outputs(model, bags)
    rng = np.random.default_rng(1)
    np.testing.assert_allclose(case.outputs(model, [rng.permutation(bag) for bag in bags]), wanted, rtol=1e-4)
    np.testing.assert_allclose(case.outputs(model, bags[::-1])[::-1], wanted, rtol=1e-4)
    alone = np.concatenate([case.outputs(model, [bag]) for bag in bags[:5]])
    np.testing.assert_allclose(alone, wanted[:5], rtol=1e-4)


def test_a_padder_before_the_estimator_changes_nothing(case, bags):
    piped = make_pipeline(SetPadder(), case.make()).fit(bags, case.y)
    np.testing.assert_array_equal(case.outputs(piped, bags), case.outputs(case.make().fit(bags, case.y), bags))


@pytest.mark.parametrize("pool_type", [*POOLS, tuple(POOLS)])
def test_empty_sets_are_trained_on_and_predicted(case, bags, pool_type):
    empty = np.empty((0, 3))
    model = case.make(pool_type=pool_type).fit([empty, *bags[1:-1], empty], case.y)
    assert np.isfinite(case.outputs(model, [empty, bags[0], empty])).all()
    np.testing.assert_allclose(case.outputs(model, [[], []]), case.outputs(model, [empty, empty]), rtol=1e-5)
    assert not model.transform([empty]).any()


def test_empty_sets_may_be_an_error(case, bags):
    model = case.make(empty_sets="error").fit(bags, case.y)
    holed = [bags[0], np.empty((0, 3)), np.empty((0, 3))]
    for call in (lambda: model.predict(holed), lambda: model.fit(holed * 30, case.y)):
        with pytest.raises(ValueError, match=r"Set 1 is empty \(empty: \d+ of \d+ sets\)"):
            call()


def test_sets_that_are_all_empty_cannot_be_trained_on(case):
    with pytest.raises(ValueError, match="all sets are empty"):
        case.make().fit([[]] * len(case.y), case.y)


def test_a_set_beyond_max_set_size_is_an_error(case, bags):
    with pytest.raises(ValueError, match=r"Set \d+ has \d elements, but max_set_size=3"):
        case.make(max_set_size=3).fit(bags, case.y)
    model = case.make(max_set_size=7).fit(bags, case.y)
    with pytest.raises(ValueError, match="Set 1 has 8 elements, but max_set_size=7"):
        model.predict([bags[0], np.zeros((8, 3))])
    assert model.padder_.max_set_size == 7
    assert model.padder_.transform(bags).shape == (90, 7, 3)


def test_another_number_of_features_is_an_error_in_the_words_of_scikit_learn(case, bags):
    model = case.make().fit(bags, case.y)
    narrow = [bag[:, :2] for bag in bags]
    message = rf"X has 2 features, but {type(model).__name__} is expecting 3 features as input"
    calls = [model.predict, model.transform, lambda X: model.partial_fit(X, case.y)]
    for call in calls:
        with pytest.raises(ValueError, match=message):
            call(narrow)
    with pytest.raises(ValueError, match="X_val: " + message):
        case.make().fit(bags, case.y, X_val=narrow, y_val=case.y)


@pytest.mark.parametrize("dims", [(0,), (8, -1), (2.5,), ("a",), (True,), [[3]]])
@pytest.mark.parametrize("name", ["phi_hidden_dims", "rho_hidden_dims"])
def test_widths_that_are_none_name_the_parameter(case, bags, name, dims):
    with pytest.raises(ValueError, match=f"{name} must hold whole numbers of at least 1"):
        case.make(**{name: dims}).fit(bags, case.y)
    assert len(case.make(**{name: np.array([4, 4])}).fit(bags, case.y).history_) > 0


def test_names_of_features_are_kept_and_compared(case, bags):
    model = case.make().fit(named(bags), case.y)
    assert list(model.feature_names_in_) == ["a", "b", "c"]
    assert model.n_features_in_ == 3
    np.testing.assert_array_equal(case.outputs(model, named(bags)), case.outputs(case.make().fit(bags, case.y), bags))
    with pytest.raises(ValueError, match="feature names should match those that were passed during fit"):
        model.predict(named(bags, "abz"))
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        model.predict(bags)


@pytest.mark.parametrize("method", ["predict", "transform", "get_feature_names_out"])
def test_before_fit_there_is_nothing_to_ask(case, bags, method):
    with pytest.raises(NotFittedError, match="not fitted yet"):
        getattr(case.make(), method)(bags)


@pytest.mark.parametrize("fusion_type", ["concat", "add", "film"])
@pytest.mark.parametrize("context_in_rho", [True, False])
def test_context_is_used_and_needed_again_in_predict(case, bags, fusion_type, context_in_rho):
    model = case.make(fusion_type=fusion_type, context_in_rho=context_in_rho, max_epochs=10)
    sets = with_context(bags)
    outputs = case.outputs(model.fit(sets, case.y), sets)
    assert model.n_context_features_ == 2
    assert not np.allclose(case.outputs(model, with_context(bags, sets.context[::-1])), outputs)
    np.testing.assert_allclose(case.outputs(model, sets[[5]]), outputs[[5]], rtol=1e-4)
    np.testing.assert_array_equal(case.outputs(model, SetPadder().fit_transform(sets)), outputs)
    with pytest.raises(ValueError, match=r"X has no context features, but .* was fitted with 2"):
        model.predict(bags)
    with pytest.raises(ValueError, match=r"X has 1 context features, but .* was fitted with 2"):
        model.predict(with_context(bags, sets.context[:, :1]))
    with pytest.raises(ValueError, match="was fitted with none"):
        case.make().fit(bags, case.y).predict(sets)


def test_context_that_alone_tells_the_answer_is_learned(case, bags):
    sets = with_context(bags, np.c_[case.y, np.zeros(len(bags))])
    assert case.make(max_epochs=100, lr=0.02, early_stopping=False).fit(sets, case.y).score(sets, case.y) > 0.95


@pytest.mark.parametrize(
    ("context", "message"),
    [
        (np.full((90, 2), np.nan), "Context column 0 holds NaN or infinity"),
        (np.full((90, 2), np.inf), "Context column 0 holds NaN or infinity"),
        (np.zeros(90), "context"),
    ],
)
def test_context_that_is_no_table_of_finite_numbers_is_an_error(case, bags, context, message):
    with pytest.raises(ValueError, match=message):
        case.make().fit(with_context(bags, context), case.y)


@pytest.mark.filterwarnings("ignore:X_val is far from X")
def test_standardising_knows_the_real_elements_of_the_training_part_only(case, bags, see_data):
    elements = np.concatenate(bags)
    for X in (bags, junk_padded(bags), [np.empty((0, 3)), *bags]):
        y = case.y if len(X) == 90 else np.r_[case.y[0], case.y]
        layer = case.make(early_stopping=False).fit(X, y).net_.module_.input_layer
        np.testing.assert_allclose(layer.mean, elements.mean(axis=0), rtol=1e-9)
        np.testing.assert_allclose(layer.scale, elements.std(axis=0), rtol=1e-9)
    far = [bag + 100 for bag in bags]
    layer = case.make().fit(bags, case.y, X_val=far, y_val=case.y).net_.module_.input_layer
    np.testing.assert_allclose(layer.mean, elements.mean(axis=0), rtol=1e-9)
    net = case.make(callbacks=[see_data]).fit(bags, case.y).net_
    train, valid = (part.elements for part in dict(net.callbacks_)["SeeData"].sets)
    assert len(train) + len(valid) == len(elements)
    np.testing.assert_allclose(net.module_.input_layer.mean, train.mean(axis=0), rtol=1e-9)


def test_standardising_makes_the_units_of_the_elements_irrelevant(case, bags):
    factor, shift = np.array([1e-6, 1.0, 1e6]), np.array([0.0, 1e4, -1e8])
    wanted = case.outputs(case.make().fit(bags, case.y), bags)
    moved = [bag * factor + shift for bag in bags]
    np.testing.assert_allclose(case.outputs(case.make().fit(moved, case.y), moved), wanted, rtol=1e-4)
    plain = case.make(standardize=False).fit(bags, case.y)
    np.testing.assert_array_equal(plain.net_.module_.input_layer(torch.ones(2, 3)), np.ones((2, 3)))


@pytest.mark.parametrize("pool_type", [*POOLS, ("max", "sum", "attention")])
def test_transform_is_the_pool_over_phi(case, bags, pool_type):
    model = case.make(pool_type=pool_type, phi_hidden_dims=(5, 4)).fit(bags, case.y)
    weights = {name: value.double().numpy() for name, value in model.net_.module_.state_dict().items()}
    scale = model.net_.module_.pooling.sum_scale

    def embed(bag):
        h = (bag - weights["input_layer.mean"]) / weights["input_layer.scale"]
        for layer in (0, 2):
            h = np.maximum(h @ weights[f"phi.{layer}.weight"].T + weights[f"phi.{layer}.bias"], 0)
        pooled = {"sum": scale * h.sum(0), "mean": h.mean(0), "max": h.max(0), "min": h.min(0), "std": h.std(0)}
        gate = next((name.removesuffix("gate.weight") for name in weights if name.endswith("gate.weight")), None)
        if gate:
            v, u = np.split(h @ weights[f"{gate}gate.weight"].T + weights[f"{gate}gate.bias"], 2, axis=1)
            score = np.exp(np.tanh(v) / (1 + np.exp(-u)) @ weights[f"{gate}score.weight"].T)
            pooled["attention"] = (score / score.sum() * h).sum(0)
        return np.concatenate([pooled[name] for name in ([pool_type] if isinstance(pool_type, str) else pool_type)])

    embedding = model.transform(bags)
    assert embedding.dtype == np.float32
    np.testing.assert_allclose(embedding, [embed(bag) for bag in bags], rtol=1e-3, atol=1e-5)


def test_the_embedding_has_names_and_a_frame(case, bags):
    model = case.make(phi_hidden_dims=(5,), pool_type=("mean", "max")).fit(bags, case.y)
    names = [f"{type(model).__name__.lower()}{i}" for i in range(10)]
    assert list(model.get_feature_names_out()) == names
    frame = model.set_output(transform="pandas").transform(bags)
    assert list(frame.columns) == names
    np.testing.assert_array_equal(frame, model.set_output(transform="default").transform(bags))
    np.testing.assert_array_equal(
        case.make().fit_transform(bags, case.y), case.make().fit(bags, case.y).transform(bags)
    )


def test_a_table_without_the_column_of_sets_is_not_one_of_missing_sets(case, bags):
    table = pd.DataFrame({"bags": bags, "age": np.arange(len(bags))})
    model = case.make(missing_sets="empty").fit(table, case.y)
    gone = table[:2].assign(bags=pd.Series([None, None], dtype=object))
    np.testing.assert_array_equal(
        model.predict(gone), model.predict(RaggedSets(np.empty((0, 3)), [0, 0, 0], context=gone[["age"]]))
    )
    with pytest.raises(ValueError, match=r"X has the columns \['note', 'age'\], and no elements in any; in fit it had"):
        model.predict(gone.rename(columns={"bags": "note"}))


@pytest.mark.parametrize("n_members", [1, 5])
def test_the_padder_makes_what_the_torch_module_takes(n_members):
    rng = np.random.default_rng(0)
    sets = [rng.normal(5, 2, size=(size, 2)) for size in rng.integers(0, 7, 60)]
    y = np.array([int(one_set.sum() > 30) for one_set in sets])
    clf = DeepSetsClassifier(n_members=n_members, max_epochs=3, random_state=0).fit(sets, y)
    padded = clf.padder_.transform(sets)
    with torch.no_grad():
        logits = clf.net_.module_.eval()(torch.tensor(padded.values), torch.tensor(padded.mask))
    np.testing.assert_allclose(logits.softmax(dim=1).numpy(), clf.predict_proba(sets), atol=1e-6)


def test_every_fitted_attribute_is_documented():
    sets, y = [np.ones((2, 1)), np.zeros((1, 1)), np.ones((3, 1)), np.zeros((2, 1))] * 5, [1, 0, 1, 0] * 5
    for Estimator in (DeepSetsClassifier, DeepSetsRegressor):
        fitted = Estimator(max_epochs=2, random_state=0).fit(sets, y)
        public = [name for name in vars(fitted) if name.endswith("_") and not name.startswith("_")]
        assert "oof_score_" in public
        assert [name for name in public if f"\n    {name} : " not in Estimator.__doc__] == []
