"""Checks of arrays of numbers in a request, as strict as for JSON. Imports `spectra` and `errors`."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from gaia_redshift.errors import MAX_DETAILS, Detail, InvalidRequestError


def refuse_not_finite(columns: Mapping[str, NDArray[np.generic]], first_row: int = 0) -> None:
    """Raise InvalidRequestError with the positions of NaN and infinite numbers, column by column."""
    details = []
    count = 0
    for name, values in columns.items():
        if np.isfinite(values).all():
            continue
        places = np.argwhere(~np.isfinite(values))
        count += len(places)
        details += [
            Detail(f"spectra[{first_row + row}].{name}[{n}]", "Input should be a finite number")
            for row, n in places[:MAX_DETAILS]
        ]
    if count:
        raise broken(count, details)


def broken(count: int, details: list[Detail]) -> InvalidRequestError:
    """Return the error for a request that does not fit the schema in `count` places."""
    return InvalidRequestError(
        f"the request does not match the schema in {'1 place' if count == 1 else f'{count} places'}", details
    )


def too_many(count: int, most: int) -> InvalidRequestError:
    """Return the error for a request with more than `most` spectra."""
    return InvalidRequestError(
        f"{count} spectra in one request: at most {most}; send several, or a table",
        [Detail("spectra", f"at most {most} items")],
    )
