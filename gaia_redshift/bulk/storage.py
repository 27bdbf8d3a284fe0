"""Files on this machine and on any file system that Arrow or fsspec knows. Imports `errors` of the project.

A place is a path or an address such as ``s3://bucket/folder?region=eu-west-1``; it is text, so that it travels to
other machines, where it is opened anew.
"""

import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Any, cast

from pyarrow import fs

from gaia_redshift.errors import InvalidInputError, MissingDependencyError

_BUFFER_BYTES = 4 << 20
_UNKNOWN = re.compile("Unrecognized filesystem type|Got .* built without", re.IGNORECASE)
_CREDENTIALS = re.compile(r"(?<=://)[^/@?]*@")
_WILD = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class Found:
    """A file that was found, with what distinguishes its versions.

    Attributes
    ----------
    place : str
    name : str
        Below the folder that was searched.
    size : int
    tag : str
        When it was last changed, as the file system says.
    """

    place: str
    name: str
    size: int
    tag: str


def is_remote(place: str) -> bool:
    """Say whether a place is an address rather than a path."""
    return "://" in place


def whole(place: str) -> str:
    """Return a place that means the same in every folder: a path as an absolute one."""
    return place if is_remote(place) else str(Path(place).absolute())


def shown(place: str) -> str:
    """Return a place for people to read: without credentials."""
    return _CREDENTIALS.sub("", place)


def below(place: str, name: str) -> str:
    """Return the place of a name below a folder."""
    folder, mark, options = place.partition("?") if is_remote(place) else (place, "", "")
    return f"{folder.rstrip('/')}/{name}{mark}{options}"


@cache
def file_system(place: str) -> tuple[Any, str]:
    """Return Arrow's file system of a place, and the path there.

    Raises
    ------
    InvalidInputError
        If there is no file system for such an address.
    MissingDependencyError
        If its file system is not installed.
    """
    if not is_remote(place):
        return fs.LocalFileSystem(), str(Path(place).absolute())
    try:
        return cast("tuple[Any, str]", fs.FileSystem.from_uri(place))
    except (ValueError, NotImplementedError, OSError) as error:
        if not _UNKNOWN.search(str(error)):
            raise InvalidInputError(f"{shown(place)}: {reason(error)}") from error
    try:
        import fsspec

        found, path = fsspec.core.url_to_fs(place)
    except ImportError as error:
        raise MissingDependencyError(f"{shown(place)} needs fsspec and its part for such addresses: {error}") from error
    except ValueError as error:
        raise InvalidInputError(f"{shown(place)} is not an address that can be read: {error}") from error
    return fs.PyFileSystem(fs.FSSpecHandler(found)), path


def find(place: str) -> list[Found]:
    """Return the files of a place, by name: of a file itself, of a folder, or of a pattern; no file is opened.

    Their places are whole.

    Raises
    ------
    InvalidInputError
        If it cannot be listed.
    """
    folder, mark, options = place.partition("?") if is_remote(place) else (whole(place), "", "")
    pattern = None
    if _WILD.search(folder):
        parts = folder.split("/")
        first = next(number for number, part in enumerate(parts) if _WILD.search(part))
        folder, pattern = "/".join(parts[:first]) or "/", "/".join(parts[first:])
    top = f"{folder}{mark}{options}"
    try:
        system, path = file_system(top)
        info = system.get_file_info(path)
        if info.type == fs.FileType.NotFound:
            raise InvalidInputError(f"{shown(place)}: there is no such file or folder")
        if info.type == fs.FileType.File:
            return [_found(top, path.rpartition("/")[2], info)]
        recursive = pattern is None or "/" in pattern
        listed = system.get_file_info(fs.FileSelector(path, recursive=recursive))
    except OSError as error:
        raise InvalidInputError(f"{shown(place)} cannot be listed: {reason(error)}") from error
    wanted = None if pattern is None else re.compile(_as_regex(pattern))
    found = []
    for one in listed:
        name = one.path[len(path.rstrip("/")) + 1 :]
        if one.type == fs.FileType.File and (wanted is None or wanted.fullmatch(name)):
            found.append(_found(below(top, name), name, one))
    return sorted(found, key=lambda one: one.name)


def _as_regex(pattern: str) -> str:
    """Return a shell pattern as a regular expression: ``*`` stays within a folder, ``**/`` does not."""
    made = ""
    for part in re.split(r"(\*\*/|\*|\?|\[[^\]]+\])", pattern):
        known = {"**/": "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}
        made += known.get(part) or (part.replace("[!", "[^", 1) if part.startswith("[") else re.escape(part))
    return made


def _found(place: str, name: str, info: Any) -> Found:
    return Found(place, name, info.size or 0, str(info.mtime_ns or ""))


def look(place: str) -> Found | None:
    """Return the file of a place as it is now, None if it is not there; raises OSError."""
    system, path = file_system(place)
    info = system.get_file_info(path)
    return _found(place, path.rpartition("/")[2], info) if info.type == fs.FileType.File else None


@contextmanager
def reading(place: str) -> Iterator[IO[bytes]]:
    """Open a file; raises OSError."""
    system, path = file_system(place)
    if not is_remote(place):
        with Path(path).open("rb") as file:
            yield file
        return
    with io.BufferedReader(system.open_input_file(path), _BUFFER_BYTES) as file:
        yield cast("IO[bytes]", file)


@contextmanager
def writing(place: str, token: str) -> Iterator[IO[bytes]]:
    """Write a file that appears under its name only when it is complete; raises OSError.

    Parameters
    ----------
    place : str
    token : str
        Makes the name of the unfinished file unique.
    """
    system, path = file_system(place)
    folder, _, name = path.rpartition("/")
    part = f"{folder}/.{name}.{token}.part"
    system.create_dir(folder, recursive=True)
    try:
        if is_remote(place):
            with system.open_output_stream(part) as file:
                yield file
            system.move(part, path)
        else:
            with Path(part).open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            Path(part).replace(path)
    except BaseException:
        _remove(system, part)
        raise


def parts_of(place: str) -> list[str]:
    """Return the unfinished files in a folder and below it, as places."""
    try:
        found = find(place)
    except InvalidInputError:
        return []
    return [one.place for one in found if one.name.rpartition("/")[2].startswith(".") and one.name.endswith(".part")]


def remove(place: str) -> None:
    """Remove a file, if it can be removed."""
    _remove(*file_system(place))


def _remove(system: Any, path: str) -> None:
    with suppress(OSError):  # it was never made, or the next run removes it
        system.delete_file(path)


def reason(error: Exception) -> str:
    """Return the system's reason in one line."""
    return getattr(error, "strerror", None) or (str(error).splitlines() or [type(error).__name__])[0][:300]
