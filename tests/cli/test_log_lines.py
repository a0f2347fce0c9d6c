from __future__ import annotations

import asyncio
import gc
import io
import logging
import sys
from collections.abc import Iterator

import orjson
import pytest

from gateway.cli.log_lines import JsonLines, TextLines, log_format, write_log
from gateway.cli.main import main

SECRET = "the words of a prompt"


@pytest.fixture(params=[JsonLines, TextLines])
def written(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(request.param())
    root = logging.getLogger()
    root.addHandler(handler)
    yield stream
    root.removeHandler(handler)


def failing() -> None:
    raise ValueError(SECRET)


def test_a_line_is_one_line_and_says_when_who_and_what():
    record = logging.LogRecord("weighbridge.x", logging.WARNING, "f.py", 1, "%s\nand %s", ("one", "two"), None)
    told = orjson.loads(JsonLines().format(record))
    assert (told["level"], told["logger"], told["message"]) == ("warning", "weighbridge.x", "one and two")
    assert told["time"].endswith("Z")
    assert told["pid"] == record.process
    assert "exception" not in told
    assert TextLines("%(levelname)s %(name)s: %(message)s").format(record) == "WARNING weighbridge.x: one and two"


def test_an_exception_is_named_by_its_kind_and_place_and_not_quoted(written: io.StringIO):
    try:
        failing()
    except ValueError:
        logging.getLogger("weighbridge.x").exception("it failed")
    said = written.getvalue()
    assert SECRET not in said
    assert said.count("\n") == 1
    assert "ValueError" in said
    assert "failing" in said
    assert "it failed" in said


def test_what_a_loop_logs_of_a_lost_task_does_not_quote_it_either(written: io.StringIO):
    async def scenario() -> None:
        async def lost() -> None:
            failing()

        task = asyncio.get_running_loop().create_task(lost())
        await asyncio.wait([task])
        del task
        gc.collect()

    asyncio.run(scenario())
    said = written.getvalue()
    assert "Task exception was never retrieved" in said
    assert SECRET not in said


def test_what_is_no_text_does_not_break_a_line():
    record = logging.LogRecord("weighbridge.x", logging.INFO, "f.py", 1, "\ud800 %s", (b"\xff",), None)
    assert "\n" not in JsonLines().format(record)
    assert orjson.loads(JsonLines().format(record))["message"] == "? b'\\xff'"


@pytest.mark.parametrize(
    ("flag", "environ", "style"),
    [
        (None, {}, "text"),
        (None, {"WEIGHBRIDGE_LOG_FORMAT": "json"}, "json"),
        ("text", {"WEIGHBRIDGE_LOG_FORMAT": "json"}, "text"),
        (None, {"WEIGHBRIDGE_LOG_FORMAT": ""}, "text"),
    ],
)
def test_the_flag_comes_before_the_variable(flag, environ, style):
    assert log_format(flag, environ) == style


def test_a_format_that_is_none_starts_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["serve", "--log-format", "xml"]) == 1
    assert "--log-format: should be text or json" in capsys.readouterr().err


def test_the_log_goes_to_standard_error(monkeypatch: pytest.MonkeyPatch):
    stream, root = io.StringIO(), logging.getLogger()
    kept, level = root.handlers[:], root.level
    monkeypatch.setattr(sys, "stderr", stream)
    root.handlers.clear()
    try:
        write_log("json")
        logging.getLogger("weighbridge.x").info("hello")
    finally:
        root.handlers[:], root.level = kept, level
    assert orjson.loads(stream.getvalue())["message"] == "hello"
