"""Refusing JSON bodies with duplicate keys. Imports `errors`.

Of two equal keys some parsers use the last and others the first, so that a proxy may read a different request than the
service. In JSON every key has exactly one colon outside of strings, so the colons are counted.
"""

import re

from gaia_redshift.errors import Detail, InvalidRequestError

STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
"""A JSON string, with its quotes if it is closed."""


def refuse_duplicate_keys(body: bytes, keys: int) -> None:
    """Raise InvalidRequestError if a body has more keys than were parsed from it."""
    if body.count(b":") > keys and STRING.sub(b"", body).count(b":") > keys:
        raise InvalidRequestError("the body has a duplicate key", [Detail("body", "each key may be given once")])


def count_keys(value: object) -> int:
    """Return the number of keys in nested objects and lists."""
    count, waiting = 0, [value]
    while waiting:
        value = waiting.pop()
        if type(value) is dict:
            count += len(value)
            waiting += value.values()
        elif type(value) is list:
            waiting += [element for element in value if type(element) in {dict, list}]
    return count
