"""Astropy's YAML description of a table, in ECSV, FITS comments and Parquet metadata. Imports its neighbours."""

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow

from gaia_redshift.errors import MalformedBodyError
from gaia_redshift.tables.table import UNIT, about

_MOST_CHARACTERS = 1 << 20
_BEGIN, _END = "--BEGIN-ASTROPY-SERIALIZED-COLUMNS--", "--END-ASTROPY-SERIALIZED-COLUMNS--"
_SPLIT = 70
"""A line of FITS comments is cut at this length, and then ends with a backslash."""


def read_yaml(text: str, where: str) -> Mapping[str, object]:
    """Return the content of a YAML header as plain values; no object is made.

    Parameters
    ----------
    text : str
    where : str
        Name of the header, for messages.

    Raises
    ------
    MalformedBodyError
        If it is not YAML, has aliases, or is too long.
    """
    import yaml

    if len(text) > _MOST_CHARACTERS:
        raise MalformedBodyError(f"{where} is longer than {_MOST_CHARACTERS} characters")

    class Loader(yaml.SafeLoader):  # type: ignore[misc]
        """Reads ordered maps and astropy's other tags as plain values."""

        def compose_node(self, parent: object, index: object) -> Any:
            if self.check_event(yaml.AliasEvent):
                raise MalformedBodyError(f"{where} has YAML aliases: they are not read")
            return super().compose_node(parent, index)

    def plain(loader: Any, _suffix: str, node: Any) -> Any:
        if isinstance(node, yaml.MappingNode):
            return loader.construct_mapping(node, deep=True)
        return loader.construct_sequence(node, deep=True) if isinstance(node, yaml.SequenceNode) else str(node.value)

    Loader.add_multi_constructor("!", plain)
    Loader.add_multi_constructor("tag:", plain)
    try:
        found = yaml.load(text, Loader)  # noqa: S506 - a loader of plain values
    except (yaml.YAMLError, RecursionError, ValueError, TypeError, AttributeError) as error:
        raise MalformedBodyError(f"{where} is not YAML: {str(error).splitlines()[0][:200]}") from error
    return found if isinstance(found, dict) else {}


def of_comments(comments: Iterable[str]) -> str:
    """Return the YAML that astropy keeps in the COMMENT cards of a FITS header; empty if there is none."""
    lines = [str(comment) for comment in comments]
    if _BEGIN not in lines:
        return ""
    lines = lines[lines.index(_BEGIN) + 1 :]
    lines = lines[: lines.index(_END)] if _END in lines else lines
    return "".join(line[:_SPLIT] if len(line) == _SPLIT + 1 else f"{line}\n" for line in lines)


def with_units(schema: pyarrow.Schema, text: str, where: str) -> pyarrow.Schema:
    """Return the schema with the units that the YAML gives to columns that have none.

    FITS and Parquet cannot hold all units of astropy's: without this, fluxes per pixel are taken for those per sample.
    """
    if not text:
        return schema
    columns = read_yaml(text, where).get("datatype")
    columns = [one for one in columns if isinstance(one, dict)] if isinstance(columns, list) else []
    units = {str(one.get("name")): str(one["unit"]) for one in columns if one.get("unit")}
    fields = [
        field.with_metadata({**(field.metadata or {}), UNIT: units[field.name].encode()})
        if field.name in units and not about(field, UNIT)
        else field
        for field in schema
    ]
    return pyarrow.schema(fields, schema.metadata)
