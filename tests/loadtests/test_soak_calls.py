"""That the calls of the soak are what they say: a hundredth meet a fault, and both ends know what is to happen."""

from __future__ import annotations

import pytest

from loadtests.soak_calls import KEPT, UNLUCKY_KEY, VARIANTS, Kind, answer_to, kinds, request_of, text_of, wanted
from tests.parity.speakers import SPEAKERS
from tests.support.chaos import DIALECTS, says_all
from tests.support.raw_client import Raw

KINDS = {each.name: each for each in kinds()}


def body_of(kind: Kind, number: int) -> bytes:
    return request_of(kind, number).partition(b"\r\n\r\n")[2]


def test_of_a_thousand_calls_ten_meet_a_fault() -> None:
    assert sum(each.share for each in KINDS.values()) == 1_000
    assert sum(each.share for each in KINDS.values() if each.key == UNLUCKY_KEY) == 10
    assert len(KINDS) == len(kinds())


@pytest.mark.parametrize("kind", [each for each in kinds() if not each.malformed], ids=lambda each: each.name)
def test_a_provider_finds_what_it_is_to_do(kind: Kind) -> None:
    head, _, body = request_of(kind, 1_234).partition(b"\r\n\r\n")
    assert b"content-length: %d" % len(body) in head
    does, variant, stream = wanted(body)
    assert stream is kind.stream
    assert variant == text_variant(kind, 1_234)
    assert does == kind.does or kind.does in ("secret", "osprey", "kept")


def text_variant(kind: Kind, number: int) -> int:
    return (number % KEPT if kind.does == "kept" else number) % VARIANTS


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_answer_is_whole_and_tells_what_was_used(dialect: str, stream: bool) -> None:
    answer = answer_to(dialect, "well", 3, stream=stream)
    body = answer.data.partition(b"\r\n\r\n")[2]
    if stream:
        # Of this size of chunks, each is in one line behind its length.
        pieces, rest = [], body
        while size := int(rest.partition(b"\r\n")[0], 16):
            _, _, rest = rest.partition(b"\r\n")
            pieces.append(rest[:size])
            rest = rest[size + 2 :]
        body = b"".join(pieces)
    assert not answer.ends
    assert says_all(dialect, Raw(200, {}, body, whole=True), stream=stream)
    read = SPEAKERS[dialect].read_stream(body) if stream else SPEAKERS[dialect].read(body)
    told = read.usage
    assert dialect == "triton" or (told is not None and (told.input_fresh_tokens, told.output_text_tokens) == (103, 29))


def test_answers_that_fail_are_cut_or_end_the_connection() -> None:
    well, cut = (answer_to("openai_chat", does, 0, stream=False) for does in ("well", "cut"))
    assert well.data.startswith(cut.data)
    assert cut.ends
    assert answer_to("gemini", "reset", 0, stream=False).data == b""
    assert b" 500 " in answer_to("gemini", "saved", 0, stream=False).data
    assert b" 200 " in answer_to("openai_chat", "saved", 0, stream=False).data


def test_questions_that_are_kept_are_few_and_all_others_differ() -> None:
    assert len({text_of(KINDS["kept"], number) for number in range(500)}) == KEPT
    assert len({text_of(KINDS["secret"], number) for number in range(500)}) == 500
    assert len({len(body_of(KINDS["secret"], number)) for number in range(1_000)}) > 3
