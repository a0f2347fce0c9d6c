from __future__ import annotations

from typing import Any

import orjson
import pytest

from gateway.core.errors import MalformedRequest, UnsupportedField
from gateway.core.exchange import Incoming
from gateway.wire.counted_texts import text_bytes
from gateway.wire.passthrough import KSERVE
from gateway.wire.passthrough.binary import HEAD_LENGTH, has_binary, open_answer, read_binary, write_binary

NUMBERS = b"\1\2\3\4"


def tensor(name: str, datatype: str, data: bytes) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": [1], "parameters": {"binary_data_size": len(data)}}


def body_of(*texts: str, blanks: str = "") -> tuple[bytes, int]:
    raw = text_bytes(texts)
    inputs = [tensor("n", "FP32", NUMBERS), tensor("t", "BYTES", raw), tensor("m", "FP32", NUMBERS)]
    head = orjson.dumps({"inputs": [*inputs, {"name": "j", "data": ["in json"]}]}) + blanks.encode()
    return b"".join((head, NUMBERS, raw, NUMBERS)), len(head)


def incoming(body: bytes, length: int) -> Incoming:
    headers = {HEAD_LENGTH: b"%d" % length}
    return Incoming("POST", "/v2/models/m/infer", "", headers, body, "", 0, memo={})


def test_rules_see_the_texts_and_bytes_pass_as_they_came() -> None:
    body, length = body_of("key one", "two")
    request = KSERVE.parse(incoming(body, length), None)
    assert {"key one", "two", "in json"} <= {segment.text for segment in KSERVE.segments(request.document)}
    assert KSERVE.upstream_body(request, request.document, "m") is body


@pytest.mark.parametrize("edited", ["k", "key one", "", "éé"])
def test_an_edited_text_is_written_raw_and_the_head_keeps_its_length(edited: str) -> None:
    body, length = body_of("key one", "two")
    document = read_binary(body, b"%d" % length)
    inputs = [*document["inputs"]]
    inputs[1] = {**inputs[1], "data": [edited, "two"]}
    written = write_binary({"inputs": inputs}, body)
    again = read_binary(written, b"%d" % length)
    assert [each.get("data") for each in again["inputs"]] == [None, [edited, "two"], None, ["in json"]]
    assert written[length:].startswith(NUMBERS)
    assert written.endswith(NUMBERS)


def test_a_head_that_would_become_longer_is_refused() -> None:
    body, length = body_of("a")
    document = read_binary(body, b"%d" % length)
    inputs = [*document["inputs"]]
    inputs[1] = {**inputs[1], "data": ["a" * 100]}
    with pytest.raises(UnsupportedField):
        write_binary({"inputs": inputs}, body)
    body, length = body_of("a", blanks="    ")
    document = read_binary(body, b"%d" % length)
    assert len(write_binary({"inputs": inputs}, body)) == len(body) + 99


def test_what_is_no_text_is_read_as_well_as_it_can_be_and_stays_as_it_came() -> None:
    for raw, shown in ((b"\3\0\0\0k\xffy", "k\ufffdy"), (b"\xff\0\0\0key", "\ufffd\0\0\0key")):
        head = orjson.dumps({"inputs": [tensor("t", "BYTES", raw), tensor("u", "BYTES", text_bytes(["two"]))]})
        body = head + raw + text_bytes(["two"])
        document = read_binary(body, b"%d" % len(head))
        assert document["inputs"][0]["data"] == [shown]
        assert has_binary(document)
        inputs = [document["inputs"][0], {**document["inputs"][1], "data": ["1"]}]
        assert write_binary({"inputs": inputs}, body)[len(head) :] == raw + text_bytes(["1"])
    assert not has_binary({"inputs": [{"data": [1]}]})


def test_an_answer_is_opened_and_its_head_may_grow() -> None:
    raw = text_bytes(["a secret"])
    outputs = [tensor("n", "FP32", NUMBERS), tensor("text_output", "BYTES", raw)]
    head = orjson.dumps({"model_name": "m", "outputs": outputs})
    headers = {HEAD_LENGTH: b"%d" % len(head)}
    opened = open_answer(headers, head + NUMBERS + raw)
    assert opened is not None
    document, encode = opened
    assert [each.text for each in KSERVE.answer_segments(document) if each.kind == "text"] == ["a secret"]
    assert KSERVE.answer_text(document, []) == "a secret"
    outputs = [*document["outputs"]]
    outputs[1] = {**outputs[1], "data": ["x" * 1000]}
    written = encode({**document, "outputs": outputs})
    again = open_answer(headers, written)
    assert again is not None
    assert again[0]["outputs"][1]["data"] == ["x" * 1000]
    assert again[0]["outputs"][0]["raw"] == NUMBERS


@pytest.mark.parametrize("headers", [{}, {HEAD_LENGTH: b"x"}, {HEAD_LENGTH: b"3"}, {HEAD_LENGTH: b"99"}])
def test_an_answer_that_is_none_of_these(headers: dict[bytes, bytes]) -> None:
    assert open_answer(headers, b"{}") is None


@pytest.mark.parametrize("length", [b"x", b"9999", b"", b"-1"])
def test_a_length_that_is_none(length: bytes) -> None:
    with pytest.raises(MalformedRequest):
        read_binary(b"{}", length)


@pytest.mark.parametrize("size", [-1, 3, 5])
def test_sizes_that_do_not_fit(size: int) -> None:
    head = orjson.dumps({"inputs": [{"parameters": {"binary_data_size": size}}]})
    with pytest.raises(MalformedRequest):
        read_binary(head + NUMBERS, b"%d" % len(head))
