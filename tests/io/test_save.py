import ast
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor, make_column_selector, make_column_transformer
from sklearn.decomposition import NMF, PCA, TruncatedSVD
from sklearn.exceptions import InconsistentVersionWarning, NotFittedError
from sklearn.feature_selection import SelectKBest, VarianceThreshold
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)
from skorch.callbacks import EpochScoring

import sk_deepsets.io
from sk_deepsets import DeepSetsClassifier, DeepSetsRegressor, ElementTransformer, SetAggregator, SetPadder, check_sets
from sk_deepsets.io import load, save
from sk_deepsets.io._save import FORMAT
from tests.models import CASES, CLASS, FRAME, OF_FRAME, PACK, SETS, SINGLE, VALUE, MeanNet, answers


def reloaded(estimator, tmp_path, **options):
    path = tmp_path / "model.safetensors"
    save(estimator, path)
    return load(path, **options)


@pytest.mark.parametrize("name", CASES)
def test_a_loaded_estimator_says_the_same_to_the_last_bit(fitted, name, tmp_path):
    case, model = fitted(name)
    loaded = reloaded(model, tmp_path)
    assert type(loaded) is type(model)
    assert loaded.get_params() == model.get_params()
    np.testing.assert_array_equal(answers(loaded, case.X), answers(model, case.X))
    if hasattr(model, "transform"):
        np.testing.assert_array_equal(loaded.transform(case.X), model.transform(case.X))
    assert vars(loaded).keys() == vars(model).keys() - {"oof_prediction_"}
    for one in ("history_", "n_iter_", "best_iteration_", "n_features_in_", "oof_score_"):
        assert getattr(loaded, one, None) == getattr(model, one, None)


@pytest.mark.parametrize("name", ["single-mean", "pack-mean", "pack-context-film", "each"])
def test_training_goes_on_as_it_would_have(fitted, name, tmp_path):
    case, model = fitted(name)
    again = pickle.loads(pickle.dumps(model))
    loaded = reloaded(model, tmp_path)
    for one in (again, loaded):
        one.partial_fit(case.X, case.y)
    np.testing.assert_array_equal(answers(loaded, case.X), answers(again, case.X))
    assert [row["epoch"] for row in loaded.history_] == list(range(1, model.n_iter_ + 2))


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["no", "yes"]),
        np.array(["no", "yes"], dtype=object),
        np.array([False, True]),
        np.array([3, 7], dtype=np.int8),
        np.array([0.0, 1.0]),
        pd.array(["no", "yes"], dtype="str"),
        pd.Categorical(["no", "yes"]),
    ],
    ids=lambda labels: str(labels.dtype),
)
def test_classes_keep_their_type(labels, tmp_path):
    model = DeepSetsClassifier(**SINGLE).fit(SETS, labels[CLASS])
    loaded = reloaded(model, tmp_path)
    assert loaded.classes_.dtype == model.classes_.dtype
    np.testing.assert_array_equal(loaded.predict(SETS), model.predict(SETS))


def test_columns_are_matched_and_checked_as_before(fitted, tmp_path):
    _, model = fitted("pack-context-concat")
    loaded = reloaded(model, tmp_path)
    np.testing.assert_array_equal(loaded.feature_names_in_, model.feature_names_in_)
    np.testing.assert_array_equal(answers(loaded, FRAME[FRAME.columns[::-1]]), answers(model, FRAME))
    with pytest.raises(ValueError, match="missing: \\['age'\\]"):
        loaded.predict(FRAME.drop(columns="age"))


@pytest.mark.parametrize("options", [SINGLE, PACK])
@pytest.mark.parametrize("with_context", [False, True])
def test_a_module_of_ones_own_is_given_to_load(options, with_context, tmp_path):
    X = pd.DataFrame({"sets": pd.Series(SETS), "age": np.arange(60.0)}) if with_context else SETS
    model = DeepSetsRegressor(**options, module=MeanNet).fit(X, VALUE)
    for layer in model.net_.module_.modules():
        if isinstance(layer, MeanNet):
            layer.factor.mul_(2)
    before = torch.get_rng_state()
    loaded = reloaded(model, tmp_path, module=MeanNet)
    assert torch.equal(torch.get_rng_state(), before)
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    np.testing.assert_array_equal(loaded.partial_fit(X, VALUE).predict(X), model.partial_fit(X, VALUE).predict(X))


