"""save and open: the same sets from mapped files, and an error for any folder that is something else or damaged."""

import json

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal, assert_index_equal

from sk_deepsets import RaggedSets, check_sets
from sk_deepsets.sets._mapped import is_mapped

N = 60
RNG = np.random.default_rng(0)
FRAME = pd.DataFrame(
    {
        "id": RNG.integers(0, 9, N) * 10,
        "amount": RNG.normal(size=N),
        "count": RNG.integers(0, 5, N).astype(np.int8),
        "flag": RNG.random(N) < 0.5,
        "kind": pd.Categorical(RNG.choice(["b", "a", None], N), categories=["c", "b", "a"], ordered=True),
        "text": RNG.choice(["x", "ß\0", "", None], N),
        "object": np.array(RNG.choice(["x", "y"], N), dtype=object),
        "nullable": pd.array([None, *range(N - 1)], dtype="Int64"),
        "when": pd.date_range("2024-01-01", periods=N, freq="h"),
        "zoned": pd.date_range("2024-01-01", periods=N, freq="h", tz="Europe/Berlin"),
    },
    index=RNG.permutation(N) + 100,
)
PEOPLE = pd.DataFrame({"age": [3.0, 4.0], "town": pd.Categorical(["y", "x"])}, index=pd.Index(["u", "v"], name="who"))
ARRAY = RaggedSets(RNG.normal(size=(5, 2)).astype(np.float32), [0, 3, 3, 5], feature_names=["a", "b"])
SETS = {
    "array": ARRAY,
    "taken": ARRAY[[2, 0]],
    "integers": RaggedSets(np.arange(6).reshape(3, 2), [0, 1, 3], context=np.arange(4.0).reshape(2, 2)),
    "empty": RaggedSets(np.empty((0, 3)), [0, 0]),
    "one dtype": RaggedSets.from_frame(FRAME, "id", columns=["amount"]),
    "columns": RaggedSets.from_frame(FRAME, "id"),
    "levels": RaggedSets.from_frame(FRAME.assign(k=FRAME["text"].fillna("-")), ["id", "k"], columns=["flag", "count"]),
    "context": RaggedSets(ARRAY.elements, [0, 3, 5], context=PEOPLE),
    "arrow": RaggedSets(pd.DataFrame({"x": pd.array([1, None], "int64[pyarrow]"), "y": ["a", "b"]}), [0, 2]),
}


def assert_same(ours, theirs):
    """Equal in all that a user sees, and in the order of ``to_rows``."""
    assert_frame_equal(ours.to_frame(), theirs.to_frame())
    assert type(ours.elements) is type(theirs.elements)
    np.testing.assert_array_equal(ours.offsets, theirs.offsets)
    assert_index_equal(ours.rows, theirs.rows)
    assert (ours.index is None) == (theirs.index is None)
    if theirs.index is not None:
        assert_index_equal(ours.index, theirs.index)
    assert_frame_equal(pd.DataFrame(ours.context), pd.DataFrame(theirs.context))
    answers = [np.arange(size) for size in theirs.sizes]
    if len(theirs.elements):
        pd.testing.assert_series_equal(ours.to_rows(answers), theirs.to_rows(answers))


@pytest.mark.parametrize("name", SETS)
def test_sets_come_back_as_they_were(name, tmp_path):
    if name == "arrow":
        pytest.importorskip("pyarrow")
    SETS[name].save(tmp_path / "sets")
    assert_same(RaggedSets.open(tmp_path / "sets"), SETS[name])
    assert [path.name for path in tmp_path.iterdir()] == ["sets"]


@pytest.mark.parametrize("name", ["array", "one dtype", "columns"])
def test_elements_stay_in_the_file_until_they_are_taken(name, tmp_path):
    SETS[name].save(tmp_path)
    sets = RaggedSets.open(tmp_path)
    assert is_mapped(sets.elements)
    assert is_mapped(sets[1:].elements)
    assert not is_mapped(sets[[1, 0]].elements)
    if name != "columns":
        assert is_mapped(check_sets(sets, dtype=None).elements)
        assert not check_sets(sets).elements.flags.writeable


def test_labels_of_a_context_that_are_not_those_of_the_sets_are_kept(tmp_path):
    sets = RaggedSets(ARRAY.elements, [0, 3, 5], context=PEOPLE, index=pd.RangeIndex(2))
    sets.save(tmp_path)
    assert_frame_equal(RaggedSets.open(tmp_path).context, PEOPLE)


