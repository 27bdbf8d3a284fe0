"""The command ``fetch``: spectra of sources from Gaia's archive."""

import re
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from gaia_redshift.commands.streams import STANDARD, named, open_input, replacing
from gaia_redshift.errors import InvalidInputError

if TYPE_CHECKING:
    import pyarrow

_NAMED_IN_FULL = 20
"""What a source_id may be: Gaia's are whole numbers of 64 bits with a sign."""

EXAMPLES = """
gaia-redshift fetch --ids my_galaxies.fits -o spectra.fits
gaia-redshift fetch --adql candidates.adql -o spectra.fits
"""


def fetch(
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="OUT", help="Table to write, such as spectra.fits.")
    ],
    *,
    ids: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Table with a column source_id, or a line for each id, - for standard input; kept in OUT.",
        ),
    ] = None,
    adql: Annotated[
        str | None,
        typer.Option(metavar="QUERY", help="ADQL, or file with it; OUT keeps the result's columns, with source_id."),
    ] = None,
    release: Annotated[str, typer.Option(help="Gaia release of the ids.")] = "Gaia DR3",
    datalink: Annotated[
        str | None, typer.Option(metavar="URL", help="DataLink service; Gaia's archive by default.")
    ] = None,
    tap: Annotated[str | None, typer.Option(metavar="URL", help="TAP service; Gaia's archive by default.")] = None,
    cache: Annotated[Path | None, typer.Option(help="Folder for cached answers; the user's cache if absent.")] = None,
) -> None:
    """Fetch BP/RP spectra from Gaia's archive. Exits with 1 if some sources have no spectrum there."""
    from gaia_redshift.archive import Archive
    from gaia_redshift.archive.datalink import DATALINK, default_cache
    from gaia_redshift.archive.tap import TAP, query
    from gaia_redshift.tables.formats import format_to_write

    if (ids is None) == (adql is None):
        raise InvalidInputError("give either --ids or --adql")
    written = format_to_write(output.name)
    known = listed(ids) if ids is not None else query(_text(adql or ""), tap or TAP)
    numbers = numbered(known)
    wanted = [number for number in numbers if number is not None]
    say = Console(stderr=True, highlight=False, soft_wrap=True)
    archive = Archive(datalink or DATALINK, release, cache=cache or default_cache())
    missing: list[int] = []
    writer, schema = None, None
    bar = Progress(console=say, transient=True, disable=not sys.stderr.isatty())
    with closing(archive), bar as progress, replacing(output) as file:
        task = progress.add_task("fetching", total=len(set(wanted)))
        for part in archive.fetch(wanted, done=lambda count: progress.advance(task, count)):
            missing += part.missing
            if not len(part.rows):
                continue
            rows = _beside(known, numbers, part.rows)
            if writer is None:
                writer, schema = written.writer(file, {"release": release}), rows.schema
            for batch in rows.cast(schema).combine_chunks().to_batches():
                writer.write(batch)
        if writer is None:
            raise InvalidInputError(f"the archive has no {release} spectrum of any of the {len(set(wanted))} sources")
        writer.close()
    found = len(set(wanted)) - len(missing)
    say.print(f"{found} of {len(set(wanted))} spectra of {release} -> {output}", markup=False)
    if missing:
        named = ", ".join(map(str, missing[:_NAMED_IN_FULL]))
        more = f" and {len(missing) - _NAMED_IN_FULL} more" if len(missing) > _NAMED_IN_FULL else ""
        say.print(f"the archive has no spectrum of {named}{more}", markup=False)
        raise typer.Exit(1)


_DESIGNATION = re.compile(r"\s*(?:Gaia\s+E?DR\d\s+)?(0*\d{1,19})\s*", re.IGNORECASE)
_ID = re.compile(rb"0*\d{1,19}")
"""No more digits than an identifier has: Python refuses to read thousands."""


