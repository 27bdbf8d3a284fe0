"""Reading a request for a new job: its parameters, and its table, which is written to the job's files directly."""

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from typing import IO, Any

import orjson
from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartParser

from app.api.tables import ACCEPTED
from app.errors import NO_ROOM, ForbiddenError, StorageFullError, UnsupportedMediaTypeError
from app.jobs.desk import Desk
from app.jobs.files import INPUT
from app.jobs.job import Parameters, Source
from app.jobs.obtain import find_file
from app.jobs.outside import check_address
from app.jobs.store import NewJob, new_id
from app.serving.registry import Model, Models
from app.settings import Settings
from app.wire.fields import FORM, MULTIPART, read_fields
from app.wire.job_options import JobOptions, by_name, read_options
from app.wire.media import media_type
from app.wire.uploads import parse_multipart
from gaia_redshift.errors import Detail, InvalidRequestError
from gaia_redshift.interpretation.result import AnswerOptions
from gaia_redshift.media import JSON
from gaia_redshift.tables.formats import FORMATS, QP, check_densities


class _Sink:
    """A file object for the multipart parser that writes to the job's files."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.size = file, 0

    def write(self, piece: bytes) -> int:
        self.size += len(piece)
        return self._file.write(piece)

    def seek(self, _place: int) -> int:
        return 0

    def close(self) -> None:
        """Do nothing: the caller that opened the file closes it."""


class _Parser(MultiPartParser):
    """Writes the part ``file`` to its final place, since 4 GB may not fit into the temporary folder."""

    def __init__(self, request: Request, sink: _Sink) -> None:
        super().__init__(request.headers, request.stream(), max_files=1, max_fields=32)
        self._sink = sink

    def on_headers_finished(self) -> None:
        """Begin a part."""
        super().on_headers_finished()
        part = self._current_part
        if part.file is not None:
            part.file.file.close()
            part.file = UploadFile(self._sink, size=0, filename=part.file.filename, headers=part.file.headers)  # type: ignore[arg-type]


class Intake:
    """One request for a new job.

    Parameters
    ----------
    request : Request
    desk : Desk
    owner : str
    """

    def __init__(self, request: Request, desk: Desk, owner: str) -> None:
        self._request, self._desk, self._owner = request, desk, owner
        self._settings: Settings = request.app.state.settings
        self._id = new_id()
        self._given: dict[str, Any] = {}
        self._name, self._kind, self._bytes = "", "", 0
        self._sent = False

    async def read(self) -> NewJob:
        """Return the new job, after writing its table to the job's files.

        Raises
        ------
        RedshiftError
            If the request is wrong; no file is left behind.
        """
        self._given = self._known(self._request.query_params.multi_items())
        check_options(read_options(self._given), self._request)  # check the query before reading the table
        announced = self._request.headers.get("content-length", "0")
        coming = int(announced) if announced.isdecimal() else 0
        await self._desk.do(lambda: self._desk.store.check_quota(self._owner, coming))
        try:
            with _room_told():
                await self._read_body(coming)
                return await self._new(read_options(self._given))
        except BaseException:
            await self._desk.do(lambda: self._desk.files.remove(self._id))
            raise

    async def _read_body(self, coming: int) -> None:
        kind = media_type(self._request.headers)
        if kind in {JSON, FORM, ""}:
            self._add(await read_fields(self._request, self._settings.max_json_bytes))
            return
        if kind != MULTIPART and kind not in ACCEPTED:
            raise UnsupportedMediaTypeError(
                f"the Content-Type {kind!r} is not read; send multipart/form-data with a part 'file', the table as "
                f"{' or '.join(ACCEPTED[:8])}, or parameters as {JSON} or {FORM}"
            )
        await self._desk.do(lambda: self._check_room(coming))
        async with self._new_input() as file:
            sink = _Sink(file)
            if kind == MULTIPART:
                await self._read_form(sink)
            else:
                self._kind = kind
                async for piece in self._request.stream():
                    await self._desk.do(lambda: sink.write(piece))  # noqa: B023 - awaited at once
                self._sent = True
        self._bytes = sink.size

    @asynccontextmanager
    async def _new_input(self) -> AsyncIterator[IO[bytes]]:
        stack = ExitStack()
        file = await self._desk.do(lambda: stack.enter_context(self._desk.files.create(self._id, INPUT)))
        try:
            yield file
        finally:
            await self._desk.do(stack.close)

    def _check_room(self, coming: int) -> None:
        free = self._desk.files.free_bytes()
        if free is not None and free < coming + self._settings.jobs_min_free_bytes:
            raise StorageFullError("the disk of the jobs has no room for this table: try again later")

    async def _read_form(self, sink: _Sink) -> None:
        form = await parse_multipart(_Parser(self._request, sink))
        fields = []
        for name, value in form.multi_items():
            if not isinstance(value, UploadFile):
                fields.append((name, value))
            elif name == "file":
                self._sent, self._name = True, _printable(value.filename or "")[-200:]
                self._kind = _printable((value.content_type or "").partition(";")[0].strip().lower())[:100]
            else:
                raise InvalidRequestError(
                    f"the form has a file {name[:80]!r}: send the table as the part 'file'",
                    [Detail(name[:80], "unknown")],
                )
        self._add(fields)

    def _known(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        return by_name(pairs, JobOptions.model_fields)

    def _add(self, pairs: list[tuple[str, Any]]) -> None:
        more = self._known(pairs)
        for name in more:
            if name in self._given:
                raise InvalidRequestError(
                    f"{name} is given in the query and in the body: give it once", [Detail(name, "duplicate")]
                )
        self._given |= more

    async def _new(self, options: JobOptions) -> NewJob:
        model = check_options(options, self._request)
        source = self._source(options)
        if options.path is not None:
            wanted = options.path
            found = await self._desk.do(lambda: find_file(wanted, self._settings))
            self._name = found.name
        if options.url is not None:
            self._name = options.url.partition("?")[0].rpartition("/")[2][-200:]
        if options.source_ids is not None:
            content = orjson.dumps(options.source_ids)
            self._bytes = len(content)
            await self._desk.do(lambda: self._desk.files.put(self._id, INPUT, content))
        return NewJob(
            id=self._id,
            owner=self._owner,
            parameters=parameters_of(options, model),
            source=source,
            input_name=self._name,
            media_type=self._kind,
            input_bytes=self._bytes,
            address=options.url or options.path,
            run_id=options.runid,
            duration=options.executionduration,
            destruction=None if options.destruction is None else options.destruction.timestamp(),
            webhook=options.notify,
            run=options.phase == "RUN",
        )

    def _source(self, options: JobOptions) -> Source:
        """Return the source of the table; raises InvalidRequestError unless there is exactly one."""
        given: dict[Source, bool] = {
            "upload": self._sent,
            "url": options.url is not None,
            "file": options.path is not None,
            "sources": options.source_ids is not None,
        }
        found = [source for source, there in given.items() if there]
        if len(found) != 1:
            what = f"{len(found)} tables" if found else "no table"
            raise InvalidRequestError(
                f"the request has {what}: send one as the part 'file' or as the body, or name one by url, path or "
                "source_ids"
            )
        return found[0]


def check_options(options: JobOptions, request: Request) -> Model:
    """Return the requested model; raises if the model or this service does not support the options."""
    models: Models = request.app.state.models
    settings: Settings = request.app.state.settings
    model = models.get(options.model)
    model.predictor.check(AnswerOptions(options.prior, options.pdf))
    if options.format is not None:
        check_densities(QP if options.format == "qp" else FORMATS[options.format], options.pdf)
    if options.url is not None:
        check_address(options.url, settings.jobs_hosts, "GAIA_REDSHIFT_JOBS_HOSTS")
    if options.source_ids is not None:
        _check_sources(len(options.source_ids), settings)
    if options.notify is not None:
        if settings.jobs_webhook_secret is None:
            raise ForbiddenError("webhooks are off in this service: set GAIA_REDSHIFT_JOBS_WEBHOOK_SECRET")
        check_address(options.notify, settings.jobs_webhook_hosts, "GAIA_REDSHIFT_JOBS_WEBHOOK_HOSTS")
    return model


def parameters_of(options: JobOptions, model: Model) -> Parameters:
    """Return the parameters of a job."""
    asked = options.model_dump(include=set(Parameters.model_fields) - {"model"})
    return Parameters(model=model.manifest.id, **asked)


def _printable(text: str) -> str:
    return "".join(mark for mark in text if mark.isprintable())


def _check_sources(number: int, settings: Settings) -> None:
    if settings.archive_url is None:
        raise ForbiddenError("this service does not fetch spectra: set GAIA_REDSHIFT_ARCHIVE_URL, or send the spectra")
    if number > settings.jobs_max_sources:
        most = settings.jobs_max_sources
        raise InvalidRequestError(
            f"{number} sources in one job, but at most {most} are allowed: send several jobs",
            [Detail("source_ids", f"at most {most} items")],
        )


@contextmanager
def _room_told() -> Iterator[None]:
    """Turn the error of a full disk into StorageFullError."""
    try:
        yield
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        raise StorageFullError("the disk of the jobs has no room for this table: try again later") from error
