"""Jobs of the asynchronous client: those of `job`, awaited. Imports `job`, `job_conversation`."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Self, TypeVar

from gaia_redshift.client import job_conversation as talks
from gaia_redshift.client.conversation import Talk
from gaia_redshift.client.failures import ServiceError
from gaia_redshift.client.job import BETWEEN_LOOKS, KnownJob
from gaia_redshift.client.job_conversation import Given, Patience
from gaia_redshift.client.job_messages import JobReply, Phase

_Result = TypeVar("_Result")


class AsyncJob(KnownJob):
    """`Job` for asyncio: the same, awaited."""

    def __init__(self, client: "AsyncJobsClient", description: JobReply, given: Given | None = None) -> None:
        super().__init__(description, given)
        self._client = client

    @property
    def phase(self) -> Coroutine[Any, Any, Phase]:
        """The current phase: ``await job.phase``."""
        return self._phase()

    async def _phase(self) -> Phase:
        if not self.over:
            await self.refresh()
        return self.description.phase

    async def refresh(self) -> Self:
        """Fetch the job's `description` again."""
        self.description = await self._client._patiently(lambda: talks.look(self.id))
        return self

    async def run(self) -> Self:
        """Start a job that another client created without starting it."""
        self.description = await self._client._hold(talks.tell(self.id, "RUN"))
        return self

    async def wait(self, progress: bool = True) -> Self:
        """Wait until the job is over; see `Job.wait`.

        Parameters
        ----------
        progress : bool
            As for `Job.wait`.
        """
        self._refuse_pending()
        with talks.progress_bar(progress) as show:
            seconds = talks.LONG_WAIT if show is None else talks.SHORT_WAIT
            while not self.over:
                if show is not None:
                    show(self.description)
                self.description = await self._client._patiently(lambda: talks.look(self.id, seconds))
                await asyncio.sleep(0 if self.over else BETWEEN_LOOKS)
        talks.refuse_failed(self.description)
        return self

    async def result(self, path: str | Path | None = None) -> Any:
        """Return the table with redshifts, or save it; see `Job.result`.

        Parameters
        ----------
        path : str or Path, optional
            As for `Job.result`.
        """
        wanted = talks.format_of(path)
        if not self.over:
            await self.wait()
        content = await self._client._patiently(lambda: talks.fetch(self.description, wanted))
        return talks.in_memory(content, self._given) if path is None else talks.save(content, Path(path))

    async def abort(self) -> Self:
        """Abort the job; its description is kept."""
        self.description = await self._client._hold(talks.tell(self.id, "ABORT"))
        return self

    async def delete(self) -> None:
        """Delete the job and its files, even while it is running."""
        await self._client._hold(talks.destroy(self.id))


class AsyncJobsClient(ABC):
    """The part of `AsyncClient` that submits and finds jobs."""

    @abstractmethod
    async def _hold(self, talk: Talk[_Result]) -> _Result:
        """Carry out the requests of a conversation."""

    async def _patiently(self, begin: Callable[[], Talk[_Result]]) -> _Result:
        """Carry out a conversation, and repeat it while the service cannot be reached."""
        patience = Patience()
        while True:
            try:
                return await self._hold(begin())
            except ServiceError as error:
                pause = patience.after(error)
            await asyncio.sleep(pause)

    async def submit(self, table: object, **options: Any) -> AsyncJob:
        """Create a job for spectra and start it; see `Client.submit`.

        Parameters
        ----------
        table, **options
            As for `Client.submit`.
        """
        return AsyncJob(self, *await self._hold(talks.submit(table, options)))

    async def jobs(self, *phases: Phase, last: int | None = None) -> list[AsyncJob]:
        """Return your jobs; see `Client.jobs`.

        Parameters
        ----------
        *phases, last
            As for `Client.jobs`.
        """
        return [AsyncJob(self, one) for one in await self._hold(talks.find(phases, last))]

    async def job(self, job_id: str) -> AsyncJob:
        """Return a job by its identifier; see `Client.job`.

        Parameters
        ----------
        job_id
            As for `Client.job`.
        """
        return AsyncJob(self, await self._hold(talks.look(job_id)))
