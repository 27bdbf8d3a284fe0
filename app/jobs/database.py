"""The jobs' database: SQLite in a file, or PostgreSQL. Imports `schema`, `settings` and `errors`."""

import math
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, NoSuchModuleError, OperationalError
from sqlalchemy.pool import QueuePool

from app.errors import DatabaseUnavailableError
from app.settings import Settings
from gaia_redshift.errors import InvalidInputError

_MIGRATIONS = Path(__file__).parent / "migrations"
_HEAD = "0001"
"""The latest migration."""
_LOCK = 0x6761_6961
"""Advisory lock in PostgreSQL during a migration; an arbitrary number."""
_CONNECTIONS = 8
_BUSY_SECONDS = 10
"""How long a request waits for other writers, in seconds."""
_POSTGRESQL = {"connect_timeout": 5, "tcp_user_timeout": 10_000, "keepalives_idle": 5, "keepalives_interval": 5}
"""Options of libpq. A connection breaks where the database's machine acknowledges nothing for `tcp_user_timeout` ms;
Linux's default is 15 minutes. While an answer is awaited, a sign of life is asked for every 5 s, by default after two
hours."""


class Database:
    """The jobs' database.

    Parameters
    ----------
    settings : Settings

    Raises
    ------
    InvalidInputError
        If the URL is invalid, its driver is not installed, or the folder cannot be created.
    """

    def __init__(self, settings: Settings) -> None:
        assert settings.jobs_folder is not None  # noqa: S101 - there are jobs
        url = settings.jobs_database or f"sqlite:///{settings.jobs_folder / 'jobs.db'}"
        try:
            settings.jobs_folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InvalidInputError(
                f"GAIA_REDSHIFT_JOBS_FOLDER, {settings.jobs_folder}, cannot be created: {error.strerror}"
            ) from None
        self._reads = _engine(url)
        self._writes = self._reads.execution_options(gaia_redshift_writes=True)
        # SQLite has no queue of writers; this lock makes the threads of one process take turns.
        self._turn: AbstractContextManager[Any] = threading.Lock() if self.is_sqlite else nullcontext()
        self.refused = -math.inf
        """When it last did not answer, by the monotonic clock."""

    @property
    def is_sqlite(self) -> bool:
        """Whether it is SQLite."""
        return self._reads.dialect.name == "sqlite"

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Begin a read transaction; raises DatabaseUnavailableError."""
        with self._told(), self._reads.begin() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Begin a write transaction, in SQLite one at a time; raises DatabaseUnavailableError."""
        with self._turn, self._told(), self._writes.begin() as connection:
            yield connection

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (OperationalError, InterfaceError) as error:
            self.refused = time.monotonic()
            raise DatabaseUnavailableError(f"the jobs' database does not answer: {_reason(error)}") from error

    def prepare(self) -> None:
        """Create or migrate the database; other processes wait meanwhile.

        Raises
        ------
        InvalidInputError
            If the database was made by a newer version of the service.
        DatabaseUnavailableError
        """
        with self.read() as connection:
            if _revision(connection) == _HEAD:
                return
        with self.write() as connection:
            if not self.is_sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            if _revision(connection) != _HEAD:
                _upgrade(connection)

    def close(self) -> None:
        """Close the connections."""
        self._reads.dispose()


def _engine(url: str) -> Engine:
    if url.startswith("postgresql://"):
        url = f"postgresql+psycopg{url.removeprefix('postgresql')}"
    try:
        if not url.startswith("sqlite"):
            chosen = make_url(url).query
            options = {name: value for name, value in _POSTGRESQL.items() if name not in chosen}
            return create_engine(url, pool_pre_ping=True, pool_recycle=300, connect_args=options)
        # Connections stay open: closing the last one writes the log into the file, and with a full disk the database
        # could not be opened again.
        arguments = {"timeout": _BUSY_SECONDS, "check_same_thread": False}
        engine = create_engine(url, poolclass=QueuePool, pool_size=_CONNECTIONS, connect_args=arguments)
    except (ArgumentError, NoSuchModuleError) as error:
        raise InvalidInputError(f"GAIA_REDSHIFT_JOBS_DATABASE is not the URL of a database: {error}") from None
    except ModuleNotFoundError:
        raise InvalidInputError(
            "GAIA_REDSHIFT_JOBS_DATABASE needs a driver: pip install 'gaia-redshift[postgresql]'"
        ) from None
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # `_begin_sqlite` begins transactions
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    """Begin a transaction; a writer waits for its turn here, before it has read anything that others could change."""
    writes = connection.get_execution_options().get("gaia_redshift_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return found


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise InvalidInputError(
            f"the jobs' database is of another version of the service: {error}; use that version, or another database"
        ) from None


def _reason(error: DBAPIError) -> str:
    """Return the database's error message, without the SQL statement."""
    return (str(error.orig).splitlines() or ["no reason given"])[0][:200]
