"""Sphinx's configuration of the guide; `build.py` runs it."""

from importlib import metadata
from importlib.util import find_spec
from typing import Any

project = "gaia-redshift"
author = "the gaia-redshift founders"
copyright = "the gaia-redshift founders, BSD-3-Clause"  # noqa: A001 - Sphinx's name for it
release = metadata.version("gaia-redshift")

extensions = ["myst_nb", "numpydoc", "sphinx.ext.autodoc", "sphinx_design"]

smartquotes = False  # options begin with two hyphens
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4

nb_execution_mode = "force"
# Without the training packages, as in the image's build, the training notebook is shown and not run.
_TRAINS = "notebooks/training"
_CANNOT_TRAIN = find_spec("tensorflow") is None
nb_execution_excludepatterns = [f"{_TRAINS}.md"] if _CANNOT_TRAIN else []
nb_execution_timeout = 3600  # per cell: enough for a busy machine
nb_execution_raise_on_error = True
nb_merge_streams = True

numpydoc_show_class_members = False
autodoc_typehints = "none"  # numpydoc's sections say what is passed and returned

html_theme = "furo"
html_title = f"gaia-redshift {release}"
html_static_path = ["static"]
html_favicon = "static/spectrum.svg"
html_css_files = ["guide.css"]
html_show_sphinx = False
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {"navigation_with_keys": True}


def setup(app: Any) -> None:
    """Add a note to a notebook that was not run."""
    app.connect("source-read", _say_not_run)


def _say_not_run(_app: object, page: str, source: list[str]) -> None:
    if page == _TRAINS and _CANNOT_TRAIN:
        before, cell, after = source[0].partition("\n```{code-cell}")
        note = "\n```{note}\nThis copy of the guide was built without TensorFlow, so this page shows no output.\n```\n"
        source[0] = before + note + cell + after
