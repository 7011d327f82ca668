"""from_parquet: what from_frame makes of the whole table, from files that are read some rows at a time."""

import numpy as np
import pandas as pd
import pytest

from sk_deepsets import RaggedSets
from sk_deepsets.sets import _mapped, _parquet, _parquet_table, _regrouping
from sk_deepsets.sets._mapped import is_mapped
from tests.sets.test_storage import assert_same

pytest.importorskip("pyarrow")

N = 120
RNG = np.random.default_rng(0)
FRAME = pd.DataFrame(
    {
        "id": RNG.integers(0, 20, N),
        "x": RNG.normal(size=N),
        "y": np.where(RNG.random(N) < 0.1, np.nan, RNG.normal(size=N)),
        "n": RNG.integers(0, 9, N),
        "small": RNG.normal(size=N).astype(np.float32),
        "flag": RNG.random(N) < 0.5,
        "kind": pd.Categorical(RNG.choice(["b", "a", None], N), categories=["d", "b", "a"], ordered=True),
        "text": RNG.choice(["ä", "b", None], N),
        "name": "",
        "day": pd.Timestamp("2024-01-01"),
        "when": pd.Timestamp("2024-01-01") + pd.to_timedelta(RNG.integers(0, 20 * 24, N), unit="h"),
    }
)
FRAME["name"] = FRAME["id"].astype(str)
FRAME["day"] += pd.to_timedelta(FRAME["id"], unit="D")
CATEGORIES = FRAME.assign(text=FRAME["text"].astype("category"))


@pytest.fixture(autouse=True)
def _few_rows_at_once(monkeypatch):
    monkeypatch.setattr(_parquet_table, "VALUES_AT_ONCE", 40)
    monkeypatch.setattr(_mapped, "VALUES_AT_ONCE", 40)
    monkeypatch.setattr(_parquet, "MOST_PARTS", 3)
    monkeypatch.setattr(_regrouping, "VALUES_OF_A_BUCKET", 50)


def write(frame, path, n_files=3, rows=17):
    """Files whose groups of rows end within sets."""
    path.mkdir()
    for number, part in enumerate(np.array_split(np.arange(len(frame)), n_files)):
        frame.iloc[part].reset_index(drop=True).to_parquet(path / f"{number}.parquet", row_group_size=rows)
    return path


CASES = {
    "numbers of one dtype": {"by": "id", "columns": ["x", "y"]},
    "numbers of several dtypes": {"by": "id", "columns": ["small", "n", "flag", "x"]},
    "categories": {"by": "id", "columns": ["kind", "text", "x"]},
    "several ids": {"by": ["name", "flag"], "columns": ["small"]},
    "categories as ids": {
        "by": "text",
        "columns": ["n"],
        "frame": FRAME.dropna(subset="text").astype({"text": "category"}),
    },
    "days as ids": {"by": "day", "columns": "x", "context": ["name", "id"]},
    "ids": {"by": "id", "columns": ["x"], "ids": [99, *range(19, -1, -1)]},
    "a table of context": {
        "by": "id",
        "columns": ["x"],
        "context": pd.DataFrame({"age": range(50)}, index=range(49, -1, -1)),
    },
    "no rows": {"by": "id", "frame": FRAME[["id", "x", "flag"]][:0]},
    "a cutoff for each id": {
        "by": "id",
        "columns": ["x", "when"],
        "before": pd.Series(pd.Timestamp("2024-01-01") + pd.to_timedelta(range(25), unit="D"), index=range(24, -1, -1)),
        "time": "when",
        "within": "5D",
    },
    "one cutoff": {"by": ["name", "flag"], "columns": ["kind", "n"], "before": "2024-01-09 11:00", "time": "when"},
    "cutoffs in the rows": {"by": "id", "columns": ["x"], "before": "day", "time": "when", "context": ["name"]},
    "cutoffs in the context": {
        "by": "id",
        "columns": ["when"],
        "context": pd.DataFrame({"age": range(20), "until": pd.Timestamp("2024-01-18")}, index=range(19, -1, -1)),
        "before": "until",
        "time": "when",
        "within": pd.DateOffset(days=9),
    },
    "numbers as times": {"by": "id", "columns": ["x", "y"], "before": 0.5, "time": "x", "within": 1.0},
    "cutoffs without rows": {
        "by": "id",
        "frame": FRAME[["id", "x", "when"]][:0],
        "columns": ["x", "when"],
        "before": "2024-01-02",
        "time": "when",
        "within": "1D",
    },
    "cutoffs after all rows": {"by": "id", "columns": ["x", "when"], "before": "2025-01-01", "time": "when"},
}


