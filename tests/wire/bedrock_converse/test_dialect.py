from __future__ import annotations

import orjson

from gateway.core.errors import Blocked, StreamBroken
from gateway.core.ports import Dialect
from gateway.wire.bedrock_converse import DIALECT
from gateway.wire.bedrock_converse.screened import ScreenedReader
from gateway.wire.bedrock_converse.stream import PassReader
from tests.support.bedrock_streams import client_events
from tests.support.streams import OpenScreen, stream_request


def test_it_is_a_dialect() -> None:
    dialect: Dialect = DIALECT
    assert dialect.name == "bedrock_converse"
    assert isinstance(dialect.stream_reader(stream_request(dialect), None), PassReader)
    assert isinstance(dialect.stream_reader(stream_request(dialect), OpenScreen()), ScreenedReader)


def test_its_errors_are_amazons() -> None:
    assert orjson.loads(DIALECT.error_body(Blocked("r"), "id"))["__type"] == "ValidationException"
    assert client_events(DIALECT.stream_error(StreamBroken("Cut."), "id"))[0][1] == {"message": "Cut."}
