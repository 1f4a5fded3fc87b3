"""The site: `make docs` builds it, and executes the tutorials, without a network."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from badpix_selfcal import __version__

project = "badpix-selfcal"
author = "The badpix-selfcal developers"
copyright = f"2026, {author}"  # noqa: A001 - the name that Sphinx reads
version = release = __version__

sys.path.append(str(Path(__file__).parent / "_ext"))
extensions = [
    "from_program",
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_copybutton",
]
nitpicky = True
exclude_patterns = ["_build", "_ext", "_templates"]
templates_path = ["_templates"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
suppress_warnings = ["config.cache"]

# A name in single backquotes is a link. One without a dot may be that of an argument.
default_role = "py:obj"
nitpick_ignore_regex = [("py:obj", r"\w+")]
autodoc_typehints = "none"
numpydoc_show_class_members = False

# Notebooks run at each build: a tutorial that no longer works is an error.
# Shell cells find the command of this Python; `_ext/notebooks.py` is run first.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
ipython = Path(__file__).parent / "_build" / "ipython"
startup = ipython / "profile_default" / "startup"
startup.mkdir(parents=True, exist_ok=True)
shutil.copy(Path(__file__).parent / "_ext" / "notebooks.py", startup)
os.environ["IPYTHONDIR"] = str(ipython)
nb_execution_mode = "force"
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 240
nb_merge_streams = True

html_theme = "pydata_sphinx_theme"
html_title = "badpix-selfcal"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_baseurl = "https://badpix-selfcal.github.io/badpix-selfcal/"
html_show_sourcelink = False
html_theme_options = {
    "footer_start": ["copyright"],
    "footer_end": [],
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "show_prev_next": False,
}

# Links into the documentation of other packages need a network.
if os.environ.get("DOCS_ONLINE"):
    extensions.append("sphinx.ext.intersphinx")
    intersphinx_mapping = {
        "numpy": ("https://numpy.org/doc/stable/", None),
        "scipy": ("https://docs.scipy.org/doc/scipy/", None),
    }
else:
    nitpick_ignore_regex.append(("py:.*", r"(numpy|scipy)\..*"))
