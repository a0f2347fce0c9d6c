"""Texts of a stream under every form of detector and every action: pieces give what the whole gives."""

from __future__ import annotations

import random
from typing import Any

import pytest

from gateway.core.errors import Blocked
from gateway.core.ports import Channel
from gateway.core.verdict import Bundle, DetectorSpec, PatternSpec, Step, Thresholds
from gateway.guards.engine import GuardEngine
from gateway.guards.stream import StreamScreen
from gateway.guards.vault import Masks, Vault
from gateway.wire.openai_chat import DIALECT
from tests.guards.handmade import BIRDS, MAILS, PLUGINS, Brackets, does, engine, named
from tests.guards.planted import cuts
from tests.guards.test_plan import FACTS

TEXT: Channel = (0, "text")
ODD = DetectorSpec(
    name="odd",
    use="pattern",
    patterns=(
        PatternSpec(name="PIN", expression="[0-9]{4,6}", label="PIN", max_chars=6, context=("pin", "code")),
        PatternSpec(
            name="KEY", expression="k-[a-z]{4}", label="KEY", validator="word", max_chars=8, allow=("k-sample*",)
        ),
        PatternSpec(name="LOW", expression="low[0-9]", label="LOW", max_chars=4, score=0.2),
    ),
    min_score=0.5,
)
KINDS = (BIRDS, MAILS, ODD, named("brackets"), named("shouting"))
WORDS = (
    "osprey", "an ", "a@b.example", "<nest>", "<", ">", "<a@b.example>", "pin ", "1234", "1234567", "code: 9999", " ",
    "k-sampleabc", "k-realabcdef", "k-abcdefghij.", "low1", "<osprey>", "Hello! ", "\n", "[EMAIL_1:abcd]", "é", "ospre",
    "@",
)  # fmt: skip
RULES = {
    "mixed": (
        does("b", "birds", "redact"),
        does("m", "mails", "mask"),
        does("o", "odd", "redact"),
        does("br", "brackets", Step(action="rewrite", rewrite="text_only")),
    ),
    "gone": (does("br", "brackets|mails", Step(action="rewrite", rewrite="remove")), does("o", "odd|birds", "mask")),
    "watched": (does("m", "mails", "redact"), does("s", "shouting", "annotate"), does("a", "birds&odd", "annotate")),
    "whole": (does("s", "shouting|birds", "redact"), does("m", "mails", "mask")),
}
ENGINES: dict[str, GuardEngine] = {name: engine(*rules, kinds=KINDS) for name, rules in RULES.items()}


def screen(name: str) -> StreamScreen:
    return ENGINES[name].plan(FACTS).stream_screen(Masks(Vault(b"k" * 32)))


def whole(name: str, text: str) -> str:
    screening = ENGINES[name].plan(FACTS).response.screening("assistant", "text", "")
    finding = screening.screen(text, masks=Masks(Vault(b"k" * 32)))
    return text if finding is None or finding.text is None else finding.text


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("seed", range(40))
def test_what_is_released_is_always_a_prefix_of_what_the_whole_becomes(name: str, seed: int) -> None:
    source = random.Random(seed)
    text = "".join(source.choices(WORDS, k=30))
    expected = whole(name, text)
    guard = screen(name)
    out = ""
    for piece in cuts(source, text, 1, source.choice((1, 4, 40))):
        out += guard.feed(TEXT, piece)
        assert expected.startswith(out)
    out += guard.finish(TEXT)
    assert out == expected
    assert guard.released == len(out)


def test_context_words_and_samples_decide() -> None:
    assert whole("mixed", "pin 1234 and 1234") == "pin [PIN] and [PIN]"
    assert whole("mixed", "spin 1234") == "spin 1234"
    assert whole("mixed", "pin" + " " * 70 + "1234") == "pin" + " " * 70 + "1234"
    assert whole("mixed", "k-sampleabc k-other1") == "k-sampleabc [KEY]"
    assert whole("mixed", "low1") == "low1"


def test_events_are_the_same_for_pieces_and_the_whole() -> None:
    for seed in range(20):
        source = random.Random(seed)
        text = "".join(source.choices(WORDS, k=20))
        guard = screen("watched")
        for piece in cuts(source, text, 1, 5):
            guard.feed(TEXT, piece)
        guard.finish(TEXT)
        message = {"choices": [{"index": 0, "message": {"role": "assistant", "content": text}}]}
        from_whole = _events(ENGINES["watched"], message)
        assert sorted((e.rule, e.detector, e.start, e.end) for e in guard.events) == from_whole


def _events(guards: GuardEngine, message: Any) -> list[tuple[str, str, int, int]]:
    from_gate = guards.plan(FACTS).screen_answer(DIALECT, message).events
    return sorted((e.rule, e.detector, e.start, e.end) for e in from_gate)


def test_a_detector_of_whole_texts_that_only_observes_holds_nothing() -> None:
    guard = screen("watched")
    assert guard.feed(TEXT, "HEY THERE ") == "HEY THERE "
    assert guard.feed(TEXT, "YOU!") == "YOU!"
    guard.finish(TEXT)
    assert [(e.rule, e.detector) for e in guard.events] == [("s", "shouting/mark"), ("s", "shouting/capitals")]


def test_points_of_a_stream_add_up_and_block_before_the_text_leaves() -> None:
    rules = (does("b", "birds", Step(action="score", score=2)), does("m", "mails", Step(action="score", score=3)))
    guards = engine(*rules, kinds=KINDS, response_scoring=Thresholds(annotate=2, block=5))
    guard = guards.plan(FACTS).stream_screen()
    assert guard.feed(TEXT, "osprey osprey ") == "osprey osprey "
    assert (guard.score, guard.action) == (2, "score")
    with pytest.raises(Blocked) as blocked:
        guard.feed(TEXT, "then a@b.example and more")
    assert blocked.value.rule == "scoring:response"
    assert (guard.action, guard.released) == ("block", 14)
    quiet = guards.plan(FACTS).stream_screen()
    quiet.feed((0, "text"), "osprey ")
    quiet.feed((1, "text"), "osprey ")
    assert quiet.score == 4, "each text counts once"


class _Stuck(Brackets):
    def pending(self, text: str, at: int) -> int:
        raise ValueError(text)


@pytest.mark.parametrize(("on_error", "ends"), [("block", True), ("allow", False)])
def test_a_piece_detector_that_breaks_ends_the_stream_or_is_left_out(on_error: Any, *, ends: bool) -> None:
    kinds = (BIRDS, named("stuck", on_error=on_error))
    plugins = {**PLUGINS, "stuck": lambda spec: _Stuck(spec.name)}
    made = Bundle(revision="r", detectors=kinds, rules=(does("b", "birds|stuck", "redact"),))
    guards = GuardEngine(made, lambda: 0, plugins=plugins)
    guard = guards.plan(FACTS).stream_screen()
    if ends:
        with pytest.raises(Blocked) as blocked:
            guard.feed(TEXT, "hello")
        assert blocked.value.rule == "on_error:stuck"
    else:
        assert guard.feed(TEXT, "hello ") == "hello "
        assert guard.feed(TEXT, "osprey.") == "[BIRD]."
        assert guard.failures == 1
        assert "hello" not in repr(guard.events)