def test_a_module_that_is_missing_or_another_one_is_an_error(tmp_path):
    path = tmp_path / "model.safetensors"
    save(DeepSetsRegressor(**SINGLE, module=MeanNet).fit(SETS, VALUE), path)
    with pytest.raises(ValueError, match=r"module tests\.models\.MeanNet: pass its class, load\(path, module=\.\.\.\)"):
        load(path)
    with pytest.raises(ValueError, match="lambda> is not the module that was saved"):
        load(path, module=lambda input_dim, output_dim: torch.nn.Linear(input_dim, output_dim))
    save(DeepSetsRegressor(**SINGLE).fit(SETS, VALUE), path)
    with pytest.raises(ValueError, match="without a module of your own"):
        load(path, module=MeanNet)


def test_pipelines_of_steps_that_know_sets(tmp_path):
    pipe = make_pipeline(SetPadder(), ElementTransformer(StandardScaler()), DeepSetsClassifier(**SINGLE))
    pipe.fit(SETS, CLASS)
    loaded = reloaded(pipe, tmp_path)
    np.testing.assert_array_equal(loaded.predict_proba(SETS), pipe.predict_proba(SETS))
    aggregator = SetAggregator(("size", "max", 0.25)).fit(SETS)
    np.testing.assert_array_equal(reloaded(aggregator, tmp_path).transform(SETS), aggregator.transform(SETS))


class OwnScaler(StandardScaler):
    """A subclass of what is known, which may learn other things."""


def gaps():
    """Sets with numbers, of which some are missing, and categories; beside a context with both."""
    rng = np.random.default_rng(0)
    sets = check_sets(FRAME["sets"], dtype=None)
    n = len(sets.elements)
    table = sets.elements[["amount", "kind", "code"]].assign(
        amount=np.where(rng.random(n) < 0.2, np.nan, rng.normal(size=n)),
        count=rng.integers(0, 9, n),
        text=rng.choice(["x", "y", "z"], n),
    )
    context = {"age": np.where(rng.random(60) < 0.2, np.nan, rng.normal(size=60)), "town": rng.choice(["u", "w"], 60)}
    return pd.DataFrame({**context, "sets": sets.replace(table).to_series()})


GAPS = gaps()
IMPUTE = SimpleImputer(add_indicator=True)
NUMBERS = ["amount", "count"]


def encoding(*columns, **options):
    """Elements through a ColumnTransformer, and a context whose gaps are filled."""
    context = make_column_transformer((SimpleImputer(), ["age"]), remainder="passthrough")
    elements = make_column_transformer(*columns, **{"remainder": "passthrough", **options})
    return make_pipeline(context, ElementTransformer(elements), DeepSetsClassifier(**SINGLE))


PIPELINES = {
    **{
        type(step).__name__: encoding(
            (make_pipeline(IMPUTE if "Bins" not in repr(step) else SimpleImputer(), step), NUMBERS)
        )
        for step in [
            *(StandardScaler(), RobustScaler(), MinMaxScaler(), MaxAbsScaler(), Normalizer(), Binarizer()),
            *(QuantileTransformer(n_quantiles=9), PowerTransformer(), PolynomialFeatures(), PCA(2), TruncatedSVD(2)),
            *(OneHotEncoder(handle_unknown="ignore"), VarianceThreshold(), FunctionTransformer()),
            KBinsDiscretizer(2, quantile_method="averaged_inverted_cdf"),
        ]
    },
    "codes": encoding(
        (SimpleImputer(strategy="median"), NUMBERS),
        (OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan, encoded_missing_value=-2), ["kind"]),
        (OneHotEncoder(dtype=np.float32, min_frequency=20, drop="first"), ["text"]),
        ("drop", ["code"]),
    ),
    "by dtype": encoding((SimpleImputer(), make_column_selector(dtype_include=np.number))),
    "by slice": encoding((SimpleImputer(), slice("amount", "amount"))),
    "targets": encoding((TargetEncoder(), ["kind"]), (SimpleImputer(), NUMBERS)),
    "logarithm": encoding((SimpleImputer(), ["amount"]), (FunctionTransformer(np.log1p, np.expm1), ["count"])),
    "union": encoding((make_union(SimpleImputer(), SimpleImputer(strategy="constant", fill_value=0)), NUMBERS)),
    "pandas": encoding((SimpleImputer(), NUMBERS)).set_output(transform="pandas"),
    "all in one": make_pipeline(
        make_column_transformer(
            (SimpleImputer(), ["age"]),
            (OneHotEncoder(), ["town"]),
            (ElementTransformer(make_column_transformer((SimpleImputer(), NUMBERS))), ["sets"]),
        ),
        DeepSetsClassifier(**SINGLE),
    ),
}


