from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import Blocked, GatewayError, InvalidAnswer, StreamBroken, StreamFailed
from gateway.core.ports import TextScreen
from gateway.wire.openai_responses import DIALECT, STORED
from gateway.wire.openai_responses.screened import MAX_ITEMS
from tests.support.response_streams import (
    MadeUp,
    Stream,
    by_three,
    call,
    documents,
    event,
    made_up_streams,
    message,
    numbers,
    reasoning,
    redacted,
    response,
    streamed,
    told,
)
from tests.support.streams import (
    HoldingScreen,
    OpenScreen,
    Outcome,
    ToyScreen,
    cut,
    cuttings,
    redact,
    relay,
    single_bytes,
    stream_request,
)


def screened(pieces: list[bytes], screen: TextScreen | None = None, **fields: Any) -> Outcome:
    return relay(DIALECT, stream_request(DIALECT, **fields), screen or ToyScreen(), pieces)


def types(data: bytes) -> list[str]:
    return [each["type"] for each in documents(data)]


def full_texts(whole: dict[str, Any]) -> dict[tuple[str, int, int], str]:
    texts: dict[tuple[str, int, int], str] = {}
    for at, item in enumerate(whole["output"]):
        for index, part in enumerate(item.get("content", ())):
            stem = "output_text" if part["type"] == "output_text" else part["type"]
            texts[f"response.{stem}", at, index] = part.get("text", part.get("refusal"))
        for index, part in enumerate(item.get("summary", ())):
            texts["response.reasoning_summary_text", at, index] = part["text"]
        if item["type"] == "function_call":
            texts["response.function_call_arguments", at, 0] = item["arguments"]
        if item["type"] == "custom_tool_call":
            texts["response.custom_tool_call_input", at, 0] = item["input"]
    return {place: text for place, text in texts.items() if text}


@given(made_up_streams(), cuttings(6_000))
def test_client_reads_the_redacted_text_and_at_every_instant_a_prefix_of_it(made: MadeUp, marks: list[int]) -> None:
    outcome = screened(cut(made.stream, marks))
    assert outcome.error is None
    full = {place: redact(text) for place, text in full_texts(made.whole).items()}
    assert told(outcome.client) == {place: text for place, text in full.items() if text}
    sent = b""
    for step in outcome.steps:
        sent += step
        assert all(full[place].startswith(text) for place, text in told(sent).items())


@given(made_up_streams())
def test_every_repeat_says_what_the_deltas_said(made: MadeUp) -> None:
    client = screened([made.stream]).client
    assert b"SECRET" not in client
    events = documents(client)
    assert events[-1]["response"] == redacted(made.whole)
    done = [each["item"] for each in events if each["type"] == "response.output_item.done"]
    assert done == redacted(made.whole["output"])
    texts = told(client)
    for each in events:
        stem = each["type"].removesuffix(".done")
        place = (stem, each.get("output_index", 0), each.get("content_index", each.get("summary_index", 0)))
        if each["type"].endswith(".done") and place in texts:
            assert texts[place] in each.values()


@given(made_up_streams())
def test_numbers_have_no_gap_whatever_is_withheld_or_added(made: MadeUp) -> None:
    for screen in (ToyScreen(), HoldingScreen(), OpenScreen()):
        client = screened([made.stream], screen).client
        assert numbers(client) == list(range(len(numbers(client))))


@given(made_up_streams(), cuttings(6_000))
def test_any_cut_gives_the_same_bytes(made: MadeUp, marks: list[int]) -> None:
    assert screened(cut(made.stream, marks)).client == screened([made.stream]).client


@given(made_up_streams())
def test_text_that_is_held_to_the_end_still_arrives_whole(made: MadeUp) -> None:
    outcome = screened([made.stream], HoldingScreen())
    assert outcome.error is None
    assert told(outcome.client) == full_texts(made.whole)
    assert documents(outcome.client)[-1]["response"] == made.whole


