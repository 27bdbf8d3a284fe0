"""Log lines as JSON, the service's own and its libraries'. Imports nothing of the project."""

import asyncio
import logging
import logging.config
import sys
from collections.abc import MutableMapping
from datetime import UTC, datetime
from typing import Any

import orjson
import structlog

_SHARED: list[Any] = [
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def _drop_colour(_logger: object, _method: str, event: MutableMapping[str, object]) -> MutableMapping[str, object]:
    """Drop the second, coloured copy that uvicorn gives of its messages."""
    event.pop("color_message", None)
    return event


def _to_json(event: dict[str, object], **_: object) -> str:
    return orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS).decode("utf-8", "replace")


def json_formatter() -> logging.Formatter:
    """Return the formatter of one JSON object a line; a traceback is a field of it."""
    return structlog.stdlib.ProcessorFormatter(
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=_to_json),
        ],
        foreign_pre_chain=[*_SHARED, structlog.stdlib.add_logger_name, structlog.stdlib.ExtraAdder(), _drop_colour],
    )


def console_formatter() -> logging.Formatter:
    """Return the formatter for a person at a terminal."""
    return structlog.stdlib.ProcessorFormatter(
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, structlog.dev.ConsoleRenderer()],
        foreign_pre_chain=[*_SHARED, _drop_colour],
    )


def choose_format(log_format: str) -> str:
    """Resolve ``auto``: lines for a person on a terminal, JSON for whatever else collects them."""
    if log_format != "auto":
        return log_format
    return "console" if sys.stdout.isatty() else "json"


def configuration(log_format: str, level: str) -> dict[str, object]:
    """Return the configuration for `logging.config.dictConfig`: everything to standard output."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"chosen": {"()": f"{__name__}.{choose_format(log_format)}_formatter"}},
        "handlers": {"stdout": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout", "formatter": "chosen"}},
        "root": {"handlers": ["stdout"], "level": "WARNING"},
        "loggers": {name: {"level": level.upper()} for name in ("gaia_redshift", "uvicorn.error")},
    }


class _Lines:
    """JSON lines that are written together once a turn of the event loop: each write is a call of the system."""

    def __init__(self) -> None:
        self._waiting: list[bytes] = []

    def add(self, fields: dict[str, object], level: str) -> None:
        """Write one line, with those that come in the same turn."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._write)
        timestamp = f"{datetime.now(UTC).replace(tzinfo=None).isoformat()}Z"
        self._waiting.append(orjson.dumps({**fields, "event": "request", "level": level, "timestamp": timestamp}))

    def _write(self) -> None:
        lines, self._waiting = self._waiting, []
        sys.stdout.buffer.write(b"\n".join(lines) + b"\n")
        sys.stdout.buffer.flush()


_lines = _Lines()
_ranks = {name: rank for rank, name in enumerate(("debug", "info", "warning", "error"))}
_chosen: dict[str, Any] = {"least": "info", "json": False}


def log_request(fields: dict[str, object], level: str) -> None:
    """Log one request, at ``debug`` or ``info``."""
    if _ranks[level] < _ranks[_chosen["least"]]:
        return
    if _chosen["json"]:
        _lines.add(fields, level)
    else:
        getattr(structlog.get_logger(), level)("request", **fields)


def configure(log_format: str, level: str) -> None:
    """Set up logging for this process.

    structlog's own loggers write past the standard library's, in a tenth of its time: every request writes a line.
    """
    logging.config.dictConfig(configuration(log_format, level))
    _chosen.update(least=level, json=choose_format(log_format) == "json")
    render: Any = structlog.processors.JSONRenderer(serializer=orjson.dumps)
    factory: Any = structlog.BytesLoggerFactory(sys.stdout.buffer)
    if choose_format(log_format) == "console":
        render, factory = structlog.dev.ConsoleRenderer(), structlog.PrintLoggerFactory(sys.stdout)
    structlog.configure(
        processors=[structlog.processors.add_log_level, structlog.processors.TimeStamper(fmt="iso", utc=True), render],
        logger_factory=factory,
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
