"""A bulk run: plan, keep finished outputs, do the rest, verify, write the manifest. Imports its neighbours."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from gaia_redshift.bulk import finished, manifest, storage
from gaia_redshift.bulk.job import Task
from gaia_redshift.bulk.outcome import Failure, Outcome
from gaia_redshift.bulk.plan import Job, Shard, plan

Engine = Callable[[Task, Sequence[Job]], Iterator[tuple[Job, Outcome]]]
"""Does jobs, and yields each with its outcome in the order in which they end."""


@dataclass(slots=True)
class Run:
    """What a run did.

    Attributes
    ----------
    jobs : list of Job
        By name.
    outcomes : dict
        Job's name to its outcome.
    earlier : set of str
        Names of the jobs that an earlier run had finished.
    swept : int
        Unfinished files of a killed run that were removed.
    started : datetime
    seconds : float
    unwritten : str
        Why the manifest could not be written; empty if it was.
    """

    jobs: list[Job]
    outcomes: dict[str, Outcome]
    earlier: set[str]
    swept: int
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    seconds: float = 0.0
    unwritten: str = ""

    @property
    def failures(self) -> list[tuple[Job, Failure]]:
        """The jobs without an output, by name."""
        found = ((job, self.outcomes[job.name].failure) for job in self.jobs if job.name in self.outcomes)
        return [(job, failure) for job, failure in found if failure is not None]

    @property
    def rows(self) -> int:
        """Rows of all outputs."""
        return sum(outcome.rows for outcome in self.outcomes.values())

    @property
    def failed_rows(self) -> int:
        """Rows without a result."""
        return sum(outcome.failed for outcome in self.outcomes.values())


def run(
    task: Task,
    inputs: Sequence[str],
    output: str,
    engine: Engine,
    *,
    shard: Shard | None = None,
    begun: Callable[[Run], None] = lambda _: None,
    done: Callable[[Job, Outcome], None] = lambda _job, _outcome: None,
) -> Run:
    """Do all jobs that are not finished, and write the manifest.

    Parameters
    ----------
    task : Task
    inputs : sequence of str
        Files, folders and patterns.
    output : str
        Folder.
    engine : callable
    shard : Shard, optional
    begun, done : callable
        Called with the planned jobs, and with each job that ends.

    Returns
    -------
    Run

    Raises
    ------
    InvalidInputError
        If the inputs cannot be planned, or the output folder holds other outputs.
    """
    shard = shard or Shard()
    output = storage.whole(output)
    clock = time.monotonic()
    jobs = plan(inputs, output, shard)
    swept = finished.sweep(jobs, output)
    outcomes = finished.kept(jobs, task.settings)
    made = Run(jobs, outcomes, set(outcomes), swept)
    begun(made)
    try:
        for job, outcome in engine(task, [job for job in jobs if job.name not in made.earlier]):
            made.outcomes[job.name] = _verified(job, task, outcome)
            done(job, outcome)
    finally:  # a run that is stopped writes its manifest too
        made.seconds = time.monotonic() - clock
        try:
            manifest.write(made, task.settings, output, shard)
        except OSError as error:  # a full disk: the outputs are kept
            made.unwritten = storage.reason(error)
    return made


def _verified(job: Job, task: Task, outcome: Outcome) -> Outcome:
    """Return an outcome after the output's footer was read again: it must count what the job counted."""
    if outcome.failure is not None:
        return outcome
    again = finished.read_note(job, task.settings)
    if again is None or (again.rows, again.failed) != (outcome.rows, outcome.failed):
        return Outcome(failure=Failure("output_lost", f"{storage.shown(job.output)} does not contain what was written"))
    return outcome
