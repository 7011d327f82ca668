"""Every Python block of the README runs, one after the other, as a reader would paste them."""

import re
from pathlib import Path

import matplotlib as mpl
import pytest

README = Path(__file__).parents[1] / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(), flags=re.DOTALL)


def test_the_readme_has_snippets():
    assert len(BLOCKS) >= 5


@pytest.fixture
def _no_window(tmp_path, monkeypatch):
    mpl.use("Agg")
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("_no_window")
def test_the_snippets_run_in_order():
    names = {}
    for number, block in enumerate(BLOCKS):
        exec(compile(block, f"README block {number}", "exec"), names)
    assert names["clf"].score(names["test_bags"], names["test_y"]) > 0.9
