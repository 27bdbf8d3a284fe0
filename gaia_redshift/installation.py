"""How to install what is missing, from wherever this library was installed. Imports nothing of the project."""

import shlex
import sys
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit

import orjson


def how_to_install(extra: str) -> str:
    """Return what adds an extra to this installation: a command that can be run from any folder, wherever there is pip.

    A checkout, or a wheel from a disk, is named by its path: the package index may hold nothing of this name.
    """
    wanted = shlex.quote(f"{_source()}[{extra}]")
    if find_spec("pip") is None:
        return f"add {wanted} to {sys.prefix}, which has no pip, or take the container image that holds it"
    return f"{shlex.quote(sys.executable)} -m pip install {'-e ' if _is_editable() else ''}{wanted}"


def checkout() -> str:
    """Return the folder that this library was installed from, where that is still there; else what to look for."""
    return _source() if Path(_source()).is_dir() else "a checkout of gaia-redshift"


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
    path = unquote(url.path) if url.scheme == "file" else ""
    return path if path and Path(path).exists() else "gaia-redshift"
