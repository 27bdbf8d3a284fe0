"""The docstrings of the library are complete, by numpydoc's own rules."""

import inspect
import pkgutil
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
from numpydoc.validate import validate

import gaia_redshift
from gaia_redshift.client import predictions
from gaia_redshift.client.failures import JobError, ServiceError
from gaia_redshift.client.job import Job
from gaia_redshift.client.job_async import AsyncJob
from gaia_redshift.interpretation.prior import PriorTable
from gaia_redshift.spectra import SpectrumBatch

RETURNED = (AsyncJob, Job, JobError, PriorTable, ServiceError, SpectrumBatch, predictions.Predictions)
"""What the public functions return, raise or take."""

NOT_ASKED = {
    "ES01",  # an extended summary: one line may be enough
    "SA01",  # See Also
    "EX01",  # examples are in the how-to pages, whose code is run
    "GL01",  # the summary begins right after the quotes, as everywhere in this project
    "GL02",  # and the closing quotes follow a single line
    "GL08",  # missing docstrings are checked by ruff
    "RT03",  # a returned type may need no description
    "PR04",  # types are in the signature, where mypy checks them
    "PR07",  # nor may a parameter
    "RT01",  # nor one line that begins with Return
    "YD01",  # or with Yield
}


def problems_of(name: str) -> dict[str, str]:
    """Return numpydoc's complaints about a docstring, without those of `NOT_ASKED`."""
    return {code: message for code, message in validate(name)["errors"] if code not in NOT_ASKED}


def public_names() -> list[str]:
    """Return the public names, and the public methods of classes, as numpydoc wants them."""
    places = []
    for thing in (*(getattr(gaia_redshift, name) for name in gaia_redshift.__all__), *RETURNED):
        if not callable(thing):
            continue
        place = f"{thing.__module__}.{thing.__qualname__}"
        methods = inspect.getmembers(thing, inspect.isfunction) if inspect.isclass(thing) else []
        own = [each for each, method in methods if method.__module__.startswith("gaia_redshift")]
        made_by_users = [place] if thing not in RETURNED else []  # the others describe attributes, not arguments
        places += [*made_by_users, *(f"{place}.{each}" for each in own if not each.startswith("_"))]
    return places


def everything() -> Iterator[tuple[str, Any]]:
    """Yield all public functions and classes of the library, and their names for numpydoc."""
    for module in pkgutil.walk_packages(gaia_redshift.__path__, "gaia_redshift."):
        if not module.name.endswith("__main__"):
            for name, thing in vars(import_module(module.name)).items():
                if not name.startswith("_") and getattr(thing, "__module__", None) == module.name and callable(thing):
                    yield f"{module.name}.{name}", thing


@pytest.mark.parametrize("name", public_names())
def test_docstrings_of_the_public_api_are_complete(name: str) -> None:
    assert problems_of(name) == {}


def test_every_section_of_a_docstring_is_complete() -> None:
    """A docstring of one line needs no sections; a section that exists must be complete and correct."""
    wrong = {}
    for name, thing in everything():
        one_line = "Parameters\n" not in (inspect.getdoc(thing) or "")
        problems = {code: text for code, text in problems_of(name).items() if not (code == "PR01" and one_line)}
        if problems:
            wrong[name] = problems
    assert wrong == {}
