import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cache.renewal import Renewing, event_stream, kept_form, mould, poured, renewed

NEW = "0192f0c1-2345-7000-8000-0123456789ab"


def again(dialect: str, body: bytes, *, stream: bool = False) -> bytes:
    kept = kept_form(dialect, body, stream=stream)
    assert b"secret" not in kept
    return renewed(kept, NEW, 1_800_000_000)


@pytest.mark.parametrize(
    ("dialect", "document", "expected"),
    [
        ("openai_chat", {"id": "chatcmpl-secret", "created": 5}, {"id": "chatcmpl-ID", "created": 1_800_000_000}),
        ("openai_responses", {"id": "resp_secret", "created_at": 5, "output": [{"id": "msg_1"}]},
         {"id": "resp_ID", "created_at": 1_800_000_000, "output": [{"id": "msg_1"}]}),
        ("anthropic_messages", {"id": "msg_secret", "type": "message"}, {"id": "msg_ID", "type": "message"}),
        ("gemini", {"responseId": "secretsecret"}, {"responseId": "ID"}),
        ("bedrock_converse", {"output": {}}, {"output": {}}),
        ("openai_embeddings", {"data": []}, {"data": []}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("option", [0, orjson.OPT_INDENT_2])
def test_id_and_time_are_new_each_time(dialect: str, document: object, expected: object, option: int):
    told = again(dialect, orjson.dumps(document, option=option))
    assert orjson.loads(told.replace(NEW.replace("-", "").encode(), b"ID")) == expected


def test_every_event_of_a_stream_is_renewed():
    events = b'data: {"id":"chatcmpl-secret","created": 7,"n":1}\n\ndata: {"id":"chatcmpl-secret","created": 7}\n\n'
    told = again("openai_chat", events + b"data: [DONE]\n\n", stream=True)
    new = b"chatcmpl-" + NEW.replace("-", "").encode()
    assert told == events.replace(b"chatcmpl-secret", new).replace(b" 7", b" 1800000000") + b"data: [DONE]\n\n"


def test_what_the_model_says_stays_as_it_is():
    said = 'an id is "chatcmpl-1234567" and "created":5, or "created":4102444800'
    document = {"id": "chatcmpl-1234567", "created": 5, "text": said}
    told = orjson.loads(again("openai_chat", orjson.dumps(document)))
    assert told["text"] == said
    assert told["id"] != document["id"]


@pytest.mark.parametrize("body", [b"", b"no json", b"[]", b'{"id": 5}', b'{"id": "x"}', b"data: {\n\n"])
def test_what_names_no_id_is_kept_as_it_is(body: bytes):
    assert kept_form("openai_chat", body, stream=body.startswith(b"data")) == body


def test_streams_have_the_type_of_their_dialect():
    assert event_stream("openai_chat") == b"text/event-stream; charset=utf-8"
    assert event_stream("bedrock_converse") == b"application/vnd.amazon.eventstream"


@given(st.lists(st.integers(1, 40), max_size=12))
def test_a_stream_that_is_followed_has_an_id_of_its_own_however_it_is_cut(cuts: list[int]):
    events = b'data: {"id":"chatcmpl-secret","t":"chatcmpl-secret"}\n\n' * 3 + b"data: [DONE]\n\n"
    events += b"data: unended"
    renewing, told, at = Renewing("openai_chat", NEW), b"", 0
    for cut in (*cuts, len(events)):
        told += renewing.feed(events[at : at + cut])
        at += cut
    told += renewing.rest()
    assert told == events.replace(b"chatcmpl-secret", b"chatcmpl-" + NEW.replace("-", "").encode())


def test_a_stream_without_ids_is_followed_as_it_is():
    renewing = Renewing("bedrock_converse", NEW)
    assert renewing.feed(b"\x00\x01") + renewing.rest() == b"\x00\x01"


@pytest.mark.parametrize("space", ["", " "])
def test_a_mould_gives_what_renewing_gives(space: str):
    body = f'{{"id":{space}"chatcmpl-secret","created":{space}7,"text":"{{}}"}}'.encode()
    kept = kept_form("openai_chat", body, stream=False)
    assert poured(mould(kept), NEW, 1_800_000_000) == renewed(kept, NEW, 1_800_000_000)
