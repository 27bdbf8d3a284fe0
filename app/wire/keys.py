"""Keys that a JSON body gives twice. Imports `errors`.

Of two equal keys a parser takes the last, and another the first: whoever stands before the service may have read
another request than it does. In JSON a colon outside of a text comes with a key and with nothing else, so they are
counted.
"""

import re

from gaia_redshift.errors import Detail, InvalidRequestError

STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
"""A text, with its quotes if it is closed."""


def refuse_duplicate_keys(body: bytes, keys: int) -> None:
    """Raise InvalidRequestError if a body has more keys than these, which were read from it."""
    if body.count(b":") > keys and STRING.sub(b"", body).count(b":") > keys:
        raise InvalidRequestError("the body gives a key twice", [Detail("body", "each key may be given once")])


def count_keys(value: object) -> int:
    """Return how many keys there are in objects and lists of any depth."""
    count, waiting = 0, [value]
    while waiting:
        value = waiting.pop()
        if type(value) is dict:
            count += len(value)
            waiting += value.values()
        elif type(value) is list:
            waiting += [element for element in value if type(element) in {dict, list}]
    return count