def test_what_is_released_as_it_came_passes_byte_for_byte() -> None:
    whole = response(reasoning("I think.", content=("deep",)), message("Hello there.", "And more.", refusal="no"))
    data = streamed(whole, by_three).data
    assert screened(single_bytes(data), OpenScreen()).client == data


def test_arguments_are_held_until_they_are_whole_and_leave_as_one() -> None:
    data = streamed(response(call("look", '{"a":"SECRET"}')), by_three).data
    client = screened([data]).client
    deltas = [each["delta"] for each in documents(client) if each["type"].endswith("arguments.delta")]
    assert deltas == ['{"a":"[X]"}']
    assert "response.function_call_arguments.done" in types(client)


def test_arguments_are_judged_as_those_of_their_tool() -> None:
    screen = ToyScreen()
    screened([streamed(response(message("hi"), call("look", "{}"))).data], screen)
    named = [channel for channel in screen.given if len(channel) == 3]
    assert [(channel[0], channel[1].partition("/")[0], channel[2]) for channel in named] == [
        (1, "tool_argument", "look")
    ]


def test_log_probabilities_of_edited_text_are_left_out_of_every_repeat() -> None:
    tokens = [{"token": "SECRET", "logprob": -0.1, "bytes": list(b"SECRET"), "top_logprobs": []}]
    said = message("SECRET")
    said["content"][0]["logprobs"] = tokens
    stream = Stream()
    stream.begin(response())
    stream.item(0, said)
    stream.end(response(said))
    data = stream.data
    client = screened([data]).client
    assert b"SECRET" not in client
    assert b'"logprob"' not in client
    # Where the text stays, they stay.
    assert screened([data], OpenScreen()).client == data


def test_annotations_are_screened() -> None:
    stream = Stream()
    stream.begin(response())
    cited = {"type": "url_citation", "url": "https://e/SECRET", "title": "SECRET", "start_index": 0, "end_index": 1}
    stream.add(
        "response.output_text.annotation.added",
        item_id="msg_1", output_index=0, content_index=0, annotation_index=0, annotation=cited,
    )  # fmt: skip
    said = message("x")
    said["content"][0]["annotations"] = [cited]
    stream.end(response(said))
    client = screened([stream.data]).client
    assert b"SECRET" not in client
    assert documents(client)[-1]["response"]["output"][0]["content"][0]["annotations"][0]["title"] == "[X]"


@pytest.mark.parametrize(
    "more",
    [
        {"type": "response.web_search_call.searching", "item_id": "ws_1", "output_index": 0, "query": "SECRET"},
        {"type": "response.brand_new.done", "output_index": 0, "whatever": {"deep": ["SECRET"]}},
        {"type": "response.brand_new", "SECRET": 1},
        {"type": "response.output_text.delta", "delta": "x", "output_index": 0, "content_index": 0, "new": "SECRET"},
        {"type": "response.shell_call_output_content.delta", "output_index": 0, "delta": {"stdout": "SECRET"}},
        {"type": "response.audio.delta", "delta": "SECRET !"},
        {"note": "SECRET"},
    ],
)
def test_events_that_nobody_knows_do_not_leak(more: dict[str, Any]) -> None:
    stream = Stream()
    stream.begin(response())
    stream.events.append(b"data: " + orjson.dumps({**more, "sequence_number": 2}) + b"\n\n")
    stream.number += 1
    stream.end(response())
    outcome = screened([stream.data])
    assert outcome.error is None
    assert b"SECRET" not in outcome.client


def test_text_in_deltas_of_an_unknown_kind_is_screened_across_them() -> None:
    stream = Stream()
    stream.begin(response())
    for piece in ("so SEC", "RET", " it is"):
        stream.add("response.brand_new.delta", output_index=0, delta=piece)
    stream.add("response.brand_new.done", output_index=0, text="so SECRET it is")
    stream.end(response())
    client = screened([stream.data]).client
    assert told(client) == {("response.brand_new", 0, 0): "so [X] it is"}
    assert b"SECRET" not in client


