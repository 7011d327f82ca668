"""Estimators on sets in files: the same model as in memory, and less memory than the elements would take."""

import subprocess
import sys
import tempfile
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest

from sk_deepsets import (
    DeepSetsClassifier,
    DeepSetsElementRegressor,
    DeepSetsRegressor,
    RaggedSets,
    check_sets,
)
from sk_deepsets.estimators import _inputs
from sk_deepsets.sets import _mapped
from sk_deepsets.sets._mapped import is_mapped

N_SETS = 60
RNG = np.random.default_rng(0)
SIZES = RNG.integers(0, 9, N_SETS)
OFFSETS = np.r_[0, SIZES.cumsum()]
N = int(OFFSETS[-1])
NUMBERS = RNG.normal(3, 2, size=(N, 3)).astype(np.float32)
FRAME = pd.DataFrame(
    {
        "x": RNG.normal(size=N),
        "n": RNG.integers(0, 5, N),
        "kind": pd.Categorical(RNG.choice(["b", "a"], N), categories=["c", "b", "a"]),
        "text": RNG.choice(["u", "v"], N),
    }
)
CONTEXT = pd.DataFrame({"age": RNG.normal(size=N_SETS), "town": pd.Categorical(RNG.choice(["u", "v"], N_SETS))})
TARGETS = RNG.normal(size=N_SETS)
PER_ELEMENT = np.split(NUMBERS[:, 0], OFFSETS[1:-1])
TABLES = {"one array": NUMBERS, "integers": (NUMBERS * 9).astype(np.int16), "columns": FRAME}
ESTIMATORS = {
    "ensemble": (DeepSetsRegressor(max_epochs=2, random_state=0), TARGETS),
    "one net": (DeepSetsClassifier(n_members=1, max_epochs=2, early_stopping=True, random_state=0), TARGETS > 0),
    "elements": (DeepSetsElementRegressor(max_epochs=2, random_state=0), PER_ELEMENT),
}


@pytest.fixture
def _small_pieces(monkeypatch):
    monkeypatch.setattr(_mapped, "VALUES_AT_ONCE", 60)


@pytest.mark.usefixtures("_small_pieces")
@pytest.mark.filterwarnings("ignore:.*are guesses")
@pytest.mark.parametrize(
    ("name", "table"),
    [("ensemble", "columns"), ("one net", "integers"), ("one net", "one array"), ("elements", "one array")],
)
def test_a_model_is_the_one_of_the_sets_in_memory(name, table, tmp_path):
    estimator, y = ESTIMATORS[name]
    sets = RaggedSets(TABLES[table], OFFSETS, context=CONTEXT if name != "elements" else None)
    sets.save(tmp_path)
    mapped = RaggedSets.open(tmp_path)
    wanted = estimator.fit(sets, y).predict(sets)
    found = estimator.fit(mapped, y).predict(mapped)
    np.testing.assert_array_equal(np.concatenate(found, axis=None), np.concatenate(wanted, axis=None))
    encoded = estimator._read_sets(mapped)
    assert is_mapped(encoded.elements)
    np.testing.assert_array_equal(encoded.elements, estimator._read_sets(sets).elements)


def test_a_file_that_does_not_stay_in_memory_is_read_ahead(tmp_path, monkeypatch):
    estimator, y = ESTIMATORS["one net"]
    RaggedSets(NUMBERS, OFFSETS).save(tmp_path)
    sets = RaggedSets.open(tmp_path)
    assert _mapped.ScatteredReads.of(sets.elements) is None  # small
    assert _mapped.ScatteredReads.of(NUMBERS) is None
    wanted = estimator.fit(sets, y).predict_proba(sets)
    monkeypatch.setattr(_mapped, "LARGE_SHARE", 0)
    fetched = []
    fetch = _mapped.ScatteredReads.fetch
    monkeypatch.setattr(
        _mapped.ScatteredReads, "fetch", lambda reads, *rows: fetched.append(rows) or fetch(reads, *rows)
    )
    np.testing.assert_array_equal(estimator.fit(sets, y).predict_proba(sets), wanted)
    begins, ends = (np.concatenate(rows).reshape(2, -1) for rows in zip(*fetched, strict=True))
    np.testing.assert_array_equal(np.sort(begins[0]), np.sort(begins[1]))  # the same sets in both epochs, each once
    assert len(np.unique(begins[0] + ends[0] * N)) > 0.8 * N_SETS * (SIZES > 0).mean()


def test_what_is_read_ahead_are_the_pages_of_the_rows(tmp_path):
    table = np.arange(30_000.0).reshape(-1, 3)
    RaggedSets(table, [0, len(table)]).save(tmp_path)
    reads = _mapped.ScatteredReads(RaggedSets.open(tmp_path).elements[100:])

    reads.map, content = Mock(), (tmp_path / "elements.npy").read_bytes()
    reads.fetch(np.array([5, 7, 900]), np.array([6, 7, 1_500]))
    calls = [call.args for call in reads.map.madvise.call_args_list]
    assert len(calls) == 2  # the second set is empty
    for (_, start, length), (begin, end) in zip(calls, [(105, 106), (1_000, 1_600)], strict=True):
        assert start % 4_096 == 0
        assert content[start : start + length].endswith(table[begin:end].tobytes())
        assert length < table[begin:end].nbytes + 4_096


