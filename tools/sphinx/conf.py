"""How Sphinx builds the site; `tools/website.py` copies this beside the pages."""

import importlib.metadata
import re

project, author = "wmlearn", "The wmlearn authors"
release = importlib.metadata.version("wmlearn")
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
extensions += ["sphinx-mathjax-offline"]  # or formulas would come from another server
exclude_patterns = ["contents.md", "docs/results/*.md"]
nb_execution_mode = "off"
nb_merge_streams = True
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 3
autodoc_typehints = "none"
autodoc_preserve_defaults = True  # as written, not as they are on this machine
html_theme = "sphinx_book_theme"
html_title = "wmlearn"
html_static_path = ["_static"]
html_css_files, html_js_files = ["site.css"], ["site.js"]
html_copy_source = False
html_favicon = "_static/icon.svg"
html_context = {"default_mode": "auto"}
html_theme_options = {"use_download_button": False, "show_navbar_depth": 1}
suppress_warnings = ["myst.xref_missing", "mystnb.unknown_mime_type", "misc.highlighting_failure"]
napoleon_custom_sections = [("Source", "notes")]
napoleon_use_ivar = True


def describe(app, what, name, obj, options, lines):  # as Sphinx calls it
    """Turn `name : what it is` into numpydoc's form, in which what follows a colon is a type."""
    for place, line in enumerate(lines):
        if found := re.fullmatch(r"([\w, *]+) : (.*)", line):
            lines[place] = f"{found[1]}\n    {found[2]}"
    lines[:] = "\n".join(lines).split("\n")


def setup(app):
    """Read docstrings our way before napoleon does."""
    app.connect("autodoc-process-docstring", describe, priority=1)
