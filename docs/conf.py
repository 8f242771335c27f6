"""Sphinx configuration. Build: ``sphinx-build -W --keep-going -b html docs docs/_build``.

Nothing is fetched, neither while building nor while reading: formulas become MathML
(``_ext/mathml.py``), plots and tables are made from the records (``_ext/records.py``).
"""

import sys
from pathlib import Path

import backpass

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "backpass"
author = "The backpass developers"
copyright = author
version = release = backpass.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "myst_parser",
    "architecture",
    "coverage",
    "mathml",
    "paths_picture",
    "records",
    "traces",
]
exclude_patterns = ["_build", "_templates"]
templates_path = ["_templates"]
default_role = "code"
nitpicky = False

myst_enable_extensions = ["attrs_inline", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

autosummary_generate = True
autodoc_typehints = "none"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
numpydoc_show_class_members = False
numpydoc_use_plots = False
math_number_all = False
html_math_renderer = "mathml"

html_theme = "pydata_sphinx_theme"
html_title = "backpass"
html_static_path = ["_static"]
html_css_files = ["backpass.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "header_links_before_dropdown": 6,
    "navbar_align": "left",
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version"],
    "secondary_sidebar_items": ["page-toc"],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}


def skip_member(app, what, name, obj, skip, options):
    """Leave out the methods that are scikit-learn's own: their texts link to its pages."""
    written = name.startswith("set_") and name.endswith("_request")
    theirs = str(getattr(obj, "__module__", None)).startswith("sklearn.")
    return True if written or theirs else None


def setup(app):
    app.connect("autodoc-skip-member", skip_member)
