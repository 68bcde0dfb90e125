"""The site: the pages beside this file, and a reference out of the docstrings. ``nox -s docs`` builds it."""

from __future__ import annotations

from importlib.metadata import version as installed

project = "aiostore"
version = release = installed("aiostore")
copyright = "the authors of aiostore"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.intersphinx"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"aiostore {version}"

myst_heading_anchors = 3

autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "show-inheritance": True}
napoleon_numpy_docstring = False

# Names of the standard library are not looked up: the site is built without a network.
intersphinx_mapping: dict[str, tuple[str, str | None]] = {}
