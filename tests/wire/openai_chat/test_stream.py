from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import Blocked, GatewayError, InvalidAnswer, StreamBroken, StreamFailed
from gateway.core.ports import TextScreen
from gateway.wire.openai_chat import DIALECT
from gateway.wire.openai_chat.stream import screened_reader
from gateway.wire.openai_stream import DONE, MAX_EARLY, write_event
from tests.support.chat_streams import MadeUp, made_up_streams
from tests.support.streams import (
    HoldingScreen,
    OpenScreen,
    Outcome,
    ToyScreen,
    client_chunks,
    client_texts,
    cut,
    cuttings,
    golden_cases,
    redact,
    relay,
    single_bytes,
    stream_request,
)

RECORDED = {case.stem: case.read_bytes() for case in golden_cases("openai_chat")}


def screened(pieces: list[bytes], screen: TextScreen | None = None, **fields: Any) -> Outcome:
    return relay(DIALECT, stream_request(DIALECT, **fields), screen or ToyScreen(), pieces)


def chunk(delta: dict[str, Any], *, index: int = 0, reason: str | None = None, **more: Any) -> bytes:
    choice = {"index": index, "delta": delta, "finish_reason": reason, **more}
    return write_event({"id": "c", "model": "m", "choices": [choice]})


def deltas(outcome: Outcome) -> list[dict[str, Any]]:
    return [choice["delta"] for item in client_chunks(outcome.client) for choice in item["choices"]]


@given(made_up_streams(), cuttings(8_000))
def test_client_reads_the_redacted_text_and_at_every_instant_a_prefix_of_it(stream: MadeUp, marks: list[int]) -> None:
    outcome = screened(cut(stream.data, marks), choices=2)
    assert outcome.error is None
    full = {place: redact(text) for place, text in stream.texts.items()}
    assert client_texts(outcome.client) == full
    sent = b""
    for step in outcome.steps:
        sent += step
        for place, text in client_texts(sent).items():
            assert full[place].startswith(text)
    assert b"SECRET" not in outcome.client
    assert outcome.client.endswith(DONE)


@given(made_up_streams())
def test_log_probabilities_never_spell_out_what_was_edited(stream: MadeUp) -> None:
    tokens: dict[int, str] = defaultdict(str)
    for item in client_chunks(screened(stream.events, choices=2).client):
        for choice in item["choices"]:
            for token in (choice["logprobs"] or {"content": []})["content"]:
                tokens[choice["index"]] += token["token"]
    assert not any("SECRET" in text for text in tokens.values())


@given(made_up_streams(), cuttings(8_000))
def test_any_cut_gives_the_same_bytes(stream: MadeUp, marks: list[int]) -> None:
    assert screened(cut(stream.data, marks), choices=2).client == screened([stream.data], choices=2).client


@given(made_up_streams())
def test_text_that_is_held_to_the_end_still_arrives_whole(stream: MadeUp) -> None:
    outcome = screened(stream.events, HoldingScreen(), choices=2)
    assert client_texts(outcome.client) == stream.texts


@given(made_up_streams())
def test_every_choice_still_ends_after_its_last_text(stream: MadeUp) -> None:
    ended: set[int] = set()
    for item in client_chunks(screened(stream.events, choices=2).client):
        for choice in item["choices"]:
            assert choice["index"] not in ended
            if choice["finish_reason"]:
                ended.add(choice["index"])
    assert ended == {0, 1}


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_streams_cut_into_bytes_come_out_alike(name: str) -> None:
    whole, bytewise = screened([RECORDED[name]]), screened(single_bytes(RECORDED[name]))
    assert whole.client == bytewise.client
    assert whole.reader.facts == bytewise.reader.facts
    assert type(whole.error) is type(bytewise.error)
    assert b"SECRET" not in whole.client


HELD = {"tools", "same_index_tools", "legacy_function", "cut", "error_first", "error_mid", "no_done"}


@pytest.mark.parametrize("name", sorted(RECORDED.keys() - HELD))
def test_what_is_released_as_it_came_passes_byte_for_byte(name: str) -> None:
    assert screened([RECORDED[name]], OpenScreen()).client == RECORDED[name]


