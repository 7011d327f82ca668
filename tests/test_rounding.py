"""No answer is made of rounding: whatever the values, a set has one answer in every call, order, batch, dtype and file.

Columns in which statistics by rank have ties that rounding can pull apart: constants within each set, rare flags, few
values, repeated rows, far from zero, in sets of very different sizes.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sk_deepsets import DeepSetsClassifier, DeepSetsRegressor
from sk_deepsets.inspection import check_invariance
from sk_deepsets.io import to_onnx

# values in another unit are far from those trained on, which is for tests/estimators/test_ranges.py
pytestmark = pytest.mark.filterwarnings("ignore::sk_deepsets.estimators.FarSetWarning")

N_SETS, CLOSE = 120, 1e-5


def rare_flags(random, size):
    return np.c_[random.normal(size=(size, 2)), random.random(size) < 0.02]


def constants(random, size):
    within = [random.normal(), random.integers(3) / 3, 1e7 + random.integers(9), 0.1]
    return np.c_[random.normal(size=size), np.tile(within, (size, 1))]


def counts(random, size):
    return random.poisson([1, 5, 0.1], size=(size, 3))


def far_from_zero(random, size):
    return np.c_[1e9 + random.normal(size=size), 1e6 + random.integers(3, size=size), 1e-9 * random.normal(size=size)]


def few_rows_repeated(random, size):
    few = random.choice([0.1, 0.3, 0.7], size=(2, 2))
    return np.c_[few[random.integers(2, size=size)], random.choice([0.2, 1e-3, 1e4], size=size)]


def centred(random, size):
    """What is left of each set's mean is nothing but rounding."""
    values = random.normal(size=(size, 2)) * [1, 1e6]
    return np.c_[values - values.mean(axis=0), random.normal(size=size)]


MODELS = {
    "classifier": (DeepSetsClassifier, (constants, few_rows_repeated, centred)),
    "regressor": (DeepSetsRegressor, (counts, far_from_zero, rare_flags)),
}


class Fitted:
    """A default estimator, its training sets, and its answers for them in units of their spread."""

    def __init__(self, make, columns):
        random = np.random.default_rng(0)
        sizes = np.exp(random.normal(2.5, 1.3, N_SETS)).clip(1, 300).astype(int)
        self.sets = [np.hstack([some(random, size) for some in columns]) for size in sizes]
        y = np.array([np.log(len(one)) + np.tanh(one[:, 0]).mean() + one[:, 2].mean() for one in self.sets])
        self.is_classifier = make is DeepSetsClassifier
        self.model = make(max_epochs=4, lr=0.01, random_state=0)
        self.model.fit(self.sets, (y > np.median(y)).astype(int) if self.is_classifier else y)
        self.scale = 1.0 if self.is_classifier else y.std()
        self.wanted = self(self.sets)
        assert self.wanted.std() > 0.01

    def __call__(self, X):
        given = self.model.predict_proba(X)[:, 1] if self.is_classifier else self.model.predict(X)
        return given / self.scale

    def change(self, X, numbers=None):
        numbers = np.arange(N_SETS) if numbers is None else numbers
        return np.abs(self(X) - self.wanted[numbers]).max()


@pytest.fixture(scope="module", params=MODELS)
def fitted(request):
    return Fitted(*MODELS[request.param])


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n_sets=st.integers(1, 2 * N_SETS))
def test_any_sets_in_any_order(fitted, seed, n_sets):
    numbers = np.random.default_rng(seed).integers(N_SETS, size=n_sets)
    assert fitted.change([fitted.sets[number] for number in numbers], numbers) <= CLOSE


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_elements_in_any_order(fitted, seed):
    random = np.random.default_rng(seed)
    assert fitted.change([random.permutation(one) for one in fitted.sets]) <= CLOSE


@settings(max_examples=4, deadline=None)
@given(at_once=st.integers(50, 3000), values=st.integers(100_000, 1_000_000))
def test_batches_and_chunks_of_any_size(fitted, at_once, values):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sk_deepsets.training._net.ELEMENTS_AT_ONCE", at_once)
        patch.setattr("sk_deepsets.nn._chunked.CHUNK_VALUES", values)
        assert fitted.change(fitted.sets) <= CLOSE


def test_one_by_one_and_twice(fitted):
    for number in range(0, N_SETS, 3):
        assert fitted.change([fitted.sets[number]], [number]) <= CLOSE
    assert fitted.change(2 * fitted.sets, np.tile(np.arange(N_SETS), 2)) <= CLOSE


@pytest.mark.parametrize("dtype", [np.int16, np.float32, np.int64, np.float64])
def test_the_same_values_in_any_dtype(fitted, dtype):
    rounded = [one.astype(dtype) for one in fitted.sets]
    wide = [one.astype(np.float64) for one in rounded]
    assert np.abs(fitted(rounded) - fitted(wide)).max() <= CLOSE


def test_flags_as_booleans(fitted):
    flags = [one > 0.5 for one in fitted.sets]
    assert np.abs(fitted(flags) - fitted([one.astype(float) for one in flags])).max() <= CLOSE


def test_the_report_says_so(fitted):
    report = check_invariance(fitted.model, fitted.sets, tolerance=CLOSE)
    assert report.is_invariant, report


@pytest.mark.parametrize("fitted", ["regressor"], indirect=True)  # one export takes as long as all other tests here
def test_the_onnx_file_says_the_same(fitted, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    to_onnx(fitted.model, tmp_path / "model.onnx")
    width = max(map(len, fitted.sets))
    x, mask = np.zeros((N_SETS, width, fitted.sets[0].shape[1])), np.zeros((N_SETS, width), dtype=bool)
    for number, one in enumerate(fitted.sets):
        x[number, : len(one)], mask[number, : len(one)] = one, True
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    (found,) = session.run(None, {"x": x, "mask": mask})
    found = found[:, 1] if fitted.is_classifier else found / fitted.scale
    assert np.abs(found - fitted.wanted).max() <= CLOSE