@pytest.mark.parametrize(
    ("name", "order"),
    [
        *((name, "unsorted") for name in CASES),
        *((name, "sorted") for name in ("numbers of one dtype", "categories", "one cutoff", "cutoffs after all rows")),
    ],
)
def test_sets_are_those_of_from_frame(name, order, tmp_path):
    options = dict(CASES[name])
    frame = options.pop("frame", CATEGORIES)
    if order == "sorted":
        frame = frame.sort_values(options["by"], kind="stable")
    frame = frame.reset_index(drop=True)
    wanted = RaggedSets.from_frame(frame, **options)
    path = write(frame, tmp_path / "table")
    for folder in (None, tmp_path / "sets"):
        sets = RaggedSets.from_parquet(path, **options, folder=folder)
        assert_same(sets, wanted)
        assert is_mapped(sets.elements) is (folder is not None)
        # the numbers of rows that are in order take no memory
        assert isinstance(sets.rows, pd.RangeIndex) is bool((np.diff(wanted.rows) == 1).all())


def test_what_parquet_has_no_numbers_for(tmp_path):
    frame = pd.DataFrame({"id": [2, 1, 2], "n": pd.array([1, None, 3], "Int64"), "yes": [True, None, False]})
    frame["text"] = ["b", None, "a"]
    sets = RaggedSets.from_parquet(write(frame, tmp_path / "table", rows=1), by="id")
    wanted = frame.assign(n=[1.0, np.nan, 3.0], yes=[1.0, np.nan, 0.0], text=frame["text"].astype("category"))
    assert_same(sets, RaggedSets.from_frame(wanted, by="id"))


def test_an_index_and_partitions(tmp_path):
    frame = FRAME[["id", "x"]].assign(year=RNG.choice([2023, 2024], N)).set_index("id")
    for year, part in frame.groupby("year"):
        (tmp_path / f"year={year}").mkdir()
        part[["x"]].to_parquet(tmp_path / f"year={year}" / "part.parquet")
    sets = RaggedSets.from_parquet(tmp_path, by="id")
    whole = pd.read_parquet(tmp_path)
    assert_same(sets, RaggedSets.from_frame(whole.reset_index(), by="id"))
    assert_same(RaggedSets.from_parquet(str(tmp_path / "**" / "*.parquet"), by="id"), sets)


FAULTS = {
    "an id is missing": (
        {"id": None},
        {},
        ValueError,
        r"Row 90 has no 'id', .* \(so in 1 of the 17 rows from 80 on\)",
    ),
    "an id is unknown": ({}, {"ids": [0, 1]}, ValueError, r"sets that are not in ids: 2, .* \(sets: 18, rows: 1\d\d\)"),
    "a context differs": ({"n": -1}, {"context": ["n"]}, ValueError, "'n' has different values within the set"),
    "a time is missing": (
        {"when": None},
        {"before": "2024-02-01", "time": "when"},
        ValueError,
        r"Row 90 has no 'when'",
    ),
    "an id without a cutoff": (
        {},
        {"before": pd.Series(0.0, index=range(18)), "time": "x"},
        ValueError,
        r"sets that are not in before: 18, 19 \(sets: 2, rows: \d+\)",
    ),
    "a cutoff is missing": (
        {},
        {"before": pd.Series([np.nan] + 19 * [1.0]), "time": "x"},
        ValueError,
        r"no cutoff for the set 0 \(so for 1 of 20",
    ),
    "cutoffs of another kind": ({}, {"before": 3, "time": "when"}, ValueError, "Expected times .* in before"),
    "several cutoffs of an id": (
        {},
        {"before": FRAME[["id", "day"]], "time": "when"},
        TypeError,
        "before is a DataFrame, .* expected one cutoff for each id",
    ),
    "cutoffs without times": ({}, {"before": 3}, ValueError, "before needs the time of each row"),
    "a time without cutoffs": ({}, {"time": "when"}, ValueError, "pass the cutoffs as before"),
    "a column of days": ({}, {"columns": ["x", "day"]}, TypeError, "'day' has the type timestamp.*; expected numbers"),
    "a column that is not there": ({}, {"columns": ["z"]}, KeyError, r"columns names \['z'\], but the frame has"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_an_error_is_that_of_from_frame_and_leaves_no_folder(name, tmp_path):
    changes, options, error, message = FAULTS[name]
    frame = FRAME.assign(n=FRAME["id"])
    for column, value in changes.items():
        frame.loc[90, column] = value
    path = write(frame, tmp_path / "table")
    with pytest.raises(error, match=message):
        RaggedSets.from_parquet(path, **{"by": "id", "columns": ["x"], "folder": tmp_path / "sets"} | options)
    assert [entry.name for entry in tmp_path.iterdir()] == ["table"]


def test_no_files_are_an_error(tmp_path):
    for path in (tmp_path / "nothing", tmp_path / "*.parquet"):
        with pytest.raises(FileNotFoundError, match="There is no file or folder"):
            RaggedSets.from_parquet(path, by="id")
