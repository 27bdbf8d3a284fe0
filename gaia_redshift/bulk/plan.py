"""Planning jobs from the user's inputs: one output for each file. Does not open files. Imports its neighbours."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from gaia_redshift.bulk import storage
from gaia_redshift.errors import Detail, InvalidInputError, counted
from gaia_redshift.tables.formats import PACKED, format_of_name


@dataclass(frozen=True, slots=True)
class Job:
    """One input file and the output file that it becomes.

    Attributes
    ----------
    source : Found
    name : str
        Of the output below the output folder.
    output : str
        Its place.
    """

    source: storage.Found
    name: str
    output: str


@dataclass(frozen=True, slots=True)
class Shard:
    """The jobs of this run: every n-th, from number i on."""

    number: int = 0
    count: int = 1

    @property
    def suffix(self) -> str:
        """Suffix of its manifest's name; empty for a single shard."""
        return "" if self.count == 1 else f"-{self.number}-of-{self.count}"


def find_shard(text: str) -> Shard:
    """Return the shard that ``i/n`` names, i from 0 to n - 1; raises InvalidInputError."""
    number, _, count = text.partition("/")
    if not (number.isdecimal() and count.isdecimal() and int(number) < int(count)):
        raise InvalidInputError(f"--shard {text}: give i/n with i from 0 to n - 1, such as 0/100")
    return Shard(int(number), int(count))


def plan(inputs: Sequence[str], output: str, shard: Shard) -> list[Job]:
    """Return the jobs of a shard, by the names of their outputs.

    Parameters
    ----------
    inputs : sequence of str
        Files, folders, which are searched for tables, and patterns.
    output : str
        Folder.
    shard : Shard

    Raises
    ------
    InvalidInputError
        If there are no inputs, two would become one output, or the output folder is an input.
    """
    jobs: dict[str, Job] = {}
    for given in inputs:
        chosen = [
            one for one in storage.find(given) if one.place == storage.whole(given) or _is_table(one, given, output)
        ]
        if not chosen:
            raise InvalidInputError(f"{storage.shown(given)} contains no tables")
        for one in chosen:
            name = _output_name(one.name)
            there = jobs.get(name)
            if there is not None and there.source.place != one.place:
                places = [Detail(name, storage.shown(each.place)) for each in (there.source, one)]
                raise InvalidInputError(f"two inputs would become {name}: use separate output folders for them", places)
            jobs[name] = Job(one, name, storage.below(output, name))
    ordered = [jobs[name] for name in sorted(jobs)]
    if shard.count > len(ordered):
        raise InvalidInputError(f"{counted(len(ordered), 'file', 'files')} cannot be cut into {shard.count} shards")
    clash = [job.source.place for job in ordered if job.output == job.source.place]
    if clash:
        raise InvalidInputError(f"{storage.shown(clash[0])} would be overwritten: give another output folder")
    return ordered[shard.number :: shard.count]


def _is_table(one: storage.Found, given: str, output: str) -> bool:
    """Return whether a file in a searched folder is an input: a visible table outside the output folder."""
    parts = PurePosixPath(one.name).parts
    if any(part.startswith((".", "_")) for part in parts) or format_of_name(one.name) is None:
        return False
    if storage.is_remote(given) != storage.is_remote(output):
        return True
    if storage.is_remote(given):
        return not one.place.startswith(f"{output.partition('?')[0].rstrip('/')}/")
    return Path(output) not in Path(one.place).parents


def _output_name(name: str) -> str:
    path = PurePosixPath(name)
    if path.suffix.lower() in PACKED:
        path = path.with_suffix("")
    return str(path.with_suffix(".parquet") if format_of_name(path.name) else path.with_name(f"{path.name}.parquet"))