def numbered(known: "pyarrow.Table") -> list[int | None]:
    """Return the identifiers in a table as whole numbers, from text such as ``Gaia DR3 4295806720`` too.

    Raises
    ------
    InvalidInputError
        If there is no column of them, or they are floats, or text that is not a Gaia identifier, or there are none.
    """
    import pyarrow

    from gaia_redshift.tables.identifiers import SOURCE_ID, find_identifier
    from gaia_redshift.tables.samples import is_text

    place = find_identifier(known.column_names)
    if place is None:
        raise InvalidInputError(f"no column {SOURCE_ID}; it has {', '.join(known.column_names)[:200]}")
    name, column = known.column_names[place], known[place]
    numbers: list[int | None] = [None] * len(column)
    if pyarrow.types.is_integer(column.type):
        numbers = column.to_pylist()
    elif is_text(column.type):
        cells = [cell.strip() if cell else "" for cell in column.to_pylist()]
        found = [_DESIGNATION.fullmatch(cell) for cell in cells]
        if wrong := next((cell for cell, match in zip(cells, found, strict=True) if cell and not match), ""):
            raise InvalidInputError(f"column {name} holds {wrong[:40]!r}, which is not a Gaia source_id")
        numbers = [None if match is None else int(match[1]) for match in found]
    elif not pyarrow.types.is_null(column.type):
        raise InvalidInputError(f"column {name} holds {column.type}: it needs integers")
    if all(number is None for number in numbers):
        raise InvalidInputError(f"{name} names no source: there is no identifier in any row")
    return numbers


def _text(adql: str) -> str:
    """Return the query, read from the file of this name if there is one."""
    try:
        is_file = len(adql) < 256 and Path(adql).is_file()
    except OSError:
        is_file = False
    return Path(adql).read_text(encoding="utf-8") if is_file else adql


def listed(path: Path) -> "pyarrow.Table":
    """Return a table of ids: any table, or text with an id a line, perhaps from a pipe; raises InvalidInputError."""
    import pyarrow

    from gaia_redshift.archive.datalink import whole
    from gaia_redshift.tables.formats import opened
    from gaia_redshift.tables.identifiers import LARGEST_ID, SOURCE_ID
    from gaia_redshift.tables.unpack import spooled

    name = "standard input" if path == STANDARD else path.name
    try:
        with open_input(path) as given:
            file = given if given.seekable() else spooled(given)
            start = file.read(4096)
            file.seek(0)
            if all(line.strip().isdigit() for line in start.splitlines()[:-1] or [start]):
                lines = [line.strip() for line in file.read().splitlines() if line.strip()]
                wrong = next((line for line in lines if not _ID.fullmatch(line) or int(line) > LARGEST_ID), None)
                if wrong is not None:
                    raise InvalidInputError(f"{name}: {wrong[:40].decode(errors='replace')!r} is not a source_id")
                return pyarrow.table({SOURCE_ID: pyarrow.array(list(map(int, lines)), pyarrow.int64())})
            with opened(file, named(path).name) as table:
                return whole(table)
    except OSError as error:
        raise InvalidInputError(f"{path} cannot be read: {error.strerror or error}") from error


def _beside(known: "pyarrow.Table", numbers: list[int | None], rows: "pyarrow.Table") -> "pyarrow.Table":
    """Return the archive's rows, with the columns of the table of ids before them."""
    import pyarrow

    from gaia_redshift.tables.identifiers import SOURCE_ID

    places = {number: place for place, number in reversed(list(enumerate(numbers)))}
    own = next(column for column in rows.column_names if column.lower() == SOURCE_ID)
    taken = known.take(pyarrow.array([places[number] for number in rows[own].to_pylist()]))
    kept = [
        column for column in known.column_names if column.strip().lower() not in {c.lower() for c in rows.column_names}
    ]
    fields = [known.schema.field(column) for column in kept] + list(rows.schema)
    columns = [taken[column] for column in kept] + rows.columns
    return pyarrow.Table.from_arrays(columns, schema=pyarrow.schema(fields))
