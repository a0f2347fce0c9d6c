from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.app.policies import InForce
from gateway.app.recorded_calls import NotAgain, RecordedCall, call_of, line_of
from gateway.app.rejudging import Cuts, Outcome, Rejudge, without_outside
from gateway.core.ports import Channel
from tests.support.recorded import event, line, policies

WORDS = """\
detectors:
  o: {use: pattern, patterns: ["osprey"]}
  h: {use: pattern, patterns: ["heron"]}
  c: {use: pattern, patterns: ["crane"]}
rules:
  - {id: no-osprey, match: {direction: [request, response]}, when: o, do: block, mode: enforce}
  - {id: heron-out, match: {direction: [request, response]}, when: h, do: redact, mode: enforce}
  - {id: crane-seen, match: {direction: [request, response]}, when: c, do: block, mode: audit}
"""


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> InForce:
    return policies(tmp_path_factory.mktemp("words"), "words", WORDS)


def call(asked: str, said: str = "", **changes: Any) -> RecordedCall:
    return call_of(line_of(line(asked, said, **changes)))


def judged(bundle: InForce, *calls: RecordedCall, glance: bool = False) -> list[Outcome]:
    rejudge = Rejudge(bundle.engine)

    async def judge() -> list[Outcome]:
        return [await rejudge.judge(each, glance=glance) for each in calls]

    return asyncio.run(judge())


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("glance", [False, True])
def test_requests_and_answers_are_judged_whole_and_streamed(words: InForce, stream: bool, glance: bool):
    calls = [
        call("a plain text", "and a plain answer to it", stream=stream),
        call("an osprey", "never judged: heron", stream=stream),
        call("a bird", "it is an osprey, and nothing else", stream=stream),
        call("a heron", "a crane and a heron by the lake", stream=stream),
    ]
    plain, asked, said, edited = judged(words, *calls, glance=glance)
    assert (plain.verdict, plain.events, plain.left) == ("allow", [], b"")
    assert (asked.verdict, asked.rule, [each.direction for each in asked.events]) == ("block", "no-osprey", ["request"])
    assert (said.verdict, said.rule, [each.direction for each in said.events]) == ("block", "no-osprey", ["response"])
    assert (edited.verdict, bool(edited.left)) == ("edit", True)
    assert sorted((each.rule, each.direction, each.start) for each in edited.events) == [
        ("crane-seen", "response", 2), ("heron-out", "request", 2), ("heron-out", "response", 14),
    ]  # fmt: skip


def test_what_edits_leave_differs_where_other_words_are_left(words: InForce):
    one, same, other = judged(words, call("a heron"), call("a heron"), call("the heron"))
    assert one.left == same.left != other.left


def test_a_session_that_was_tainted_stays_so_for_the_calls_after(tmp_path: Path):
    bundle = policies(
        tmp_path,
        "taints",
        "detectors:\n  o: {use: pattern, patterns: ['osprey']}\n  h: {use: pattern, patterns: ['heron']}\n"
        "rules:\n"
        "  - {id: t, match: {direction: request}, when: o, do: {taint: session}, mode: enforce}\n"
        "  - {id: b, match: {direction: request, tainted: true}, when: h, do: block, mode: enforce}\n",
    )
    hour_us = 3_600_000_000
    calls = [
        call("heron", session_id="s"),
        call("osprey", session_id="s"),
        call("heron", session_id="s"),
        call("heron", session_id="other"),
        call("heron", session_id="s", started_us=1_790_000_000_000_000 + 2 * hour_us),
    ]
    assert [each.verdict for each in judged(bundle, *calls)] == ["allow", "annotate", "block", "allow", "allow"]


def test_what_a_call_made_of_its_session_is_taken_from_the_record_where_it_cannot_be_judged(tmp_path: Path):
    text = (
        "detectors:\n  o: {use: pattern, patterns: ['osprey']}\n"
        "rules:\n"
        "  - {id: t, match: {direction: request}, when: o, do: {taint: session}, mode: enforce}\n"
        "  - {id: b, match: {direction: request, tainted: true}, when: o, do: block, mode: enforce}\n"
    )
    bundle = policies(tmp_path, "taints", text)
    recorded = call("osprey", session_id="s")
    for events, verdict in (
        ([event("t", "taint")], "block"),
        ([event("t", "taint", mode="audit")], "annotate"),
        ([event("other", "taint")], "annotate"),
        ([event("t", "taint"), event("z", "block")], "annotate"),
    ):
        rejudge = Rejudge(bundle.engine)
        kept = call("gone", guard_events=events).events
        rejudge.remember(recorded.facts, kept, recorded.at_s)
        assert asyncio.run(rejudge.judge(recorded)).verdict == verdict


def test_rules_that_ask_for_the_provider_do_not_judge_calls_that_were_tried_at_several(tmp_path: Path):
    bundle = policies(
        tmp_path,
        "provider",
        "detectors:\n  o: {use: pattern, patterns: ['osprey']}\n"
        "rules:\n  - {id: b, match: {provider: p}, when: o, do: block, mode: enforce}\n",
    )
    tried, sent_on = call("osprey", attempts=2), call("osprey", guard_events=[event("r", "route")])
    for each in (tried, sent_on):
        with pytest.raises(NotAgain) as unable:
            judged(bundle, each)
        assert unable.value.why == "elsewhere"
    assert judged(bundle, call("osprey", provider="p", attempts=1))[0].verdict == "block"


def test_rules_that_ask_somebody_outside_are_left_out(tmp_path: Path):
    bundle = policies(
        tmp_path,
        "outside",
        "detectors:\n"
        "  o: {use: pattern, patterns: ['osprey']}\n"
        "  hook: {use: webhook, url: 'http://127.0.0.1:9/judge'}\n"
        "rules:\n"
        "  - {id: own, when: o, do: block, mode: enforce}\n"
        "  - {id: theirs, when: hook or o, do: block, mode: enforce}\n",
    )
    left, why = without_outside(bundle.bundle, bundle.engine, {})
    assert ([spec.id for spec in left.rules], why) == (["own"], {"theirs": "hook: it asks somebody outside"})
    left, why = without_outside(bundle.bundle, bundle.engine, {"o": "no model"})
    assert (left.rules, set(why)) == ((), {"own", "theirs"})
    same, why = without_outside(left, bundle.engine, {})
    assert (same is left, why) == (True, {})


class Heard:
    def __init__(self) -> None:
        self.pieces: list[str] = []

    def feed(self, channel: Channel, text: str) -> str:
        self.pieces.append(text)
        return text

    def finish(self, channel: Channel) -> str:
        return "."

    def seal(self, channel: Channel) -> None:
        self.pieces.append("sealed")


@settings(max_examples=20)
@given(st.text(max_size=200), st.text(max_size=4))
def test_cuts_change_nothing_but_where_a_text_is_cut(text: str, seed: str):
    heard = Heard()
    cuts = Cuts(heard, seed)
    assert cuts.feed((0, "text"), text) + cuts.finish((0, "text")) == text + "."
    assert "".join(heard.pieces) == text
    assert all(heard.pieces) or not text
    if len(text) > 100:
        assert len(heard.pieces) > 1
    cuts.seal((0, "text"))
    assert heard.pieces[-1] == "sealed"
