"""The command ``fetch``: spectra of sources from Gaia's archive."""

import re
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from gaia_redshift.commands.streams import replacing
from gaia_redshift.errors import InvalidInputError

if TYPE_CHECKING:
    import pyarrow

_NAMED_IN_FULL = 20

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
        typer.Option(metavar="FILE", help="Table with a column source_id, or one id per line; OUT keeps its columns."),
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
    from gaia_redshift.tables.identifiers import SOURCE_ID, find_identifier

    if (ids is None) == (adql is None):
        raise InvalidInputError("give either --ids or --adql")
    written = format_to_write(output.name)
    known = _listed(ids) if ids is not None else query(_text(adql or ""), tap or TAP)
    place = find_identifier(known.column_names)
    if place is None:
        raise InvalidInputError(f"the table has no column {SOURCE_ID}; it has {', '.join(known.column_names)[:200]}")
    name = known.column_names[place]
    numbers = _numbers(name, known[name])
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


_DESIGNATION = re.compile(r"\s*(?:Gaia\s+E?DR\d\s+)?(\d+)\s*", re.IGNORECASE)


def _numbers(name: str, column: "pyarrow.ChunkedArray") -> list[int | None]:
    """Return identifiers as integers, also from text such as ``Gaia DR3 4295806720``.

    Raises
    ------
    InvalidInputError
        If they are floats, or text that is not a Gaia identifier.
    """
    import pyarrow

    from gaia_redshift.tables.samples import is_text

    if pyarrow.types.is_integer(column.type):
        numbers: list[int | None] = column.to_pylist()
        return numbers
    if not is_text(column.type):
        raise InvalidInputError(f"column {name} holds {column.type}: it needs integers")
    cells = [cell.strip() if cell else "" for cell in column.to_pylist()]
    found = [_DESIGNATION.fullmatch(cell) for cell in cells]
    if wrong := next((cell for cell, match in zip(cells, found, strict=True) if cell and not match), ""):
        raise InvalidInputError(f"column {name} holds {wrong[:40]!r}, which is not a Gaia source_id")
    return [None if match is None else int(match[1]) for match in found]


def _text(adql: str) -> str:
    """Return the query, read from the file of this name if there is one."""
    try:
        is_file = len(adql) < 256 and Path(adql).is_file()
    except OSError:
        is_file = False
    return Path(adql).read_text(encoding="utf-8") if is_file else adql


def _listed(path: Path) -> "pyarrow.Table":
    """Return a table of ids, read from any table, or from text with one id per line."""
    import pyarrow

    from gaia_redshift.archive.datalink import whole
    from gaia_redshift.tables.formats import opened
    from gaia_redshift.tables.identifiers import SOURCE_ID

    try:
        with path.open("rb") as file:
            start = file.read(4096)
            file.seek(0)
            if all(line.strip().isdigit() for line in start.splitlines()[:-1] or [start]):
                lines = [line.strip() for line in file.read().splitlines() if line.strip()]
                if not all(line.isdigit() for line in lines):
                    raise InvalidInputError(
                        f"{path.name}: {next(x for x in lines if not x.isdigit())!r} is no source_id"
                    )
                return pyarrow.table({SOURCE_ID: pyarrow.array([int(line) for line in lines], pyarrow.int64())})
            with opened(file, path.name) as table:
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
