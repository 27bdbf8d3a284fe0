"""The files of jobs, in a folder or any store that fsspec supports. Imports `settings`.

Files are never renamed or changed in place, since many stores cannot do that: a file is valid once the database names
it, and each name is used by one lease holder only.
"""

import contextlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

import fsspec

from app.settings import Settings
from gaia_redshift.errors import InvalidInputError

INPUT = "input"
"""Name of the file with a job's table."""


class Files:
    """The files of all jobs, a folder for each.

    Parameters
    ----------
    settings : Settings

    Raises
    ------
    InvalidInputError
        If the place is invalid, needs a package that is not installed, or is not writable.
    """

    def __init__(self, settings: Settings) -> None:
        assert settings.jobs_folder is not None  # noqa: S101 - there are jobs
        address = settings.jobs_files or str(settings.jobs_folder.absolute() / "files")
        self.scratch = settings.jobs_folder / "scratch"
        """Local folder for unfinished files."""
        self._fs: Any
        try:
            self._fs, self._root = fsspec.core.url_to_fs(address)
            self.scratch.mkdir(parents=True, exist_ok=True)
            self._fs.makedirs(self._root, exist_ok=True)
        except (ImportError, ValueError, OSError) as error:
            raise InvalidInputError(
                f"the jobs' files cannot be stored at {address} (GAIA_REDSHIFT_JOBS_FILES): {error}"
            ) from None
        self._local = "file" in ((self._fs.protocol,) if isinstance(self._fs.protocol, str) else self._fs.protocol)

    def _path(self, job: str, name: str) -> str:
        return f"{self._root}/{job}/{name}"

    def local(self, job: str, name: str) -> Path | None:
        """Return a file's path if it is on a local disk, else None."""
        return Path(self._path(job, name)) if self._local else None

    def open(self, job: str, name: str) -> IO[bytes]:
        """Open a file for reading."""
        path = self._path(job, name)
        return cast("IO[bytes]", Path(path).open("rb") if self._local else self._fs.open(path, "rb"))

    @contextmanager
    def create(self, job: str, name: str) -> Iterator[IO[bytes]]:
        """Open a new file for writing; it is synced to disk when the block ends."""
        path = self._path(job, name)
        self._fs.makedirs(path.rpartition("/")[0], exist_ok=True)
        if not self._local:
            with self._fs.open(path, "wb") as file:
                yield file
            return
        with Path(path).open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())

    def put(self, job: str, name: str, content: bytes) -> None:
        """Write a file."""
        with self.create(job, name) as file:
            file.write(content)

    def take_in(self, path: Path, job: str, name: str) -> int:
        """Move a local file to the job's files, and return its size."""
        size = path.stat().st_size
        with path.open("rb") as source, self.create(job, name) as target:
            shutil.copyfileobj(source, target, 1 << 20)
        path.unlink()
        return size

    def size(self, job: str, name: str) -> int:
        """Return a file's size in bytes."""
        return int(self._fs.size(self._path(job, name)))

    def remove(self, job: str) -> None:
        """Remove all files of a job.

        A worker may still write a file meanwhile; the worker or a sweep removes it.
        """
        self._clear_scratch(job)
        folder = f"{self._root}/{job}"
        if self._local:
            shutil.rmtree(folder, ignore_errors=True)
            return
        with contextlib.suppress(Exception):  # the packages of stores have errors of their own
            self._fs.rm(folder, recursive=True)

    def _clear_scratch(self, job: str) -> None:
        for path in self.scratch.glob(f"{job}-*"):
            path.unlink(missing_ok=True)

    def remove_all_but(self, job: str, names: set[str]) -> None:
        """Remove files of earlier lease holders that are not in `names`."""
        self._clear_scratch(job)
        for path in self._fs.find(f"{self._root}/{job}"):
            if path.removeprefix(f"{self._root}/{job}/") not in names:
                self._fs.rm_file(path)

    def jobs(self) -> set[str]:
        """Return which jobs have files; raises OSError."""
        self._fs.invalidate_cache()
        try:
            found = self._fs.ls(self._root, detail=False)
        except FileNotFoundError:  # many stores have no empty folders
            return set()
        except Exception as error:  # the packages of stores have errors of their own
            raise OSError(f"the jobs' files cannot be listed: {error}") from error
        return {path.rstrip("/").rpartition("/")[2] for path in found}

    def answer(self) -> bool:
        """Return whether the store answers; a local disk does."""
        try:
            return self._local or self.jobs() is not None
        except OSError:
            return False

    def free_bytes(self) -> int | None:
        """Return the free space of the disk; None if unknown."""
        return shutil.disk_usage(self._root).free if self._local else None