def test_sets_replace_sets_also_those_that_they_are_mapped_from(tmp_path):
    ARRAY.save(tmp_path)
    sets = RaggedSets.open(tmp_path)
    sets[1:].save(tmp_path)
    assert len(RaggedSets.open(tmp_path)) == 2
    np.testing.assert_array_equal(sets.elements, ARRAY.elements)


def test_what_else_is_there_is_not_replaced(tmp_path):
    ARRAY.save(tmp_path / "sets")
    (tmp_path / "sets" / "notes.txt").write_text("mine")
    for folder in (tmp_path, tmp_path / "sets", tmp_path / "sets" / "notes.txt"):
        with pytest.raises(FileExistsError, match="not a folder of sets alone"):
            ARRAY.save(folder)
    assert (tmp_path / "sets" / "notes.txt").read_text() == "mine"


def test_an_error_leaves_the_sets_that_were_there(tmp_path):
    ARRAY.save(tmp_path / "sets")
    wrong = RaggedSets(pd.DataFrame({"x": [1.0], "when": [pd.Interval(0, 1)]}), [0, 1])
    with pytest.raises(TypeError, match=r"Column 'when' of elements: dtype interval.* cannot be stored; expected"):
        wrong.save(tmp_path / "sets")
    assert_same(RaggedSets.open(tmp_path / "sets"), ARRAY)
    assert [path.name for path in tmp_path.iterdir()] == ["sets"]


def change(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def flip(path, place, value):
    content = bytearray(path.read_bytes())
    content[place] = value
    path.write_bytes(content)


DAMAGES = {
    "no description": lambda path: (path / "sets.json").unlink(),
    "another format": lambda path: change(path / "sets.json", format="other"),
    "a later version": lambda path: change(path / "sets.json", version=2),
    "other numbers": lambda path: change(path / "sets.json", n_elements=N + 1),
    "no list of columns": lambda path: change(path / "sets.json", elements={"names": ["a"]}),
    "a path": lambda path: change(path / "sets.json", elements={"names": None, "kinds": [{"dtype": "../x"}]}),
    "a missing file": lambda path: (path / "elements.0.npy").unlink(),
    "half a file": lambda path: (path / "elements.0.npy").write_bytes((path / "elements.0.npy").read_bytes()[:200]),
    "an unreadable header": lambda path: flip(path / "elements.0.npy", 6, 2),
    "objects": lambda path: np.save(path / "elements.0.npy", np.array([print] * N, dtype=object), allow_pickle=True),
    "another dtype": lambda path: np.save(path / "elements.0.npy", np.zeros(N, dtype=np.float32)),
    "another length": lambda path: np.save(path / "elements.0.npy", np.zeros(N - 1)),
    "another byte order": lambda path: np.save(path / "elements.0.npy", np.zeros(N, dtype=">f8")),
    "bytes that are no booleans": lambda path: flip(path / "elements.2.npy", -1, 7),
    "negative places": lambda path: np.save(path / "places.npy", np.full(N, -1)),
    "codes without a category": lambda path: np.save(path / "elements.3.npy", np.full(N, 3, dtype=np.int8)),
    "codes without a text": lambda path: np.save(path / "elements.4.npy", np.full(N, 3, dtype=np.int8)),
    "ends beyond the texts": lambda path: np.save(path / "elements.4.ends.npy", np.array([1, 2, 100])),
    "falling offsets": lambda path: np.save(path / "offsets.npy", np.array([0, 5, 3, 0, 0, 0, 0, 0, 0, N])),
    "offsets beyond the end": lambda path: np.save(path / "offsets.npy", np.r_[0, np.full(9, N + 1)]),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_folder_is_an_error(name, tmp_path):
    SETS["columns"].save(tmp_path)
    assert_same(RaggedSets.open(tmp_path), SETS["columns"])
    DAMAGES[name](tmp_path)
    with pytest.raises(ValueError, match=r"holds no sets that RaggedSets\.save wrote, or is damaged: "):
        RaggedSets.open(tmp_path)


def test_another_number_of_elements_is_an_error(tmp_path):
    ARRAY.save(tmp_path)
    change(tmp_path / "sets.json", n_elements=len(ARRAY.elements) + 5)
    with pytest.raises(ValueError, match=rf"ends with {len(ARRAY.elements)}; expected n_elements, "):
        RaggedSets.open(tmp_path)


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no folder"):
        RaggedSets.open(tmp_path / "nothing")
