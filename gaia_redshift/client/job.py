"""Jobs of the synchronous client. Imports `job_conversation`, which says what goes over the wire."""

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
"""Seconds between two questions: a service that is going down answers at once, however long it may wait."""


class KnownJob:
    """What a client knows of a job without asking.

    Attributes
    ----------
    id : str
    description : JobReply
        The job as the service described it last: progress, times, parameters, error.
    """

    def __init__(self, description: JobReply, given: Given | None = None) -> None:
        self.id = description.job_id
        self.description = description
        self._given = given

    @property
    def over(self) -> bool:
        """Whether it was over when it was last described."""
        return self.description.phase in talks.OVER

    def __repr__(self) -> str:
        progress = self.description.progress
        total = "" if progress.rows_total is None else f" of {progress.rows_total}"
        return f"<job {self.id}: {self.description.phase}, {progress.rows_done}{total} rows>"

    def _refuse_pending(self) -> None:
        if self.description.phase == "PENDING":
            raise ValueError(f"job {self.id} was not told to run: run() does")


class Job(KnownJob):
    """A job of the service; `Client.submit`, `Client.jobs` and `Client.job` give it.

    What a method raises is a ServiceError; where the job itself failed or was aborted, a JobError.
    """

    def __init__(self, client: "JobsClient", description: JobReply, given: Given | None = None) -> None:
        super().__init__(description, given)
        self._client = client

    @property
    def phase(self) -> Phase:
        """The phase now; the service is asked unless the job is over."""
        return self.description.phase if self.over else self.refresh().description.phase

    def refresh(self) -> Self:
        """Ask for the job's `description` again."""
        self.description = self._client._patiently(lambda: talks.look(self.id))
        return self

    def run(self) -> Self:
        """Let a job run that was made without being run, by another client."""
        self.description = self._client._hold(talks.tell(self.id, "RUN"))
        return self

    def wait(self, progress: bool = True) -> Self:
        """Wait until the job is over.

        A service that is away is waited for, ten minutes at most: the job goes on when it is back.

        Parameters
        ----------
        progress : bool
            Show a bar on standard error, where that is a terminal.

        Raises
        ------
        JobError
            If the job failed or was aborted.
        ValueError
            If it was not told to run.
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
        """Return the table with redshifts in it, waiting for the end of the job.

        Parameters
        ----------
        path : str or Path, optional
            Save it there instead, in the format of the name: .csv, .ecsv, .fits, .vot, .parquet, .arrow, .jsonl, or
            .qp.fits for densities.

        Returns
        -------
        table or Path
            Where a table was submitted from memory, one of its kind with the redshifts added; else a pyarrow Table; or
            the path.

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
        """End the job; its description stays."""
        self.description = self._client._hold(talks.tell(self.id, "ABORT"))
        return self

    def delete(self) -> None:
        """Destroy the job with its files, whatever it does at the moment."""
        self._client._hold(talks.destroy(self.id))


class JobsClient(ABC):
    """The part of `Client` that submits and finds jobs."""

    @abstractmethod
    def _hold(self, talk: Talk[_Result]) -> _Result:
        """Do what a conversation asks for, until its end."""

    def _patiently(self, begin: Callable[[], Talk[_Result]]) -> _Result:
        """Hold a conversation that may be repeated, again where the service is away."""
        patience = Patience()
        while True:
            try:
                return self._hold(begin())
            except ServiceError as error:
                pause = patience.after(error)
            time.sleep(pause)

    def submit(self, table: object, **options: Any) -> Job:
        """Make a job of spectra, however many, and let it run; the service has to keep jobs.

        Parameters
        ----------
        table : table, array_like, str, Path, or sequence of int
            What `Client.predict` takes; the path of a file of any format; an address (https://) that the service may
            fetch; or source identifiers, whole numbers in one dimension, of spectra that it fetches from the archive.
        **options
            ``model``, ``prior``, ``pdf``, ``unit`` and ``rows`` as for `Client.predict`, ``source_id`` of an array;
            ``format``, ``snr``, ``runid``, ``executionduration``, ``destruction`` and ``notify`` as of ``POST /jobs``.

        Returns
        -------
        Job

        Raises
        ------
        ServiceError
            If the service refuses the job, or there is none.
        ValueError
            If the spectra cannot be read.
        OSError
            If the file cannot be read.
        """
        return Job(self, *self._hold(talks.submit(table, options)))

    def jobs(self, *phases: Phase, last: int | None = None) -> list[Job]:
        """Return your jobs in the order of their creation.

        Parameters
        ----------
        *phases : str
            Those in these phases of UWS, such as ``EXECUTING``; in all if absent.
        last : int, optional
            The last ones, so many at most.

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
            As `Job.id` and ``gaia-redshift submit`` say it.

        Raises
        ------
        ServiceError
            If there is no such job, or it is not yours.
        """
        return Job(self, self._hold(talks.look(job_id)))