@pytest.mark.parametrize("name", PIPELINES)
def test_pipelines_of_scikit_learns_transformers(name, tmp_path):
    pipe = clone(PIPELINES[name]).fit(GAPS, OF_FRAME)
    loaded = reloaded(pipe, tmp_path)
    np.testing.assert_array_equal(loaded.predict_proba(GAPS), pipe.predict_proba(GAPS))
    if name != "targets":  # whose folds are random
        again = clone(loaded).fit(GAPS, OF_FRAME)  # the parameters are all there
        np.testing.assert_array_equal(again.predict_proba(GAPS), pipe.predict_proba(GAPS))
    if name == "pandas":
        assert isinstance(loaded[:-1].transform(GAPS)["remainder__sets"].array.sets.elements, pd.DataFrame)


@pytest.mark.parametrize("options", [{"func": np.log1p, "inverse_func": np.expm1}, {"transformer": StandardScaler()}])
def test_transformed_targets(options, tmp_path):
    model = TransformedTargetRegressor(DeepSetsRegressor(**SINGLE), **options).fit(SETS, np.exp(VALUE / 9))
    np.testing.assert_array_equal(reloaded(model, tmp_path).predict(SETS), model.predict(SETS))


def test_another_version_of_scikit_learn_is_told(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("sklearn.base.__version__", "1.0")
        save(
            make_pipeline(ElementTransformer(StandardScaler()), DeepSetsClassifier(**SINGLE)).fit(SETS, CLASS),
            tmp_path / "m",
        )
    with pytest.warns(InconsistentVersionWarning, match=r"unpickle estimator .* from version 1\.0"):
        load(tmp_path / "m")


@pytest.mark.parametrize("output", ["default", "pandas"])
@pytest.mark.parametrize("dtype", ["float64", "float32", "Int64", "double[pyarrow]"])
def test_pipelines_of_sets_with_names(tmp_path, output, dtype):
    frames = [pd.DataFrame(np.round(9 * one), columns=["a", "b", "c"][: one.shape[1]]).astype(dtype) for one in SETS]
    scaler = ElementTransformer(StandardScaler().set_output(transform=output))
    pipe = make_pipeline(scaler, DeepSetsClassifier(**SINGLE)).fit(frames, CLASS)
    loaded = reloaded(pipe, tmp_path)
    np.testing.assert_array_equal(loaded.predict_proba(frames), pipe.predict_proba(frames))
    empty, wanted = (one[0].transform([frames[0][:0]]).elements for one in (loaded, pipe))
    assert type(empty) is type(wanted)
    assert empty.shape == wanted.shape
    assert loaded[0].inverse_transform([empty]).sizes.tolist() == [0]


def test_what_cannot_be_saved_is_named(tmp_path):
    path = tmp_path / "model.safetensors"
    with pytest.raises(NotFittedError):
        save(DeepSetsClassifier(), path)
    with pytest.raises(TypeError, match="but got NMF"):
        save(NMF(), path)
    with pytest.raises(TypeError, match=r"but got GridSearchCV\. Of a search, save best_estimator_"):
        save(GridSearchCV(DeepSetsClassifier(), {}), path)
    with pytest.raises(TypeError, match=r"transformer is SelectKBest.* save\(pipeline\[-1\], .*skops.io.dump"):
        save(ElementTransformer(SelectKBest(k=1)).fit(SETS, CLASS), path)
    with pytest.raises(TypeError, match=r"1\.transformer is OwnScaler.* save does not know what OwnScaler learns"):
        save(make_pipeline(SetPadder(), ElementTransformer(OwnScaler())).fit(SETS), path)
    with pytest.raises(TypeError, match=r"func is <function"):
        save(ElementTransformer(FunctionTransformer(lambda X: X)).fit(SETS), path)
    model = DeepSetsClassifier(**SINGLE, callbacks=[EpochScoring("accuracy", on_train=True)]).fit(SETS, CLASS)
    with pytest.raises(TypeError, match=r"callbacks\.0 is .*EpochScoring.* Set it to another value"):
        save(model, path)
    with pytest.raises(TypeError, match="random_state is RandomState"):
        save(DeepSetsClassifier(**{**SINGLE, "random_state": np.random.RandomState(0)}).fit(SETS, CLASS), path)
    assert not list(tmp_path.iterdir())
    save(model.set_params(callbacks=None), path)
    np.testing.assert_array_equal(load(path).predict(SETS), model.predict(SETS))


def test_parameters_of_all_kinds_come_back(tmp_path):
    options = {
        "optimizer": torch.optim.RMSprop,
        "class_weight": {0: 1.0, 1: np.float32(2.0)},
        "device": torch.device("cpu"),
        "phi_hidden_dims": [8, np.int64(4)],
        "categorical_features": None,
        "weight_decay": 0.0,
    }
    model = DeepSetsClassifier(**{**SINGLE, **options}).fit(SETS, CLASS)
    loaded = reloaded(model, tmp_path)
    for name, value in options.items():
        assert getattr(loaded, name) == value
        assert type(getattr(loaded, name)) is type(value)
    assert loaded.partial_fit(SETS, CLASS).n_iter_ == 3


def test_a_device_that_is_not_here_is_the_cpu(fitted, tmp_path):
    _, model = fitted("single-mean")
    elsewhere = pickle.loads(pickle.dumps(model)).set_params(device="cuda:7")
    loaded = reloaded(elsewhere, tmp_path)
    np.testing.assert_array_equal(answers(loaded, SETS), answers(model, SETS))
    with pytest.raises(ValueError, match="device='cuda:7' is not on this machine"):
        loaded.partial_fit(SETS, CLASS)
    assert loaded.set_params(device="cpu").partial_fit(SETS, CLASS).n_iter_ == 3


def test_the_file_is_little_more_than_the_weights(tmp_path):
    path = tmp_path / "model.safetensors"
    model = DeepSetsClassifier(phi_hidden_dims=(64, 64), rho_hidden_dims=(128,), max_epochs=1).fit(SETS, CLASS)
    save(model, path)
    weights = sum(tensor.nbytes for tensor in model.net_.module_.state_dict().values())
    assert path.stat().st_size < 1.1 * weights
    save(load(path), path)  # without growing
    assert path.stat().st_size < 1.1 * weights
    assert len(pickle.dumps(load(path))) < 1.2 * weights


def test_other_versions_are_told(fitted, tmp_path, monkeypatch):
    _, model = fitted("single-mean")
    path = tmp_path / "model.safetensors"
    with monkeypatch.context() as patch:
        patch.setattr("sk_deepsets.io._save.FORMAT", FORMAT + 1)
        save(model, path)
    with pytest.raises(ValueError, match=rf"has format {FORMAT + 1} \(it was .*'torch'.* reads format {FORMAT}"):
        load(path)
    monkeypatch.setattr(model, "phi_hidden_dims", (8,))
    monkeypatch.setattr(type(model), "get_params", lambda self, deep: {"of_the_future": 1})
    save(model, path)
    monkeypatch.undo()
    with pytest.raises(ValueError, match=r"of_the_future.*load it with these versions"):
        load(path)


@pytest.mark.parametrize("name", ["single", "pack"])
def test_files_of_the_first_format_say_what_to_do(name):
    path = Path(__file__).parent / f"format_1_{name}.safetensors"
    with pytest.raises(ValueError, match=r"has format 1, .*'torch'.* Load it with the version that wrote it"):
        load(path)


def test_nothing_here_can_run_what_a_file_says():
    folder = Path(sk_deepsets.io.__file__).parent
    for path in folder.glob("*.py"):
        tree = ast.walk(ast.parse(path.read_text()))
        names = {getattr(node, name, None) for node in tree for name in ("id", "module", "name")}
        assert not names & {"pickle", "joblib", "eval", "exec", "compile", "import_module", "__import__"}


@pytest.mark.parametrize("labels", [np.array(["no", "yes"], dtype="<U21"), np.array(["a", "b" * 40]), np.array([1, 0])])
def test_labels_keep_their_dtype_whatever_their_length(labels, tmp_path):
    y = labels[np.arange(len(SETS)) % 2]
    model = DeepSetsClassifier(**SINGLE).fit(SETS, y)
    save(model, tmp_path / "model")
    again = load(tmp_path / "model")
    assert again.classes_.dtype == model.classes_.dtype
    np.testing.assert_array_equal(again.predict(SETS), model.predict(SETS))


def test_parameters_may_have_keys_of_numpy(tmp_path):
    weights = {np.int64(0): 1.0, np.int64(1): 2.0}
    model = DeepSetsClassifier(**SINGLE, class_weight=weights).fit(SETS, np.arange(len(SETS)) % 2)
    save(model, tmp_path / "model")
    assert load(tmp_path / "model").class_weight == weights


def test_tables_whose_columns_are_no_strings_are_saved(tmp_path):
    X = pd.DataFrame({pd.Timestamp("2020"): list(SETS)})
    model = DeepSetsRegressor(**SINGLE).fit(X, np.arange(len(SETS)))
    save(model, tmp_path / "model")
    np.testing.assert_array_equal(load(tmp_path / "model").predict(X), model.predict(X))
