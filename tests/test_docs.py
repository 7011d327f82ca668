"""The documentation: its snippets run, it builds without a warning, no link is broken, and it works in a browser."""

import doctest
import functools
import http.server
import os
import subprocess
import sys
import threading
from html.parser import HTMLParser
from importlib.machinery import PathFinder
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "examples" / "docs"
PAGES = sorted([DOCS / "index.rst", *DOCS.glob("guide/*.rst")])
# the last: commands that start several processes, which tests/training/test_processes.py does
PAGES_WITHOUT_SNIPPETS = [DOCS / "guide" / f"{name}.rst" for name in ("glossary", "index", "processes")]
EXAMPLES = sorted(ROOT.glob("examples/plot_*.py"))


@pytest.mark.parametrize("path", sorted(ROOT.glob("examples/**/*.py")), ids=lambda path: path.stem)
def test_no_script_hides_a_package(path):
    """The folder of a script comes first where the scripts beside it look for packages."""
    # other tests add examples/benchmarks to the path, where each script would find itself
    elsewhere = [folder for folder in sys.path if not Path(folder).is_relative_to(ROOT / "examples")]
    assert path.parent.name == "docs" or PathFinder.find_spec(path.stem, elsewhere) is None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_snippets_of_a_page_run(page):
    if page.stem == "saving":
        pytest.importorskip("onnxruntime")
        pytest.importorskip("onnxscript")
        pytest.importorskip("skops")
    result = doctest.testfile(
        str(page), module_relative=False, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    )
    assert result.failed == 0
    assert result.attempted > 0 or page in PAGES_WITHOUT_SNIPPETS


@pytest.mark.parametrize("script", EXAMPLES, ids=lambda script: script.stem)
def test_an_example_is_python_with_its_picture(script):
    compile(script.read_text(), script.name, "exec")
    assert script.with_suffix(".png").stat().st_size > 5_000


def test_the_guide_names_each_example():
    text = "".join(page.read_text() for page in PAGES)
    assert [script.stem for script in EXAMPLES[1:] if f"/gallery/{script.stem}" not in text] == []


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, built as the README says, but without running the examples."""
    pytest.importorskip("sphinx_gallery", reason='needs pip install ".[docs]"')
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-E", "-D", "plot_gallery=0"]
    build = subprocess.run([*command, str(DOCS), str(folder)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert build.returncode == 0, build.stderr
    return folder


class Page(HTMLParser):
    """The targets of links and pictures of a page, and its anchors."""

    def __init__(self, path):
        super().__init__()
        self.targets, self.anchors, self.pictures = set(), set(), 0
        self.feed(path.read_text())

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.anchors |= {attrs.get("id"), attrs.get("name")}
        self.pictures += tag == "img"
        self.targets |= {attrs[name] for name in ("href", "src") if attrs.get(name)}


def test_no_link_of_the_site_is_broken(site):
    pages = {path: Page(path) for path in site.rglob("*.html") if "_static" not in path.parts}
    assert len(pages) > 30
    assert sum(page.pictures for page in pages.values()) > 15
    broken = []
    for path, page in pages.items():
        for target in page.targets:
            url = urlsplit(target)
            if url.scheme or url.netloc:
                continue
            aim = (path.parent / unquote(url.path)).resolve() if url.path else path
            if not aim.exists() or (url.fragment and aim in pages and unquote(url.fragment) not in pages[aim].anchors):
                broken.append(f"{path.relative_to(site)}: {target}")
    assert not broken


def test_every_public_name_has_a_page(site):
    import sk_deepsets
    import sk_deepsets.datasets
    import sk_deepsets.inspection
    import sk_deepsets.io

    for module in (sk_deepsets, sk_deepsets.datasets, sk_deepsets.inspection, sk_deepsets.io):
        for name in module.__all__:
            if not name.startswith("_"):
                assert (site / "api" / "generated" / f"{module.__name__}.{name}.html").exists(), name


@pytest.fixture(scope="module")
def browser():
    """Chromium without a window: the one of playwright, or the one that the variable CHROMIUM names."""
    sync_api = pytest.importorskip("playwright.sync_api", reason='needs pip install ".[docs]"')
    with sync_api.sync_playwright() as playwright:
        path = os.environ.get("CHROMIUM") or playwright.chromium.executable_path
        if not Path(path).exists():
            pytest.skip("no Chromium: playwright install chromium, or name one in the variable CHROMIUM")
        chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def address(site):
    """The site behind a web server."""
    handler = functools.partial(QuietHandler, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """Serves files without a line for each."""

    def log_message(self, *args):
        """Say nothing."""


def test_every_page_opens_in_a_browser_with_its_pictures(site, browser, address):
    page = browser.new_page()
    faults = []
    page.on("pageerror", lambda error: faults.append(f"{page.url}: {error}"))
    page.on("response", lambda answer: answer.status >= 400 and faults.append(f"{answer.url}: {answer.status}"))
    page.on("requestfailed", lambda request: faults.append(f"{request.url}: {request.failure}"))
    for path in sorted(site.rglob("*.html")):
        if "_static" in path.parts:
            continue
        page.goto(f"{address}/{path.relative_to(site)}")
        assert page.locator("h1").count() >= 1 or path.name in ("genindex.html", "search.html"), path
        empty = "images => images.filter(i => !(i.complete && i.naturalWidth > 1)).map(i => i.src)"
        page.wait_for_function("[...document.images].every(i => { i.loading = 'eager'; return i.complete })")
        assert page.eval_on_selector_all("img", empty) == [], path
    page.close()
    assert not faults


def test_search_finds_a_page(browser, address):
    page = browser.new_page()
    page.goto(f"{address}/search.html?q=critical_elements")
    page.wait_for_selector("#search-results li a")
    assert "critical_elements" in page.locator("#search-results").inner_text()
    page.close()


def test_the_copy_button_copies_the_code_without_prompts(browser, address):
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(f"{address}/index.html")
    page.locator("div.highlight").first.hover()
    page.locator("button.copybtn").first.click()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("import numpy as np")
    assert ">>>" not in copied
    context.close()
