"""Every Python block of the README runs, as a reader would paste it, and what its comments say is what comes out."""

import ast
import re
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"
TEXT = README.read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)


def run(block, names):
    """Run a block, and compare the value of each expression with the comment behind it."""
    lines = block.splitlines()
    for node in ast.parse(block).body:
        code = ast.get_source_segment(block, node)
        if not isinstance(node, ast.Expr):
            exec(code, names)
            continue
        value, comment = eval(code, names), lines[node.end_lineno - 1][node.end_col_offset :].strip()
        if comment:
            assert repr(value) == comment.removeprefix("# "), f"{code} is {value!r}"


def test_a_false_comment_is_found():
    run("a = 1\na + 1  # 2", {})
    with pytest.raises(AssertionError, match="is 2"):
        run("a = 1\na + 1  # 3", {})


def test_the_snippets_run_in_order_and_the_table_has_their_score(tmp_path, monkeypatch):
    assert len(BLOCKS) >= 3
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in BLOCKS:
        run(block, names)
    in_table = re.search(r"is there a 9\?.*?\*\*(\.\d+)\*\*", TEXT).group(1)
    assert float(in_table) == pytest.approx(names["clf"].score(names["test_bags"], names["test_y"]), abs=0.04)


def test_the_gallery_asks_the_question_of_the_first_snippet():
    # everything but the imports and the two expressions that show what comes out
    script = ast.parse((README.parent / "examples" / "plot_01_quickstart.py").read_text())
    statements = {ast.unparse(node) for node in script.body}
    shown = [ast.unparse(node) for node in ast.parse(BLOCKS[0]).body if isinstance(node, ast.Assign)]
    assert len(shown) >= 3
    assert [statement for statement in shown if statement not in statements] == []


def test_it_is_a_shop_window():
    assert len(TEXT.split()) <= 1000


def test_its_links_lead_somewhere():
    targets = re.findall(r"\]\(([^)#]+)", TEXT)
    assert targets
    for target in targets:
        assert target.startswith("https://") or (README.parent / target).exists(), target
