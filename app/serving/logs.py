"""Logging as JSON lines, for the service and its libraries. Imports nothing of the project."""

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
    """Drop the coloured copy that uvicorn adds to its messages."""
    event.pop("color_message", None)
    return event


def _to_json(event: dict[str, object], **_: object) -> str:
    return orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS).decode("utf-8", "replace")


def json_formatter() -> logging.Formatter:
    """Return a formatter that writes one JSON object per line, with a traceback as a field."""
    return structlog.stdlib.ProcessorFormatter(
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=_to_json),
        ],
        foreign_pre_chain=[*_SHARED, structlog.stdlib.add_logger_name, structlog.stdlib.ExtraAdder(), _drop_colour],
    )


def console_formatter() -> logging.Formatter:
    """Return the formatter for a terminal."""
    return structlog.stdlib.ProcessorFormatter(
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, structlog.dev.ConsoleRenderer()],
        foreign_pre_chain=[*_SHARED, _drop_colour],
    )


def choose_format(log_format: str) -> str:
    """Resolve ``auto``: readable lines on a terminal, else JSON."""
    if log_format != "auto":
        return log_format
    return "console" if sys.stdout.isatty() else "json"


def configuration(log_format: str, level: str) -> dict[str, object]:
    """Return the configuration for `logging.config.dictConfig`, with all output to standard output."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"chosen": {"()": f"{__name__}.{choose_format(log_format)}_formatter"}},
        "handlers": {"stdout": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout", "formatter": "chosen"}},
        "root": {"handlers": ["stdout"], "level": "WARNING"},
        "loggers": {name: {"level": level.upper()} for name in ("gaia_redshift", "uvicorn.error")},
    }


class _Lines:
    """Collects JSON lines and writes them once per turn of the event loop, to save system calls."""

    def __init__(self) -> None:
        self._waiting: list[bytes] = []

    def add(self, fields: dict[str, object], level: str) -> None:
        """Add a line; it is written with the others of the same turn."""
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

    structlog's loggers bypass the standard library's and take a tenth of the time, which matters since every request
    writes a line.
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
