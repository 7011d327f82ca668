"""Settings of the documentation: ``python -m sphinx -W examples/docs build/docs`` builds it."""

import re
import warnings
from importlib.metadata import version as installed
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[1]

project = "sk_deepsets"
author = copyright = "The sk_deepsets developers"
version = release = installed("sk-deepsets")

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
templates_path = ["_templates"]
exclude_patterns = ["gallery/*.py", "gallery/*.ipynb"]
html_theme = "pydata_sphinx_theme"
html_title = "sk_deepsets"
html_theme_options = {
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "show_prev_next": True,
    "navbar_end": ["theme-switcher"],
}
html_sidebars = {"changelog": [], "contributing": []}
html_show_sourcelink = False
html_copy_source = False

autosummary_generate = True
toc_object_entries_show_parents = "hide"
autodoc_typehints = "none"  # numpydoc's sections say the types
numpydoc_show_class_members = False
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

# the fits of the examples are short, and the warning would show where this was built
warnings.filterwarnings("ignore", "The validation loss was still falling")

sphinx_gallery_conf = {
    "examples_dirs": str(EXAMPLES),
    "gallery_dirs": "gallery",
    "filename_pattern": r"/plot_",
    "ignore_pattern": r"/(benchmarks|docs)/",
    "nested_sections": False,
    "within_subsection_order": "FileNameSortKey",
    "remove_config_comments": True,
    "show_memory": False,
    "write_computation_times": False,
    "download_all_examples": False,
    "first_notebook_cell": '# pip install -e ".[examples]" in the folder of sk_deepsets',
}


def show_saved_picture(app, docname, source):
    """Without running the examples (``-D plot_gallery=0``), show the pictures that lie beside them."""
    name = docname.removeprefix("gallery/")
    if str(app.config.plot_gallery) == "0" and name.startswith("plot_"):
        head, code, rest = source[0].partition(".. GENERATED FROM PYTHON SOURCE LINES")
        source[0] = f"{head}.. image:: /../{name}.png\n   :alt: What the script draws\n\n{code}{rest}"


def drop_foreign_references(app, what, name, obj, options, lines):
    """Keep the words of references and formulas of scikit-learn, which docstrings inherit, as text."""
    lines[:] = [re.sub(r":(?:ref|math):`([^`<]+?)\s*(<[^`]*>)?`", r"\1", line) for line in lines]


def setup(app):
    """Connect the hooks."""
    app.connect("source-read", show_saved_picture)
    app.connect("autodoc-process-docstring", drop_foreign_references)
