"""Files that were changed on purpose, with a right checksum."""

import json
import sys

import pytest
from sklearn.pipeline import make_pipeline
from torch import nn

from sk_deepsets import DeepSetsClassifier, SetPadder
from sk_deepsets.io import load, save
from sk_deepsets.io._container import read_file, write_file
from sk_deepsets.io._objects import ESTIMATORS, LAYERS, RECORDS
from sk_deepsets.io._save import FORMAT
from sk_deepsets.targets import TARGETS
from tests.models import CLASS, SETS, SINGLE

NOT_SAVED = {
    *("Model", "SetModel", "Stack", "VariantStack", "Ensemble", "ReadOut", "ScaledEnsemble", "Pool", "SoftmaxMean"),
    *("SumOrMean", "LossOfSets", "LossAcrossSets", "OnePerSet", "ListNet", "LambdaRank", "PartialLikelihood"),
    *("GammaNLLLoss", "PinballLoss", "QuantilesLoss", "SmoothableLoss", "CustomLoss"),
    *("Decoder", "ChoiceDecoder", "QuantileDecoder", "Served", "ServedCollections", "ColumnSteps", "PaddedModule"),
}


def forged(model, path, change):
    """Save a model, and change its settings, as text."""
    save(model, path)
    settings, arrays = read_file(path)
    before = json.dumps(settings)
    after = change(before)
    assert after != before
    write_file(path, json.loads(after), arrays)
    return path


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"class": "DeepSetsClassifier"', '"class": "Popen"'),
        ('"class": "DeepSetsInvariant"', '"class": "os.system"'),
        ('["ClassTarget"', '["partial"'),
        ('"optimizer": "adamw"', '"optimizer": {"optimizer": "lr_scheduler"}'),
        ('"callbacks": null', '"callbacks": {"pickle": "gASVCg=="}'),
        ('"max_epochs": 2', '"max_epoch": 2'),
        ('{"tensor": "net_.rho.0.weight"}', '{"tensor": "nothing"}'),
        ('{"tensor": "net_.rho.0.weight"}', '"a string"'),
        ('"estimator": {"estimator"', '"other": {"estimator"'),
    ],
)
def test_what_is_not_known_is_an_error(fitted, old, new, tmp_path):
    _, model = fitted("single-mean")
    path = forged(model, tmp_path / "forged", lambda text: text.replace(old, new))
    with pytest.raises(ValueError, match=r"forged cannot be read by sk_deepsets .* It says that it was written with"):
        load(path)


def test_what_is_nested_too_deeply_is_an_error(fitted, tmp_path):
    deep = "[" * 1_200 + "]" * 1_200
    _, model = fitted("single-mean")
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(5_000)
    try:
        path = forged(
            model, tmp_path / "forged", lambda text: text.replace('"callbacks": null', '"callbacks": ' + deep)
        )
    finally:
        sys.setrecursionlimit(limit)
    with pytest.raises(ValueError, match=r"forged .*RecursionError"):
        load(path)


def test_what_is_no_estimator_is_an_error(tmp_path):
    write_file(tmp_path / "file", {"format": FORMAT, "estimator": [1, 2]}, {})
    with pytest.raises(ValueError, match="holds no estimator"):
        load(tmp_path / "file")


def test_no_folder_of_pickles_comes_with_an_estimator(tmp_path):
    model = DeepSetsClassifier(**SINGLE, checkpoint=tmp_path / "fits").fit(SETS, CLASS)
    save(model, tmp_path / "file")
    assert load(tmp_path / "file").checkpoint is None
    for old in ('"callbacks": null', '"n_iter_": 2'):
        path = forged(model, tmp_path / "forged", lambda text, old=old: text.replace(old, f'{old}, "checkpoint": "a"'))
        assert load(path).checkpoint is None


def test_no_folder_of_pickles_comes_with_a_pipeline(tmp_path):
    pipe = make_pipeline(SetPadder(), DeepSetsClassifier(**SINGLE), memory=str(tmp_path / "cache")).fit(SETS, CLASS)
    save(pipe, tmp_path / "file")
    assert load(tmp_path / "file").memory is None
    path = forged(pipe, tmp_path / "forged", lambda text: text.replace('"verbose": false', '"memory": "folder"', 1))
    assert load(path).memory is None


def test_all_layers_and_targets_are_known():
    def below(base):
        return {one for direct in base.__subclasses__() for one in {direct, *below(direct)}}

    known = set(LAYERS.values()) | set(RECORDS.values())
    ours = {cls for cls in below(nn.Module) | {*TARGETS} if cls.__module__.startswith("sk_deepsets.")}
    # bases, losses, and what is made anew
    assert {cls.__name__ for cls in ours - known} == NOT_SAVED
    assert len({cls.__name__ for cls in ours}) == len(ours)
    assert not [cls for cls in ESTIMATORS.values() if cls in known]


@pytest.mark.parametrize("dtype", ["S1500000000", "<U200000000", "V9", "<f8"])
def test_a_file_cannot_ask_for_memory_that_it_does_not_fill(fitted, dtype, tmp_path):
    _, model = fitted("single-mean")
    wide = json.dumps({"array": [["a"], dtype, [1]]})
    path = forged(model, tmp_path / "forged", lambda text: text.replace('"callbacks": null', f'"callbacks": {wide}'))
    with pytest.raises(ValueError, match="is not a dtype of objects, or of strings as long as these"):
        load(path)


def test_an_array_is_read_once(fitted, tmp_path):
    _, model = fitted("single-mean")
    many = json.dumps([{"tensor": "net_.rho.0.weight"}] * 3)
    path = forged(model, tmp_path / "forged", lambda text: text.replace('"callbacks": null', f'"callbacks": {many}'))
    with pytest.raises(ValueError, match=r"forged cannot be read by sk_deepsets .*KeyError"):
        load(path)
