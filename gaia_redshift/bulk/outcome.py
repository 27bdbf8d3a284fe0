"""The outcome of a job. Imports nothing of the project."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

NOTE = b"gaia_redshift.bulk"
"""Key of the Parquet file's metadata that says from which input, and with what settings, it was made."""

MOST_NAMED = 1000
"""Rows without a result that are named for each file; all are counted."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no output: one of `errors`' codes, or ``worker_died``, and a sentence."""

    code: str
    message: str


@dataclass(slots=True)
class Outcome:
    """What a file held, or why there is no output of it.

    Attributes
    ----------
    rows : int
    failed : int
        Rows without a result.
    named : list of dict
        The first of them: ``row`` from zero, ``source_id`` where there is one, ``code``, ``message``.
    redshifts : Counter
        How many redshifts lie in each hundredth, from ``int(100 z)``.
    flags : Counter
        How many rows have each quality flag.
    seconds : float
        Of processor time; not part of the note.
    failure : Failure, optional
    """

    rows: int = 0
    failed: int = 0
    named: list[dict[str, Any]] = field(default_factory=list)
    redshifts: Counter[int] = field(default_factory=Counter)
    flags: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    failure: Failure | None = None

    def name(self, row: int, source_id: Any, code: str, message: str) -> None:
        """Count a row without a result."""
        self.failed += 1
        if len(self.named) < MOST_NAMED:
            known = {} if source_id is None else {"source_id": source_id}
            self.named.append({"row": row, **known, "code": code, "message": message})

    def note(self) -> dict[str, Any]:
        """Return what the output's metadata store."""
        return {
            "rows": self.rows,
            "failed": self.failed,
            "named": self.named,
            "redshifts": {str(place): count for place, count in sorted(self.redshifts.items())},
            "flags": dict(sorted(self.flags.items())),
        }

    @classmethod
    def of_note(cls, note: Mapping[str, Any]) -> "Outcome":
        """Return the outcome in a note; raises KeyError, TypeError or ValueError if it is not a note."""
        redshifts = Counter({int(place): int(count) for place, count in note["redshifts"].items()})
        return cls(int(note["rows"]), int(note["failed"]), list(note["named"]), redshifts, Counter(note["flags"]))