@given(st.sampled_from(sorted(RECORDED)), st.lists(st.tuples(st.integers(0, 6_000), st.binary(max_size=6)), max_size=4))
def test_damaged_streams_raise_only_declared_errors(name: str, damage: list[tuple[int, bytes]]) -> None:
    data = RECORDED[name]
    for place, junk in damage:
        data = data[:place] + junk + data[place + len(junk) // 2 :]
    outcome = screened([data])
    assert outcome.error is None or isinstance(outcome.error, GatewayError)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["SECRET", "text", "", "SEC"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["index", "id", "text", "function", "arguments", "SECRET"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)
ODD = st.dictionaries(
    st.sampled_from(
        ["content", "tool_calls", "function_call", "role", "reasoning", "reasoning_details", "audio", "SECRET", "x"]
    ),
    JSON,
    max_size=3,
)


@given(st.lists(st.tuples(ODD | JSON, st.sampled_from([None, "stop", 1, "SECRET", ["SECRET"]])), max_size=4), JSON)
def test_odd_shapes_neither_crash_nor_leak(shapes: list[tuple[Any, Any]], extra: Any) -> None:
    pieces = [
        write_event(
            {
                "id": "c",
                "new": extra,
                "choices": [
                    {"index": 0, "delta": delta, "finish_reason": reason, "also": extra, "logprobs": {"content": extra}}
                ],
            }
        )
        for delta, reason in shapes
    ]
    outcome = screened([*pieces, write_event({"choices": extra}), DONE])
    assert outcome.error is None or isinstance(outcome.error, InvalidAnswer)
    assert b"SECRET" not in outcome.client


def test_tokens_that_are_not_in_the_text_are_not_shown() -> None:
    def token(text: str) -> dict[str, Any]:
        return {"token": text, "bytes": list(text.encode())}

    told = chunk(
        {"content": "é!"},
        logprobs={"content": [{"token": "\\xc3", "bytes": [0xC3]}, {"token": "\\xa9!", "bytes": [0xA9, 33]}]},
    )
    more = chunk({"content": "a"}, logprobs={"content": [token("a"), token("hidden")]})
    outcome = screened([told, more, chunk({}, reason="stop"), DONE])
    assert outcome.client.startswith(told)
    assert [item["choices"][0]["logprobs"] for item in client_chunks(outcome.client)[1:2]] == [None]


def test_kept_is_what_the_client_was_given() -> None:
    outcome = screened([RECORDED["plain"]])
    assert b"".join(outcome.reader.kept) == outcome.client
    assert "[X]" in DIALECT.answer_text(None, outcome.reader.kept)


def test_event_whose_text_is_all_held_back_is_not_sent() -> None:
    reader = DIALECT.stream_reader(stream_request(DIALECT), ToyScreen())
    assert reader.feed(chunk({"role": "assistant", "content": "SEC"})) == b""
    assert reader.feed(chunk({"content": "R"})) == b""
    first = chunk({"role": "assistant", "content": ""})
    assert reader.feed(chunk({"content": "a"})) == first + chunk({"content": "SECRa"})
    assert reader.feed(chunk({"content": "SEC"})) == b""
    assert reader.facts.chunks == 4


@pytest.mark.parametrize("screen", [None, ToyScreen()], ids=["passed", "screened"])
def test_who_speaks_waits_until_something_is_said(screen: ToyScreen | None) -> None:
    reader = DIALECT.stream_reader(stream_request(DIALECT), screen)
    role, ping, text = chunk({"role": "assistant", "content": ""}), b": ping\n\n", chunk({"content": "a"})
    assert reader.feed(role) + reader.feed(ping) == b""
    assert reader.feed(text) == role + ping + text
    assert reader.feed(ping) == ping


@pytest.mark.parametrize("screen", [None, ToyScreen()], ids=["passed", "screened"])
def test_an_error_in_the_place_of_the_first_words_releases_nothing(screen: ToyScreen | None) -> None:
    reader = DIALECT.stream_reader(stream_request(DIALECT), screen)
    error = b'data: {"error":{"message":"busy","code":503}}\n\n'
    with pytest.raises(StreamFailed) as caught:
        reader.feed(chunk({"role": "assistant", "content": ""}) + error)
    assert (caught.value.released, caught.value.status) == (b"", 503)


def test_what_waits_is_bounded_and_leaves_with_the_end() -> None:
    reader = DIALECT.stream_reader(stream_request(DIALECT), None)
    assert reader.feed(b": ping\n\n" * (MAX_EARLY - 1)) == b""
    assert reader.feed(b": ping\n\n") == b": ping\n\n" * MAX_EARLY
    reader = DIALECT.stream_reader(stream_request(DIALECT), None)
    role = chunk({"role": "assistant", "content": ""})
    assert reader.feed(role + DONE) == b""
    assert reader.finish() == role + DONE


def test_held_text_goes_out_before_the_finish_reason() -> None:
    outcome = screened([chunk({"content": "SEC"}), chunk({}, reason="stop"), DONE])
    first, last = client_chunks(outcome.client)
    assert first["choices"][0] == {"index": 0, "delta": {"content": "SEC"}, "logprobs": None, "finish_reason": None}
    assert last["choices"][0]["finish_reason"] == "stop"


def test_end_marker_alone_releases_what_is_held() -> None:
    outcome = screened([chunk({"content": "SEC"}), DONE])
    assert client_texts(outcome.client) == {(0, "content"): "SEC"}


@pytest.mark.parametrize("tail", [[], [b"data: {"]])
def test_cut_stream_releases_nothing_undecided(tail: list[bytes]) -> None:
    outcome = screened([chunk({"content": "x SEC"}), *tail])
    assert isinstance(outcome.error, StreamBroken)
    assert client_texts(outcome.client) == {(0, "content"): "x "}


def test_text_after_the_finish_reason_is_still_screened() -> None:
    outcome = screened([chunk({"content": "a"}, reason="stop"), chunk({"content": "b SECRET"}), DONE])
    assert client_texts(outcome.client) == {(0, "content"): "ab [X]"}


def test_the_same_reasoning_under_two_names_is_found_in_both() -> None:
    pieces = [chunk({"reasoning": part, "reasoning_content": part}) for part in ("SEC", "RET", ".")]
    outcome = screened([*pieces, chunk({}, reason="stop"), DONE])
    assert client_texts(outcome.client) == {(0, "reasoning"): "[X].", (0, "reasoning_content"): "[X]."}


def test_parts_go_on_from_delta_to_delta() -> None:
    parts = [[{"type": "text", "text": part}] for part in ("a SEC", "RET b SE")]
    outcome = screened([*(chunk({"content": part}) for part in parts), chunk({}, reason="stop"), DONE])
    texts = [part["text"] for delta in deltas(outcome) for part in delta.get("content", ())]
    assert "".join(texts) == "a [X] b SE"
    assert all(part["type"] == "text" for delta in deltas(outcome) for part in delta.get("content", ()))


def test_spoken_words_are_screened_and_sound_passes() -> None:
    pieces = [chunk({"audio": {"id": "a", "data": "AAAA", "transcript": part}}) for part in ("my SEC", "RET")]
    outcome = screened([*pieces, chunk({}, reason="stop"), DONE])
    audio = [delta["audio"] for delta in deltas(outcome) if "audio" in delta]
    assert "".join(item["transcript"] for item in audio) == "my [X]"
    assert [item["data"] for item in audio if "data" in item] == ["AAAA", "AAAA"]


def test_unknown_fields_are_screened_wherever_they_stand() -> None:
    choice = {
        "index": 0,
        "delta": {"content": "a", "extra": {"deep": ["SECRET", 1]}},
        "matched": "SECRET",
        "finish_reason": None,
    }
    event = write_event({"id": "c", "citations": ["https://x.test/SECRET"], "SECRET": 1, "choices": [choice]})
    outcome = screened([event, chunk({}, reason="stop"), DONE])
    assert client_chunks(outcome.client)[0] == {
        "id": "c",
        "citations": ["https://x.test/[X]"],
        "[X]": 1,
        "choices": [
            {
                "index": 0,
                "delta": {"content": "a", "extra": {"deep": ["[X]", 1]}},
                "finish_reason": None,
                "matched": "[X]",
            }
        ],
    }


def test_block_stops_the_stream_in_the_dialects_own_way() -> None:
    outcome = screened(
        [chunk({"content": "fine "}) + chunk({"content": "bad"}) + chunk({"content": "never"})],
        ToyScreen(stop_word="bad"),
        choices=2,
    )
    assert isinstance(outcome.error, Blocked)
    end = DIALECT.stream_block(outcome.reader)
    assert client_texts(outcome.client + end) == {(0, "content"): "fine "}
    last = [choice for item in client_chunks(end) for choice in item["choices"]]
    assert [(choice["index"], choice["finish_reason"]) for choice in last] == [
        (0, "content_filter"),
        (1, "content_filter"),
    ]
    assert end.endswith(DONE)


def test_usage_is_hidden_from_who_did_not_ask() -> None:
    usage = write_event({"id": "c", "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4}})
    stream = [chunk({"content": "SECRET"}), chunk({}, reason="stop"), usage, DONE]
    assert not any("usage" in item for item in client_chunks(screened(stream, wants_usage=False).client))
    assert client_chunks(screened(stream).client)[-1]["usage"] == {"prompt_tokens": 3, "completion_tokens": 4}


def test_endless_channels_are_refused() -> None:
    pieces = [chunk({f"field{number}": "SEC"}) for number in range(5_000)]
    assert isinstance(screened(pieces).error, InvalidAnswer)


def test_reader_is_made_for_a_screen() -> None:
    reader = screened_reader(stream_request(DIALECT), OpenScreen())
    assert reader.feed(chunk({"content": "a"})) == chunk({"content": "a"})
