"""The ranks of the folders: a file imports from folders of a lower rank, or from its own."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "sk_deepsets"
RANKS = {
    "sets": 1,
    "nn": 1,
    "preprocessing": 2,
    "datasets": 2,
    "training": 3,
    "targets": 4,
    "estimators": 5,
} | dict.fromkeys(["inspection", "io"], 6)
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE)


def imported_modules(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} has a relative import"
            yield node.module


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_file_imports_from_lower_ranks_only(path):
    folder = path.parent.name
    used = {name.split(".")[1] for name in imported_modules(path) if name.startswith("sk_deepsets.")}
    wrong = {other for other in used if other != folder and RANKS[other] >= RANKS[folder]}
    assert not wrong, f"{folder} (rank {RANKS[folder]}) imports from {wrong}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_of_other_folders_a_file_imports_what_they_export(path):
    others = [name.split(".")[1:] for name in imported_modules(path) if name.startswith("sk_deepsets.")]
    assert not [parts for parts in others if parts[0] != path.parent.name and len(parts) > 1]


def test_only_training_imports_skorch():
    users = {path.parent.name for path in FILES if any(m.split(".")[0] == "skorch" for m in imported_modules(path))}
    assert users == {"training"}


def test_sets_do_without_torch_and_nn_without_pandas():
    roots = {
        folder: {m.split(".")[0] for path in FILES if path.parent.name == folder for m in imported_modules(path)}
        for folder in ("sets", "nn")
    }
    assert not roots["sets"] & {"torch", "sklearn", "skorch"}
    assert not roots["nn"] & {"numpy", "pandas", "sklearn", "skorch"}


def test_optional_packages_are_imported_where_they_are_used():
    optional = {
        "matplotlib",
        "pyarrow",
        "polars",
        "awkward",
        "nested_pandas",
        "dask",
        "accelerate",
        "onnx",
        "safetensors",
    }
    for path in PACKAGE.rglob("*.py"):
        top = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.Import | ast.ImportFrom)]
        names = {alias.name for node in top if isinstance(node, ast.Import) for alias in node.names}
        names |= {node.module for node in top if isinstance(node, ast.ImportFrom)}
        assert not {name.split(".")[0] for name in names} & optional
