"""How to install what is missing, from wherever this library was installed. Imports nothing of the project."""

import shlex
import sys
from importlib.metadata import PackageNotFoundError, distribution
from urllib.parse import unquote, urlsplit

import orjson


def how_to_install(extra: str) -> str:
    """Return the command that adds an extra to this installation, to be run from any folder.

    A checkout, or a wheel from a disk, is named by its path: the package index may hold nothing of this name.
    """
    return f"{_pip()} {shlex.quote(f'{_source()}[{extra}]')}"


def _pip() -> str:
    """Return pip of this very interpreter; plain pip where an activated environment makes that the same."""
    return f"{shlex.quote(sys.executable)} -m pip install{' -e' if _is_editable() else ''}"


def _direct_url() -> dict[str, object]:
    try:
        text = distribution("gaia-redshift").read_text("direct_url.json")
    except PackageNotFoundError:
        text = None
    found: dict[str, object] = orjson.loads(text) if text else {}
    return found


def _is_editable() -> bool:
    about = _direct_url().get("dir_info")
    return isinstance(about, dict) and bool(about.get("editable"))


def _source() -> str:
    url = urlsplit(str(_direct_url().get("url", "")))
    return unquote(url.path) if url.scheme == "file" else "gaia-redshift"
