"""Tables of one source whose ``source_id`` is not a column. Imports its neighbours.

The archive's files of one source may have it as a PARAM of the VOTable, in the metadata of ECSV, as the FITS keyword
SOURCEID, or in the file's name alone, such as ``XP_CONTINUOUS-Gaia DR3 5937083312263887616.csv``.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

import pyarrow

from gaia_redshift.spectra import RELEASES
from gaia_redshift.tables.identifiers import LARGEST_ID, SOURCE_ID, find_identifier, source_id_field
from gaia_redshift.tables.table import Block, Table

_SAID = (SOURCE_ID, "sourceid")
_IN_NAME = re.compile(r"Gaia[ _]E?DR\d+[ _](\d{1,19})(?:\.|$)")
_WHOLE = re.compile(r"\d{1,19}")


def named_by_file(table: Table, name: str) -> Table:
    """Add the column ``source_id`` to a table of coefficients without one, if the file gives it elsewhere.

    Parameters
    ----------
    table : Table
        Any other table, or one with identifiers, is returned unchanged.
    name : str
        Of the file.
    """
    names = {one.strip().lower() for one in table.schema.names}
    if not any(names.issuperset(release.coefficient_columns) for release in RELEASES.values()):
        return table
    if find_identifier(table.schema.names) is not None:
        return table
    texts = [table.said.get(key, "").strip() for key in _SAID]
    found = next((text for text in texts if _WHOLE.fullmatch(text)), "")
    if not found and (match := _IN_NAME.search(name)) is not None:
        found = match[1]
    return OneSource(table, int(found)) if found and int(found) <= LARGEST_ID else table


class OneSource:
    """A table of one source, with its identifier as an additional first column.

    Parameters
    ----------
    table : Table
    source_id : int
    """

    def __init__(self, table: Table, source_id: int) -> None:
        self._table, self._source_id = table, source_id
        self._field = source_id_field("Source identifier of the file")
        self.format, self.rows = table.format, table.rows

    @property
    def schema(self) -> pyarrow.Schema:
        """The identifier, and the table's columns."""
        return pyarrow.schema([self._field, *self._table.schema])

    @property
    def said(self) -> Mapping[str, str]:
        """The file's metadata."""
        return self._table.said

    def settle(self, columns: Sequence[int]) -> None:
        """Find the types of some columns; see `Table`."""
        self._table.settle([place - 1 for place in columns if place])

    def blocks(self, columns: Sequence[int], numbers: Sequence[int] = ()) -> Iterator[Block]:
        """Read some columns from the start; see `Table`."""
        own = [place - 1 for place in columns if place]
        for block in self._table.blocks(own or [0], [place - 1 for place in numbers if place]):
            ids = pyarrow.repeat(pyarrow.scalar(self._source_id, pyarrow.int64()), len(block.columns))
            read = iter(block.columns.columns)
            made = [next(read) if place else ids for place in columns]
            names = [self.schema.names[place] for place in columns]
            yield Block(pyarrow.RecordBatch.from_arrays(made, names), block.problems)
