from __future__ import annotations

import inspect
from pathlib import Path

import orjson
import pytest

from gateway.core import errors
from gateway.core.errors import Blocked, Bug, Draining, GatewayError, StreamFailed
from gateway.wire.openai_errors import error_body, error_event

GOLDEN = Path(__file__).parents[1] / "golden" / "openai_errors" / "every_class.json"
EXCHANGE = "01890a5d-ac96-774b-bcce-b302099a8057"


def every_class() -> list[type[GatewayError]]:
    found = [item for _, item in inspect.getmembers(errors, inspect.isclass) if issubclass(item, GatewayError)]
    return sorted(found, key=lambda item: item.__name__)


def example(kind: type[GatewayError]) -> GatewayError:
    if kind is Blocked:
        return Blocked("no-keys")
    if kind is Draining:
        return Draining()
    if "param" in inspect.signature(kind).parameters:
        return kind(f"What {kind.__name__} says.", param="messages[0].content")
    return kind(f"What {kind.__name__} says.")


def test_every_error_class_has_its_golden_status_and_body() -> None:
    shown = {
        kind.__name__: {"status": example(kind).status, **orjson.loads(error_body(example(kind), EXCHANGE))}
        for kind in every_class()
    }
    assert shown == orjson.loads(GOLDEN.read_bytes())


@pytest.mark.parametrize("kind", [Bug, errors.GatewayFault, errors.Misconfigured, GatewayError])
def test_fault_of_ours_shows_the_exchange_and_not_what_it_says(kind: type[GatewayError]) -> None:
    body = error_body(kind("redis://:hunter2@store refused"), EXCHANGE)
    assert b"hunter2" not in body
    assert EXCHANGE.encode() in body


def test_error_of_a_stream_shows_the_providers_own_object() -> None:
    detail = b'{"message":"No quota left","type":"insufficient_quota","param":null,"code":"insufficient_quota"}'
    body = error_body(StreamFailed("The provider reported an error.", detail=detail), EXCHANGE)
    assert body == b'{"error":' + detail + b"}"


def test_event_is_one_data_line_and_a_blank_line() -> None:
    event = error_event(errors.StreamBroken("line one\nline two"), EXCHANGE)
    assert event.startswith(b"data: {")
    assert event.endswith(b"}\n\n")
    assert event.count(b"\n") == 2
    assert orjson.loads(event[6:])["error"]["message"] == "line one\nline two"
