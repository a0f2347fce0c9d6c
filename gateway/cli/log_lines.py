"""How the log is written: one line an event, as text or as JSON, and never with what an exception says.

An exception's text may quote what was looked at, a prompt or a key; so lines name its kind and where it was raised.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Literal

import orjson

VARIABLE = "WEIGHBRIDGE_LOG_FORMAT"
LogFormat = Literal["text", "json"]
FORMATS: dict[str, LogFormat] = {"text": "text", "json": "json"}

_TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_OURS = "weighbridge"
# Of the places that an exception came through, the innermost.
_PLACES = 8


class LogFormatUnknown(Exception):
    """The log can be written in no such way."""


def log_format(flag: str | None, environ: Mapping[str, str]) -> LogFormat:
    """Say how the log is to be written.

    Raises:
        LogFormatUnknown: In no way that there is.
    """
    found = FORMATS.get(flag or environ.get(VARIABLE) or "text")
    if found is None:
        raise LogFormatUnknown(f"{'--log-format' if flag else VARIABLE}: should be {' or '.join(FORMATS)}")
    return found


def write_log(style: LogFormat) -> None:
    """Write the log to standard error from now on."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if style == "json" else TextLines(_TEXT))
    logging.basicConfig(level=logging.INFO, handlers=[handler])


class TextLines(logging.Formatter):
    """Lines for people."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one line."""
        plain = logging.makeLogRecord(record.__dict__)
        plain.msg, plain.args, plain.exc_info, plain.exc_text = _said(record), (), None, None
        plain.stack_info = None
        line = super().format(plain)
        raised = _raised(record)
        return f"{line} ({raised['type']} at {raised['at'][-1]})" if raised and raised["at"] else line


class JsonLines(logging.Formatter):
    """Lines for programs: ``time``, ``level``, ``logger``, ``message``, ``pid``; ``exception`` where there was one."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one line."""
        moment = datetime.fromtimestamp(record.created, UTC)
        told: dict[str, Any] = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _said(record),
            "pid": record.process,
        }
        raised = _raised(record)
        if raised is not None:
            told["exception"] = raised
        return orjson.dumps(told, default=str).decode("utf-8", "replace")


def _said(record: logging.LogRecord) -> str:
    """The message on one line. What others log of an exception quotes it from the second line on."""
    said = record.getMessage()
    if record.exc_info and not record.name.startswith(_OURS):
        said = said.partition("\n")[0]
    return " ".join(said.encode("utf-8", "replace").decode().splitlines())


def _raised(record: logging.LogRecord) -> dict[str, Any] | None:
    if not record.exc_info or record.exc_info[0] is None:
        return None
    kind, _, trace = record.exc_info
    return {"type": kind.__name__, "at": _places(trace)}


def _places(trace: TracebackType | None) -> list[str]:
    places: list[str] = []
    while trace is not None:
        code = trace.tb_frame.f_code
        places.append(f"{code.co_filename.rpartition('/')[2]}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return places[-_PLACES:]
