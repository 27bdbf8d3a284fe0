"""The docstrings of the library's face are complete, by numpydoc's own rules."""

import inspect
from typing import Any

import pytest
from numpydoc.validate import validate

import gaia_redshift

NOT_ASKED = {
    "ES01",  # an extended summary: where one line says it, one line is enough
    "SA01",  # See Also
    "EX01",  # examples are in the how-to pages, whose code is run
    "GL01",  # the summary begins behind the quotes, as everywhere in this project
    "GL02",  # and the closing quotes follow a single line
    "GL08",  # what has no docstring is ruff's concern
    "RT03",  # a returned type that says it all needs no description
    "PR04",  # types are in the signature, where mypy checks them
    "PR07",  # nor does a parameter whose name does
    "RT01",  # nor one line that begins with Return
}


def face() -> list[str]:
    """Return the public names, and the public methods of classes, as numpydoc wants them."""
    places = []
    for name in gaia_redshift.__all__:
        thing: Any = getattr(gaia_redshift, name)
        if not callable(thing):
            continue
        place = f"{thing.__module__}.{thing.__qualname__}"
        methods = inspect.getmembers(thing, inspect.isfunction) if inspect.isclass(thing) else []
        places += [place, *(f"{place}.{each}" for each, _ in methods if not each.startswith("_"))]
    return places


@pytest.mark.parametrize("name", face())
def test_docstrings_of_the_face_are_complete(name: str) -> None:
    problems = {code: message for code, message in validate(name)["errors"] if code not in NOT_ASKED}
    assert problems == {}
