"""Finding the column that identifies a table's spectra. Imports `spectra` and `errors`."""

import re
from collections.abc import Sequence

import pyarrow

from gaia_redshift.errors import Detail, InvalidTableError
from gaia_redshift.spectra import FLOAT_IDS
from gaia_redshift.tables.table import described

SOURCE_ID = "source_id"
SOURCE_ID_UCD = "meta.id;meta.main"
LARGEST_ID = 2**63 - 1
"""Gaia's identifiers are 64-bit integers with a sign."""

IDENTIFIERS = (
    SOURCE_ID, "sourceid", "gaia_source_id", "gaia_dr3_source_id", "dr3_source_id", "source_id_dr3", "designation",
    "gaia_designation", "objid", "obj_id", "object_id", "objectid", "id",
)  # fmt: skip
"""Names of identifier columns; the first that a table has is used. Case, a comment mark in front, and blanks or hyphens
instead of underscores do not matter."""


def source_id_field(description: str = "Gaia's identifier of the source") -> pyarrow.Field:
    """Return a column of Gaia's identifiers as Arrow describes it, with its UCD."""
    return described(SOURCE_ID, pyarrow.int64(), "", description, SOURCE_ID_UCD)


def find_identifier(names: Sequence[str]) -> int | None:
    """Return the position of the column that names the spectra; None where no column does.

    Raises
    ------
    InvalidTableError
        If there are two columns ``source_id``.
    """
    plain = [re.sub(r"[ -]", "_", name.strip().lower().lstrip("#!%").strip(" '\"")) for name in names]
    # The exact name has priority over one with a mark; any other name must be unique.
    exact = [place for place, name in enumerate(names) if name.strip().lower() == SOURCE_ID]
    if len(exact) > 1:
        raise InvalidTableError(f"duplicate column {SOURCE_ID}", [Detail(SOURCE_ID, "duplicate")])
    wanted = next((name for name in IDENTIFIERS if plain.count(name) == 1), None)
    return exact[0] if exact else None if wanted is None else plain.index(wanted)


def named_ids(names: Sequence[str], place: int | None) -> str:
    """Return the end of a sentence that says which column names the spectra; empty where none does."""
    return "" if place is None else f"; identifiers from {names[place].strip()[:80]}"


def identifier_column(schema: pyarrow.Schema) -> int | None:
    """Return the position of the column that names the spectra.

    None if there is none, or if a column other than ``source_id`` has a type that cannot hold identifiers.

    Raises
    ------
    InvalidTableError
        If there are two columns ``source_id``, or it is of floats or of another type than integers and text.
    """
    position = find_identifier(schema.names)
    if position is None:
        return None
    kind, types = schema.field(position).type, pyarrow.types
    if types.is_floating(kind):
        raise InvalidTableError(FLOAT_IDS, [Detail(schema.names[position][:80], "floats")])
    plain = kind.value_type if types.is_dictionary(kind) else kind
    if any(test(plain) for test in (types.is_integer, types.is_null, types.is_string, types.is_large_string)):
        return position
    if types.is_string_view(plain):
        return position
    if schema.names[position].strip().lower() != SOURCE_ID:
        return None
    raise InvalidTableError(
        f"column {schema.names[position][:40]} has the type {str(kind)[:40]}",
        [Detail(schema.names[position][:80], "needs integers or text")],
    )
