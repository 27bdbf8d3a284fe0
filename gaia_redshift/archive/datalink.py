"""Fetching spectra of source ids as a table. Imports its neighbours, `tables` and `spectra` of the project.

The archive takes at most 5,000 ids a request (astropy/astroquery#2843), may return fewer sources than asked and in
another order (#2973), and has renamed what it serves before (#3110).
"""

import hashlib
import io
import os
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow

from gaia_redshift.archive.web import ArchiveError, Web
from gaia_redshift.errors import InvalidInputError, InvalidTableError, MalformedBodyError
from gaia_redshift.spectra import RELEASES, Release
from gaia_redshift.tables.formats import opened
from gaia_redshift.tables.identifiers import SOURCE_ID
from gaia_redshift.tables.table import Table

DATALINK = "https://gea.esac.esa.int/data-server/data"
MOST_IDS = 5000


@dataclass(frozen=True, slots=True)
class Fetched:
    """The result of one fetch.

    Attributes
    ----------
    rows : pyarrow.Table
        All columns of the archive, a row for each source found, in the order of the request.
    missing : list of int
        Requested sources that the archive did not return.
    """

    rows: pyarrow.Table
    missing: list[int]


def default_cache() -> Path:
    """Return the cache folder for the archive's answers: ``gaia-redshift`` in the user's cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gaia-redshift" / "archive"


class Archive:
    """Gaia's archive.

    Parameters
    ----------
    url : str
        Address of its DataLink service.
    release : str
        Release of Gaia that the source ids belong to: an id means another source in another release.
    cache : Path, optional
        Folder in which answers are kept; none are kept if absent.
    web : Web, optional
    """

    def __init__(
        self, url: str = DATALINK, release: str = "Gaia DR3", *, cache: Path | None = None, web: Web | None = None
    ) -> None:
        if release not in RELEASES:
            raise InvalidInputError(f"unknown release {release!r}: give one of {', '.join(RELEASES)}")
        self.release: Release = RELEASES[release]
        self._url, self._cache = url, cache
        self._web = web or Web()

    def close(self) -> None:
        """Close the connections."""
        self._web.close()

    def fetch(
        self, ids: Sequence[int], *, at_once: int = MOST_IDS, done: Callable[[int], None] = lambda _: None
    ) -> Iterator[Fetched]:
        """Fetch spectra, a few thousand at a time.

        Parameters
        ----------
        ids : sequence of int
            Source ids; repeated ones are fetched once.
        at_once : int
            Ids per request, at most `MOST_IDS`.
        done : callable
            Called with the number of ids fetched after each request.

        Raises
        ------
        ArchiveError
            If the archive cannot be reached, refuses the request, or does not send a table.
        """
        wanted, step = list(dict.fromkeys(map(int, ids))), min(at_once, MOST_IDS)
        for start in range(0, len(wanted), step):
            chunk = wanted[start : start + step]
            yield self._joined(chunk, self._answer(chunk))
            done(len(chunk))

    def _answer(self, ids: list[int]) -> bytes:
        """Return the archive's zip for some ids, cached or fetched, by the first retrieval type that it knows."""
        refusal: ArchiveError | None = None
        for kind in self.release.retrieval_types:
            form = {
                "ID": ",".join(map(str, ids)),
                "RELEASE": self.release.name,
                "RETRIEVAL_TYPE": kind,
                "DATA_STRUCTURE": "RAW",
                "FORMAT": "fits",
                "VALID_DATA": "false",
                "USE_ZIP_ALWAYS": "true",
            }
            kept = self._kept(form)
            if kept is not None and kept.exists():
                return kept.read_bytes()
            try:
                content = self._web.send("POST", self._url, form).content
            except ArchiveError as error:
                refusal = error
                if "HTTP 400" in error.message and "RETRIEVAL" in error.message.upper():
                    continue
                raise
            if kept is not None and zipfile.is_zipfile(io.BytesIO(content)):
                kept.parent.mkdir(parents=True, exist_ok=True)
                part = kept.with_suffix(f".{os.getpid()}.part")
                part.write_bytes(content)
                part.replace(kept)
            return content
        raise refusal or ArchiveError(f"{self.release.name} has no spectra")

    def _kept(self, form: dict[str, str]) -> Path | None:
        if self._cache is None:
            return None
        text = "\n".join([self._url, *(f"{key}={value}" for key, value in sorted(form.items()))])
        return self._cache / f"{hashlib.sha256(text.encode()).hexdigest()}.zip"

    def _joined(self, ids: list[int], content: bytes) -> Fetched:
        """Return the archive's rows in the order of the ids."""
        parts = list(_tables(content))
        if not parts:
            return Fetched(pyarrow.table({SOURCE_ID: pyarrow.array([], pyarrow.int64())}), ids)
        rows = pyarrow.concat_tables(parts, promote_options="permissive")
        name = next((name for name in rows.column_names if name.lower() == SOURCE_ID), None)
        if name is None:
            raise ArchiveError(f"the archive's table has no {SOURCE_ID}; it has {', '.join(rows.column_names)[:200]}")
        places = {number: place for place, number in reversed(list(enumerate(rows[name].to_pylist())))}
        found = [places[number] for number in ids if number in places]
        return Fetched(rows.take(pyarrow.array(found, pyarrow.int64())), [one for one in ids if one not in places])


def _tables(content: bytes) -> Iterator[pyarrow.Table]:
    """Yield the tables of an answer: a zip of one or several files, or one file."""
    if not content.strip():
        return
    try:
        if not zipfile.is_zipfile(io.BytesIO(content)):
            yield from _read(content, "")
            return
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for member in archive.infolist():
                if not member.filename.endswith("/") and member.file_size:
                    yield from _read(archive.read(member), member.filename)
    except (MalformedBodyError, InvalidTableError, zipfile.BadZipFile, NotImplementedError) as error:
        raise ArchiveError(f"the archive's answer cannot be read: {error}") from error


def _read(content: bytes, name: str) -> Iterator[pyarrow.Table]:
    with opened(io.BytesIO(content), name) as table:
        yield whole(table)


def whole(table: Table) -> pyarrow.Table:
    """Return all rows and columns of a table, with their units, descriptions and UCDs."""
    columns = list(range(len(table.schema)))
    table.settle(columns)
    batches = [block.columns for block in table.blocks(columns)]
    if not batches:
        return table.schema.empty_table()
    fields = [field.with_type(kind) for field, kind in zip(table.schema, batches[0].schema.types, strict=True)]
    return pyarrow.Table.from_batches(batches).cast(pyarrow.schema(fields))