def test_media_pass() -> None:
    stream = Stream()
    stream.begin(response())
    stream.add("response.audio.delta", delta="UklGRg==")
    stream.add(
        "response.image_generation_call.partial_image", output_index=0, item_id="ig_1", partial_image_b64="iVBORw0KGgo="
    )
    stream.end(response())
    assert screened([stream.data]).client == stream.data


def test_an_error_before_any_content_is_an_answer_of_its_own() -> None:
    stream = Stream()
    stream.begin(response())
    failure = {"type": "error", "code": "insufficient_quota", "message": "You are out.", "param": None}
    outcome = screened([stream.data, event(failure)])
    assert outcome.client == b""
    assert isinstance(outcome.error, StreamFailed)
    assert (outcome.error.status, outcome.error.public_message) == (429, "You are out.")


def test_a_rule_that_stops_the_stream_leaves_its_end_to_be_written() -> None:
    data = streamed(response(message("all is STOP well")), by_three).data
    outcome = screened([data], ToyScreen(stop_word="STOP"))
    assert isinstance(outcome.error, Blocked)
    client = outcome.client + DIALECT.stream_block(outcome.reader)
    events = documents(client)
    assert numbers(client) == list(range(len(events)))
    ended = events[-1]
    assert ended["type"] == "response.incomplete"
    assert ended["response"]["incomplete_details"] == {"reason": "content_filter"}
    said = told(client)["response.output_text", 0, 0]
    assert "all is STOP".startswith(said)
    assert ended["response"]["output"][0]["content"][0]["text"] == said
    assert ended["response"]["output"][0]["status"] == "incomplete"


def test_a_stream_that_breaks_off_says_so() -> None:
    data = streamed(response(message("hello"))).events
    outcome = screened(data[:6])
    assert isinstance(outcome.error, StreamBroken)


def test_a_stored_stream_goes_on_after_the_event_that_was_seen() -> None:
    data = streamed(response(message("so SECRET it is")), by_three).data
    whole = relay(STORED, stream_request(STORED, operation="", detached=True), ToyScreen(), [data])
    for seen in (0, 3, 6, 50):
        rest = relay(STORED, stream_request(STORED, operation="", detached=True, after=seen), ToyScreen(), [data])
        assert whole.client.endswith(rest.client)
        assert numbers(rest.client) == [number for number in numbers(whole.client) if number > seen]


def test_an_answer_of_endless_items_is_refused() -> None:
    stream = Stream()
    stream.begin(response())
    for at in range(MAX_ITEMS + 2):
        stream.add("response.output_item.added", output_index=at, item={"type": "x"})
    outcome = screened([stream.data])
    assert isinstance(outcome.error, InvalidAnswer)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["SECRET", "text", "", "SEC", "message"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["id", "text", "type", "content", "arguments", "SECRET", "summary"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)
KINDS = st.sampled_from(
    [
        "response.output_text.delta", "response.output_text.done", "response.output_item.added",
        "response.output_item.done", "response.content_part.added", "response.content_part.done",
        "response.function_call_arguments.delta", "response.function_call_arguments.done", "response.in_progress",
        "response.reasoning_summary_part.done", "response.output_text.annotation.added", "response.new",
        "response.x.delta",
    ]
)  # fmt: skip
ODD = st.dictionaries(
    st.sampled_from(
        ["output_index", "content_index", "delta", "item", "part", "text", "arguments", "SECRET", "response"]
    ),
    JSON,
    max_size=4,
)


@given(st.lists(st.tuples(KINDS, ODD), max_size=5))
def test_odd_shapes_neither_crash_nor_leak(shapes: list[tuple[str, dict[str, Any]]]) -> None:
    stream = Stream()
    stream.begin(response())
    for kind, more in shapes:
        stream.add(kind, **more)
    stream.end(response())
    outcome = screened([stream.data])
    assert outcome.error is None or isinstance(outcome.error, GatewayError)
    assert b"SECRET" not in outcome.client
