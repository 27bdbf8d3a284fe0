"""What a registry of the Virtual Observatory asks of a service (VOSI 1.1), as XML by vo-models.

vo-models and lxml are imported where they are needed: a service that nobody asks starts without it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple

import pyarrow
from pydantic import AnyUrl

from gaia_redshift.tables.table import DESCRIPTION, UCD, UNIT, about
from gaia_redshift.tables.writers.votable import datatype

_VOSI = "ivo://ivoa.net/std/VOSI"


class Offer(NamedTuple):
    """An address that the service answers at."""

    path: str
    standard: str | None
    """Its IVOA identifier, where a standard describes it."""
    text: str
    use: Literal["full", "base"] = "full"


VOSI = (
    Offer("capabilities", f"{_VOSI}#capabilities", "This document"),
    Offer("availability", f"{_VOSI}#availability", "Whether the service predicts"),
    Offer("tables", f"{_VOSI}#tables-1.1", "The columns that it reads and answers"),
)
PREDICT = Offer("predict/table", None, "Redshifts for a table of spectra, which a POST sends (docs: HTTP interface)")
JOBS = Offer("jobs", None, "The same for long tables, as jobs of UWS 1.1", "base")


def write_availability(*, available: bool, up_since: datetime | None, notes: Sequence[str]) -> bytes:
    """Return whether the service predicts.

    Parameters
    ----------
    available : bool
    up_since : datetime, optional
        When it began to.
    notes : sequence of str
    """
    from vo_models.vosi.availability.models import Availability

    return _bytes(Availability(available=available, up_since=up_since, note=list(notes)))


def write_capabilities(base: str, offers: Sequence[Offer]) -> bytes:
    """Return what the service offers, and where.

    Parameters
    ----------
    base : str
        The service's address, with a slash behind it.
    offers : sequence of Offer
    """
    from vo_models.voresource.models import AccessURL, Capability, Interface
    from vo_models.vosi.capabilities.models import VOSICapabilities

    def capability(one: Offer) -> Capability:
        place = AccessURL(value=AnyUrl(f"{base}{one.path}"), use=one.use)
        way = Interface(type="vs:ParamHTTP", role="std" if one.standard else None, access_url=[place])
        standard = None if one.standard is None else AnyUrl(one.standard)
        return Capability(standard_id=standard, description=one.text, interface=[way])

    return _bytes(VOSICapabilities(capability=[capability(one) for one in offers]))


def write_tables(tables: Mapping[str, tuple[str, pyarrow.Schema]]) -> bytes:
    """Return the columns of tables.

    Parameters
    ----------
    tables : mapping
        Descriptions and columns by name; units, descriptions and UCDs as the writers of tables take them.
    """
    from vo_models.vodataservice.models import Table, TableParam, TableSchema
    from vo_models.vosi.tables.models import VOSITableSet

    def column(field: pyarrow.Field) -> TableParam:
        texts = {name: about(field, what) or None for name, what in _TEXTS}
        return TableParam(column_name=field.name, **texts, **datatype(field.name, field.type))

    made = [
        Table(table_type="output", table_name=name, description=text, column=[column(field) for field in schema])
        for name, (text, schema) in tables.items()
    ]
    return _bytes(VOSITableSet(tableset_schema=[TableSchema(schema_name="default", table=made)]))


_TEXTS = (("description", DESCRIPTION), ("unit", UNIT), ("ucd", UCD))


def _bytes(element: Any) -> bytes:
    from lxml import etree

    tree = element.to_xml_tree(skip_empty=True)
    content: bytes = etree.tostring(tree, encoding="utf-8", xml_declaration=True)
    return content
