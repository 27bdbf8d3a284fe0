"""All that requests need of jobs, in one place. Imports its neighbours and `settings`."""

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
    """The store and the files, and threads that wait for them: other requests must not.

    Parameters
    ----------
    settings : Settings

    Raises
    ------
    InvalidInputError
        If the database's address is wrong, or a newer version made it.
    """

    def __init__(self, settings: Settings) -> None:
        self._database = Database(settings)
        self.store, self.files = Store(self._database, settings), Files(settings)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="jobs")
        self._prepared = False
        try:
            self._prepare()
        except DatabaseUnavailableError as error:  # predictions need none
            _log.error("jobs wait: %s", error.message)

    def _prepare(self) -> None:
        if not self._prepared:
            self._database.prepare()
            self._prepared = True

    async def do(self, work: Callable[[], _Result]) -> _Result:
        """Do something that may wait for the database or a disk."""

        def prepared() -> _Result:
            self._prepare()
            return work()

        return await asyncio.get_running_loop().run_in_executor(self._threads, prepared)

    def close(self) -> None:
        """End the threads, and close the connections."""
        self._threads.shutdown()
        self._database.close()
