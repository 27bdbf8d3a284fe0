"""Advice on installing optional parts, for however this library was installed. Imports nothing of the project."""

import shlex
import sys
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit

import orjson


def how_to_install(extra: str) -> str:
    """Return the command that adds an extra to this installation, from any folder; other advice if there is no pip.

    A checkout or a wheel file is named by its path, since the package index may not have the package.
    """
    wanted = shlex.quote(f"{_source()}[{extra}]")
    if find_spec("pip") is None:
        return f"add {wanted} to {sys.prefix}, which has no pip, or use the container image that has it"
    return f"{shlex.quote(sys.executable)} -m pip install {'-e ' if _is_editable() else ''}{wanted}"


def checkout() -> str:
    """Return the folder that this library was installed from if it still exists, else ``a checkout of ...``."""
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
