"""Files of earlier runs: finished outputs are kept, unfinished ones removed. Imports its neighbours."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson
import pyarrow
from pyarrow import parquet

from gaia_redshift.bulk import storage
from gaia_redshift.bulk.outcome import NOTE, Outcome
from gaia_redshift.bulk.plan import Job
from gaia_redshift.errors import Detail, InvalidInputError

_READERS = 16
_ADVICE = "give another folder, or remove it"


def kept(jobs: Sequence[Job], settings: Mapping[str, Any]) -> dict[str, Outcome]:
    """Return the finished jobs' outcomes by output, from the footers of the outputs.

    An output that cannot be read, or whose input has changed, is not included.

    Raises
    ------
    InvalidInputError
        If an output was made with other settings, or by something else.
    """

    def look(job: Job) -> Outcome | None:
        return read_note(job, settings)

    with ThreadPoolExecutor(_READERS) as threads:
        found = list(threads.map(look, jobs))
    return {job.name: outcome for job, outcome in zip(jobs, found, strict=True) if outcome is not None}


def read_note(job: Job, settings: Mapping[str, Any]) -> Outcome | None:
    """Return the outcome stored in an output, None if it has to be made; raises as `kept`."""
    try:
        if storage.look(job.output) is None:
            return None
        with storage.reading(job.output) as file:
            metadata = parquet.read_metadata(file)
    except (OSError, pyarrow.ArrowException):
        return None
    text = (metadata.metadata or {}).get(NOTE)
    if text is None:
        raise InvalidInputError(f"{storage.shown(job.output)} exists and was not made by this command: {_ADVICE}")
    try:
        note = orjson.loads(text)
        outcome = Outcome.of_note(note)
        made_from = (note["input"], note["size"], note["tag"])
        made_with = note["settings"]
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
    if made_with != settings:
        other = [
            Detail(name, f"{made_with.get(name)} there, {settings.get(name)} here")
            for name in sorted({*made_with, *settings})
            if made_with.get(name) != settings.get(name)
        ]
        raise InvalidInputError(f"{storage.shown(job.output)} was made with other settings: {_ADVICE}", other)
    same = made_from == (job.source.name, job.source.size, job.source.tag)
    return outcome if same and outcome.rows == metadata.num_rows else None


def sweep(jobs: Sequence[Job], output: str) -> int:
    """Remove unfinished files of a killed run of these jobs, and return their number."""
    own = {job.name.rpartition("/")[2] for job in jobs}
    swept = 0
    for place in storage.parts_of(output):
        name = place.partition("?")[0].rpartition("/")[2].removeprefix(".")
        if name.rsplit(".", 2)[0] in own:
            storage.remove(place)
            swept += 1
    return swept
