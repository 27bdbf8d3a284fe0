"""A task at whose files processes die, in a module of its own: workers import it by name."""

import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from gaia_redshift.bulk.job import Note
from gaia_redshift.bulk.outcome import Outcome
from gaia_redshift.bulk.predicting import Predicting


@dataclass(frozen=True)
class Deadly:
    """Kills the process of each file named in `deaths` so many times, and then does the file."""

    task: Predicting
    deaths: Mapping[str, int]
    counter: Path
    """Folder in which each death leaves a file."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """Those of the task."""
        return self.task.settings

    def run(self, source: IO[bytes], name: str, target: IO[bytes], note: Note) -> Outcome:
        """Die, or do it."""
        earlier = len(list(self.counter.glob(f"{name}-*")))
        if earlier < self.deaths.get(name, 0):
            (self.counter / f"{name}-{earlier}").touch()
            target.write(b"half")
            target.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        return self.task.run(source, name, target, note)