@pytest.mark.usefixtures("_small_pieces")
def test_values_are_checked_piece_by_piece(tmp_path):
    for place, value in ((N - 1, np.nan), (N // 2, np.inf)):
        table = NUMBERS.copy()
        table[place, 1] = value
        RaggedSets(table, OFFSETS).save(tmp_path)
        number = np.searchsorted(OFFSETS, place, side="right") - 1
        with pytest.raises(ValueError, match=f"Set {number} holds .* .element {place - OFFSETS[number]}, feature 1.;"):
            check_sets(RaggedSets.open(tmp_path))


@pytest.mark.usefixtures("_small_pieces")
def test_a_file_for_converted_elements_is_gone_with_them(tmp_path, monkeypatch):
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    RaggedSets(TABLES["integers"], OFFSETS).save(tmp_path / "sets")
    sets = check_sets(RaggedSets.open(tmp_path / "sets"))
    np.testing.assert_array_equal(sets.elements, TABLES["integers"])
    assert sets.elements.dtype == np.float32
    assert list((tmp_path / "temporary").iterdir()) == []


def test_of_large_data_a_sample_tells_the_scalings(monkeypatch):
    monkeypatch.setattr(_inputs, "MOST_VALUES", 1_000)
    monkeypatch.setattr(_inputs, "SAMPLE_VALUES", 3_000)
    monkeypatch.setattr(_inputs, "FEWEST_SAMPLED", 5)
    sizes = np.full(2_000, 3)
    sizes[::100] = 400
    sets = RaggedSets(RNG.normal(5, 2, size=(sizes.sum(), 2)), np.r_[0, sizes.cumsum()])
    weight = np.where(np.arange(2_000) % 10 < 2, 1.0, 0.0)  # the large ones, and as many small ones
    sets.elements[weight[sets.segments] == 0] = 1e6  # which must not count
    rows, row_weight, numbers = _inputs.learned_from(sets, weight)
    assert weight[numbers].all()
    assert 1_000 < rows.size <= 2 * 3_000
    assert len(row_weight) == len(rows)
    np.testing.assert_allclose(rows.mean(axis=0), 5, atol=0.3)
    again = _inputs.learned_from(sets, weight)
    np.testing.assert_array_equal(again[0], rows)
    every, no_weight, numbers = _inputs.learned_from(sets, None)
    assert no_weight is None
    assert len(np.unique(numbers)) == len(numbers)
    assert set(map(tuple, every)) <= set(map(tuple, sets[numbers].elements))


LIMITED = """
import json, resource, sys
import numpy as np, torch
from sk_deepsets import DeepSetsRegressor, RaggedSets

def data_megabytes():
    with open("/proc/self/status") as status:
        return int(next(line for line in status if line.startswith("VmData")).split()[1]) >> 10

folder, n_elements, n_features, size = sys.argv[1], 4_000_000, 64, 500
elements = np.lib.format.open_memmap(folder + "/elements.npy", "w+", np.float32, (n_elements, n_features))
part = np.random.default_rng(0).normal(size=(50_000, n_features))
for first in range(0, n_elements, len(part)):
    elements[first : first + len(part)] = part
np.save(folder + "/offsets.npy", np.arange(0, n_elements + 1, size))
about = {"format": "sk_deepsets sets", "version": 1, "n_sets": n_elements // size, "n_elements": n_elements}
about |= {"elements": {"names": None}, "feature_names": None, "rows": None, "index": None, "context": None}
with open(folder + "/sets.json", "w") as file:
    json.dump(about | {"numbers": False, "places": False}, file)
del elements, part

torch.set_num_threads(1)
torch.optim.AdamW([torch.zeros(1, requires_grad=True)])  # the first optimizer imports half of torch
# memory of the process alone: pages of mapped files do not count
most = data_megabytes() + 250 << 20
resource.setrlimit(resource.RLIMIT_DATA, (most, most))
sets = RaggedSets.open(folder)
try:
    sets.elements.copy()
except MemoryError:
    print("too large for memory")
y = sets.elements[::size, 0] + 0.0
reg = DeepSetsRegressor(n_members=1, max_epochs=1, phi_hidden_dims=(8,), random_state=0).fit(sets, y)
print(f"{reg.predict(sets[-1_000:]).shape[0]} sets")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the limit counts the pages of files, too")
def test_a_gigabyte_of_elements_is_trained_on_with_a_quarter_of_the_memory(tmp_path):
    command = [sys.executable, "-c", LIMITED, str(tmp_path)]
    root = Path(__file__).parents[1]
    run = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    (tmp_path / "elements.npy").unlink()
    assert run.returncode == 0, run.stderr[-2_000:]
    assert run.stdout.splitlines() == ["too large for memory", "1000 sets"]
