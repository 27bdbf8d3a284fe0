"""The database and its migrations."""

import sqlite3
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import event

from app.jobs import database
from app.jobs.database import Database
from app.jobs.files import Files
from app.jobs.job import COLUMNS
from app.jobs.schema import JOBS, metadata
from app.settings import Settings
from gaia_redshift.errors import InvalidInputError


def test_the_migrations_lead_to_the_schema(jobs_settings: Settings) -> None:
    opened = Database(jobs_settings)
    opened.prepare()
    with opened.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    opened.close()
    assert {column.name for column in JOBS.columns} == set(COLUMNS)


def test_the_last_migration_is_the_one_that_is_looked_for() -> None:
    script = ScriptDirectory(str(Path(database.__file__).parent / "migrations"))
    assert script.get_current_head() == database._HEAD


def test_a_database_of_a_newer_version_is_refused(jobs_settings: Settings) -> None:
    first = Database(jobs_settings)
    first.prepare()
    first.close()
    assert jobs_settings.jobs_folder
    with sqlite3.connect(jobs_settings.jobs_folder / "jobs.db") as file:
        file.execute("UPDATE alembic_version SET version_num = '9999'")
    file.close()
    second = Database(jobs_settings)
    with pytest.raises(InvalidInputError, match="another version"):
        second.prepare()
    second.close()


def test_writes_reach_the_disk_before_they_are_answered(jobs_settings: Settings) -> None:
    opened = Database(jobs_settings)
    with opened.read() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
    opened.close()


@pytest.mark.parametrize(
    ("query", "chosen"),
    [("", {}), ("?tcp_user_timeout=60000&connect_timeout=9", {"tcp_user_timeout": "60000", "connect_timeout": "9"})],
)
def test_a_database_whose_machine_has_gone_is_given_up_as_its_address_says(
    jobs_settings: Settings, query: str, chosen: dict[str, str]
) -> None:
    pytest.importorskip("psycopg")
    opened = Database(jobs_settings.model_copy(update={"jobs_database": f"postgresql://user@host/name{query}"}))
    asked: dict[str, object] = {}

    def connect(_dialect: object, _record: object, _given: object, options: dict[str, object]) -> None:
        asked.update(options)
        raise ConnectionRefusedError

    event.listen(opened._reads, "do_connect", connect)
    with pytest.raises(ConnectionRefusedError), opened.read():
        pass
    opened.close()
    options = {"connect_timeout": 5, "tcp_user_timeout": 10_000, "keepalives_idle": 5, "keepalives_interval": 5}
    assert asked.items() >= (options | chosen).items()


@pytest.mark.parametrize("url", ["nonsense", "nosuch://host/name", "postgresql+nosuch://host/name"])
def test_an_invalid_address_is_refused(jobs_settings: Settings, url: str) -> None:
    with pytest.raises(InvalidInputError, match="GAIA_REDSHIFT_JOBS_DATABASE"):
        Database(jobs_settings.model_copy(update={"jobs_database": url}))


def test_a_folder_that_cannot_be_made_is_refused(jobs_settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidInputError, match="GAIA_REDSHIFT_JOBS_FOLDER"):
        Database(jobs_settings.model_copy(update={"jobs_folder": tmp_path / "file" / "jobs"}))


@pytest.mark.parametrize("address", ["nosuch://bucket/jobs", "/proc/jobs"])
def test_files_at_an_invalid_address_are_refused(jobs_settings: Settings, address: str) -> None:
    with pytest.raises(InvalidInputError, match="GAIA_REDSHIFT_JOBS_FILES"):
        Files(jobs_settings.model_copy(update={"jobs_files": address}))
