from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import Blocked, InvalidAnswer
from gateway.core.ports import Channel
from gateway.wire.passthrough.screened import MAX_HELD_BYTES, ScreenedReader

RESPONSES = (Path(__file__).parents[2] / "golden" / "passthrough" / "responses.sse").read_bytes()
KEY = "AKIAIOSFODNN7EXAMPLE"


class Redactor:
    """A screen that replaces one word, holding every channel's text back to its end."""

    def __init__(self, word: str, *, blocks: bool = False) -> None:
        self.word = word
        self.blocks = blocks
        self.seen: dict[Channel, str] = {}

    def feed(self, channel: Channel, text: str) -> str:
        self.seen[channel] = self.seen.get(channel, "") + text
        if self.blocks and self.word in self.seen[channel]:
            raise Blocked("no-keys")
        return ""

    def finish(self, channel: Channel) -> str:
        return self.seen[channel].replace(self.word, "[KEY]")

    def seal(self, channel: Channel) -> None:
        pass


class NamedRedactor(Redactor):
    rule = "mask-keys"


def read(data: bytes, screen: Redactor, sizes: list[int]) -> tuple[bytes, ScreenedReader]:
    reader = ScreenedReader(screen)
    for size in sizes:
        assert reader.feed(data[:size]) == b""
        data = data[size:]
    assert reader.feed(data) == b""
    return reader.finish(), reader


def chunk(**fields: object) -> bytes:
    return b"data: " + orjson.dumps(fields) + b"\n\n"


def is_blocked(data: bytes, word: str = KEY) -> bool:
    try:
        read(data, Redactor(word), [])
    except Blocked:
        return True
    return False


def test_a_clean_stream_is_let_through_whole_at_its_end() -> None:
    screen = Redactor("nothing like it")
    out, reader = read(RESPONSES, screen, [100] * 10)
    assert out == RESPONSES
    assert b"".join(reader.kept) == RESPONSES
    assert reader.facts.chunks == 12
    assert reader.facts.usage is not None
    assert reader.rule == ""


@given(st.sampled_from([RESPONSES, b"raw \xff bytes\n\nof audio", b""]), st.lists(st.integers(0, 90), max_size=40))
def test_any_cut_is_inspected_alike(data: bytes, sizes: list[int]) -> None:
    whole, pieces = Redactor("nowhere"), Redactor("nowhere")
    assert read(data, whole, [])[0] == read(data, pieces, sizes)[0] == data
    assert whole.seen == pieces.seen


def test_a_secret_split_over_deltas_stops_the_stream_and_nothing_of_it_stays() -> None:
    deltas_only = b"".join(event + b"\n\n" for event in RESPONSES.split(b"\n\n") if b".delta" in event)
    reader = ScreenedReader(NamedRedactor(KEY))
    reader.feed(deltas_only)
    with pytest.raises(Blocked) as blocked:
        reader.finish()
    assert blocked.value.rule == reader.rule == "mask-keys"
    assert reader.kept == []
    assert reader.facts.chunks == 5


def test_a_rule_that_does_not_say_its_name_is_still_a_block() -> None:
    with pytest.raises(Blocked) as blocked:
        read(RESPONSES, Redactor(KEY), [])
    assert blocked.value.rule == "response-rule"


def test_a_block_of_the_screens_own_goes_up_with_its_rule() -> None:
    reader = ScreenedReader(Redactor(KEY, blocks=True))
    reader.feed(RESPONSES)
    with pytest.raises(Blocked) as blocked:
        reader.finish()
    assert blocked.value.rule == reader.rule == "no-keys"


@pytest.mark.parametrize(
    "data",
    [
        chunk(text=KEY),
        chunk(a={"b": [["x", KEY]]}),
        chunk(**{KEY: 1}),
        chunk(type="t", i=0, d="AKIAIOSF") + chunk(type="t", i=1, d="ODNN7EXAMPLE"),
        b": " + KEY.encode() + b"\n\n",
        b"event: " + KEY.encode() + b"\ndata: {}\n\n",
        b"weird: " + KEY.encode() + b"\ndata: {}\n\n",
        b"data: not json " + KEY.encode() + b"\n\n",
        b"data: AKIAIOSF\n\ndata: ODNN7EXAMPLE\n\n",
        b"no events at all: " + KEY.encode(),
        b'{"ndjson":"' + KEY.encode() + b'"}\n',
        b'data: {"cut":"' + KEY.encode(),
    ],
)
def test_text_is_found_wherever_a_stream_can_carry_it(data: bytes) -> None:
    assert is_blocked(data)
    assert not is_blocked(data, "somebody else's")


def test_text_that_another_choice_interrupts_is_put_together() -> None:
    interleaved = b"".join(
        chunk(choices=[{"index": index, "delta": {"content": text}}])
        for index, text in [(0, "AKIAIOSF"), (1, "hello "), (0, "ODNN7EXAMPLE"), (1, "world")]
    )
    assert is_blocked(interleaved)
    assert is_blocked(interleaved, "hello world")


def test_text_that_changes_its_index_on_the_way_is_put_together() -> None:
    moving = chunk(type="d", output_index=0, delta="AKIAIOSF") + chunk(type="d", output_index=1, delta="ODNN7EXAMPLE")
    assert is_blocked(moving)


def test_text_of_different_places_is_not_put_together() -> None:
    assert not is_blocked(chunk(type="a", d="AKIAIOSF") + chunk(type="b", d="ODNN7EXAMPLE"))
    assert not is_blocked(chunk(a="AKIAIOSF", b="ODNN7EXAMPLE"))


def test_media_is_not_inspected() -> None:
    screen = Redactor("aGVsbG8")
    data = chunk(url="data:image/png;base64,aGVsbG8=")
    assert read(data, screen, [])[0] == data


def test_a_stream_too_large_to_hold_back_is_refused() -> None:
    reader = ScreenedReader(Redactor(KEY))
    event = b"data: " + b"x" * (MAX_HELD_BYTES - 8) + b"\n\n"
    assert reader.feed(event) == b""
    with pytest.raises(InvalidAnswer, match="larger"):
        reader.feed(b"\n")
