"""How Sphinx builds the site, by `make docs` in the repository root. It fetches nothing."""

from __future__ import annotations

import os
import re
import sys
from importlib.util import find_spec
from pathlib import Path

import matplotlib as mpl

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
os.environ.setdefault("MPLBACKEND", "Agg")
mpl.use("Agg")

import ellimix  # noqa: E402

project = "ellimix"
author = copyright = "The ellimix developers"  # noqa: A001
version = release = ellimix.__version__
language = "en"

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "gallery", "auto_gallery/*.md5", "auto_gallery/*.ipynb"]
templates_path = ["_templates"]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
default_role = "py:obj"  # `name` links to a name that is documented, and is code where it is not
trim_doctest_flags = True

# The pages in docs/*.md are read on GitHub, too, and run as doctests: nothing but plain Markdown,
# the door excepted.
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

# MathJax comes from a package, in one file, for pages that are read without a network.
_mathjax = Path(str(find_spec("sphinx-mathjax-offline").origin)).parent / "static" / "mathjax"
mathjax_path = "tex-svg.js"

html_theme = "pydata_sphinx_theme"
html_title = "ellimix"
html_static_path = ["_static", str(_mathjax / "tex-svg.js")]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_sidebars = {"index": [], "changelog": [], "coming_from": []}
html_theme_options = {
    "logo": {"text": "ellimix"},
    "navigation_with_keys": False,
    "show_prev_next": True,
    "header_links_before_dropdown": 6,
    "navbar_end": ["theme-switcher"],
    "secondary_sidebar_items": {"*": ["page-toc"], "api/**": ["page-toc"]},  # not the gallery
    "footer_start": ["copyright"],
    "footer_end": [],
    "show_toc_level": 2,
}

autosummary_generate = True
autodoc_typehints = "none"  # numpydoc's text says more
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

# Every page of the gallery runs in every build, and asserts the numbers that it speaks of.
sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "auto_gallery",
    "filename_pattern": r"/plot_",
    "ignore_pattern": r"/_",
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": False,
    "remove_config_comments": True,
    "download_all_examples": False,
    "plot_gallery": "True",
    "show_memory": False,
    "show_signature": False,
    "min_reported_time": 0,
    "write_computation_times": False,
    "reset_modules": ("matplotlib", "gallery_style.reset"),
    "image_scrapers": ("matplotlib",),
    "matplotlib_animations": False,
    "copyfile_regex": r".*\.rst",
}


def skip_inherited(app, what, name, obj, skip, options):  # noqa: ARG001
    """Leave out what scikit-learn's base classes document themselves."""
    home = getattr(obj, "__module__", None) or ""
    request = name.startswith("set_") and name.endswith("_request")
    return True if request or home.startswith("sklearn.") else None


def for_the_site(app, name, source):  # noqa: ARG001
    """Turn a page as it is read on GitHub into one of the site.

    The empty line goes that doctest wants at the end of a block, and links to the gallery's
    sources become links to its pages.
    """
    source[0] = source[0].replace("\n\n```\n", "\n```\n")
    source[0] = re.sub(r"\]\(gallery/(plot_\w+)\.py\)", r"](auto_gallery/\1.rst)", source[0])


def setup(app):
    """Connect to Sphinx."""
    app.connect("source-read", for_the_site)
    app.connect("autodoc-skip-member", skip_inherited)
