"""Jobs of the synchronous client. Imports `job_conversation`, which makes the requests."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self, TypeVar

from gaia_redshift.client import job_conversation as talks
from gaia_redshift.client.conversation import Talk
from gaia_redshift.client.failures import ServiceError
from gaia_redshift.client.job_conversation import Given, Patience
from gaia_redshift.client.job_messages import JobReply, Phase

_Result = TypeVar("_Result")

BETWEEN_LOOKS = 0.1
"""Least seconds between two polls: a service that is shutting down answers a long poll at once."""


class KnownJob:
    """A job as the service last described it.

    Attributes
    ----------
    id : str
    description : JobReply
        Progress, times, parameters and error, as last received.
    """

    def __init__(self, description: JobReply, given: Given | None = None) -> None:
        self.id = description.job_id
        self.description = description
        self._given = given

    @property
    def over(self) -> bool:
        """Whether the job was over when it was last described."""
        return self.description.phase in talks.OVER

    def __repr__(self) -> str:
        progress = self.description.progress
        total = "" if progress.rows_total is None else f" of {progress.rows_total}"
        return f"<job {self.id}: {self.description.phase}, {progress.rows_done}{total} rows>"

    def _refuse_pending(self) -> None:
        if self.description.phase == "PENDING":
            raise ValueError(f"job {self.id} has not been started: call run() first")


class Job(KnownJob):
    """A job of the service, as returned by `Client.submit`, `Client.jobs` and `Client.job`.

    Methods raise ServiceError, or JobError if the job itself failed or was aborted.
    """

    def __init__(self, client: "JobsClient", description: JobReply, given: Given | None = None) -> None:
        super().__init__(description, given)
        self._client = client

    @property
    def phase(self) -> Phase:
        """The current phase; asks the service unless the job is over."""
        return self.description.phase if self.over else self.refresh().description.phase

    def refresh(self) -> Self:
        """Fetch the job's `description` again."""
        self.description = self._client._patiently(lambda: talks.look(self.id))
        return self

    def run(self) -> Self:
        """Start a job that another client created without starting it."""
        self.description = self._client._hold(talks.tell(self.id, "RUN"))
        return self

    def wait(self, progress: bool = True) -> Self:
        """Wait until the job is over.

        If the service cannot be reached, wait for it for up to ten minutes: the job resumes when it is back.

        Parameters
        ----------
        progress : bool
            Show a bar on standard error, where that is a terminal.

        Raises
        ------
        JobError
            If the job failed or was aborted.
        ValueError
            If it has not been started.
        """
        self._refuse_pending()
        with talks.progress_bar(progress) as show:
            seconds = talks.LONG_WAIT if show is None else talks.SHORT_WAIT
            while not self.over:
                if show is not None:
                    show(self.description)
                self.description = self._client._patiently(lambda: talks.look(self.id, seconds))
                time.sleep(0 if self.over else BETWEEN_LOOKS)
        talks.refuse_failed(self.description)
        return self

    def result(self, path: str | Path | None = None) -> Any:
        """Wait for the end of the job and return the table with redshifts.

        Parameters
        ----------
        path : str or Path, optional
            Save the table here instead, in the format of the extension: .csv, .ecsv, .fits, .vot, .parquet, .arrow,
            .jsonl, or .qp.fits for densities.

        Returns
        -------
        table or Path
            For a table submitted from memory, a table of the same kind with the redshifts added; else a pyarrow Table.
            The path if one was given.

        Raises
        ------
        JobError
            If the job failed or was aborted.
        """
        wanted = talks.format_of(path)
        if not self.over:
            self.wait()
        content = self._client._patiently(lambda: talks.fetch(self.description, wanted))
        return talks.in_memory(content, self._given) if path is None else talks.save(content, Path(path))

    def abort(self) -> Self:
        """Abort the job; its description is kept."""
        self.description = self._client._hold(talks.tell(self.id, "ABORT"))
        return self

    def delete(self) -> None:
        """Delete the job and its files, even while it is running."""
        self._client._hold(talks.destroy(self.id))


class JobsClient(ABC):
    """The part of `Client` that submits and finds jobs."""

    @abstractmethod
    def _hold(self, talk: Talk[_Result]) -> _Result:
        """Carry out the requests of a conversation."""

    def _patiently(self, begin: Callable[[], Talk[_Result]]) -> _Result:
        """Carry out a conversation, and repeat it while the service cannot be reached."""
        patience = Patience()
        while True:
            try:
                return self._hold(begin())
            except ServiceError as error:
                pause = patience.after(error)
            time.sleep(pause)

    def submit(self, table: object, **options: Any) -> Job:
        """Create a job for spectra, however many, and start it; the service must have jobs enabled.

        Parameters
        ----------
        table : table, array_like, str, Path, binary file, or sequence of int
            What `Client.predict` takes; a file of any format, by its path or open in binary mode; an address (https://)
            that the service may fetch; or source identifiers, whole numbers in one dimension, of spectra that it
            fetches from the archive.
        **options
            ``model``, ``prior``, ``pdf``, ``unit`` and ``rows`` as for `Client.predict`; for arrays
            ``source_id`` and ``ebv``; ``format``, ``snr``, ``runid``, ``executionduration``, ``destruction`` and
            ``notify`` as for ``POST /jobs``.

        Returns
        -------
        Job

        Raises
        ------
        ServiceError
            If the service refuses the job, or cannot be reached.
        ValueError
            If the spectra cannot be read.
        OSError
            If the file cannot be read.
        """
        return Job(self, *self._hold(talks.submit(table, options)))

    def jobs(self, *phases: Phase, last: int | None = None) -> list[Job]:
        """Return your jobs in order of creation.

        Parameters
        ----------
        *phases : str
            Only jobs in these UWS phases, such as ``EXECUTING``; all if absent.
        last : int, optional
            Return at most this many, the most recent ones.

        Returns
        -------
        list of Job
        """
        return [Job(self, one) for one in self._hold(talks.find(phases, last))]

    def job(self, job_id: str) -> Job:
        """Return a job by its identifier.

        Parameters
        ----------
        job_id : str
            As in `Job.id`, or printed by ``gaia-redshift submit``.

        Raises
        ------
        ServiceError
            If there is no such job, or it is not yours.
        """
        return Job(self, self._hold(talks.look(job_id)))
