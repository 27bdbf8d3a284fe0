"""`Desk`: the access of requests to jobs. Imports its neighbours and `settings`."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from app.errors import DatabaseUnavailableError
from app.jobs.database import Database
from app.jobs.files import Files
from app.jobs.store import Store
from app.settings import Settings

_log = logging.getLogger("gaia_redshift")

_Result = TypeVar("_Result")

_THREADS = 8


class Desk:
    """The store and the files, with threads for calls that block, so that other requests do not wait.

    Parameters
    ----------
    settings : Settings

    Raises
    ------
    InvalidInputError
        If the database's URL is wrong, or it was made by a newer version.
    """

    def __init__(self, settings: Settings) -> None:
        self._database = Database(settings)
        self.store, self.files = Store(self._database, settings), Files(settings)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="jobs")
        self._prepared = False
        try:
            self._prepare()
        except DatabaseUnavailableError as error:  # predictions do not need it
            _log.error("jobs wait: %s", error.message)

    def _prepare(self) -> None:
        if not self._prepared:
            self._database.prepare()
            self._prepared = True

    async def do(self, work: Callable[[], _Result]) -> _Result:
        """Run a blocking call in a thread, after preparing the database if necessary."""

        def prepared() -> _Result:
            self._prepare()
            return work()

        return await asyncio.get_running_loop().run_in_executor(self._threads, prepared)

    def close(self) -> None:
        """End the threads, and close the connections."""
        self._threads.shutdown()
        self._database.close()
