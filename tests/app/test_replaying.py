from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from gateway.app.policies import InForce
from gateway.app.replay_tally import Tally
from gateway.app.replaying import LeftOut, Terms, opened
from tests.support.recorded import event, line, policies

DETECTORS = """\
detectors:
  o: {use: pattern, patterns: ["osprey"]}
  h: {use: pattern, patterns: ["heron"]}
"""
HERON = "  - {id: heron-out, match: {direction: request}, when: h, do: redact, mode: enforce}\n"
OLD = f"{DETECTORS}rules:\n{HERON}  - {{id: osprey, when: o, do: block, mode: audit}}\n"
NEW = OLD.replace("mode: audit", "mode: enforce")
OTHER = NEW.replace("do: redact", "do: annotate")


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, InForce]:
    folder = tmp_path_factory.mktemp("bundles")
    return {name: policies(folder, name, text) for name, text in (("old", OLD), ("new", NEW), ("other", OTHER))}


def replayed(old: InForce, new: InForce, *lines: bytes, timed: int = 0) -> tuple[Tally, tuple[LeftOut, ...]]:
    async def run() -> tuple[Tally, tuple[LeftOut, ...]]:
        async with opened(old, new, Terms(timed=timed)) as ready:
            for each in lines:
                await ready.take(each)
            return ready.taken(), ready.left_out

    return asyncio.run(run())


def test_both_bundles_judge_each_call_and_what_cannot_be_judged_is_counted(bundles: dict[str, InForce]):
    lines = [line("a plain text", "hm"), line("an osprey", "hm"), line("a bird", "osprey", stream=True), b"nonsense"]
    tally, left_out = replayed(bundles["old"], bundles["new"], *lines, timed=5)
    assert (tally.replayed, tally.newly_blocked, tally.left_out, left_out) == (3, 2, {"unreadable": 1}, ())
    assert (tally.rules["osprey"].held_before, tally.rules["osprey"].held_after) == (2, 2)
    assert (tally.requests, tally.answers, tally.timed) == (1, 1, 1)
    assert tally.before.request_ns > 0 < tally.after.request_ns
    assert tally.rules["osprey"].microseconds > 0


def test_a_bundle_is_compared_with_what_it_said_when_the_call_was_made(bundles: dict[str, InForce]):
    old = bundles["old"].engine.revision
    hit = event("osprey", "block", mode="audit", detector="o/O", start=3, end=9)
    lines = [
        line("an osprey", "hm", policy_revision=old, guard_events=[hit]),
        line("an osprey", "hm", policy_revision=old),
        line("an osprey", "hm", policy_revision="another"),
        line("an osprey", "hm", policy_revision=old, guard_events=None),
    ]
    tally, _ = replayed(bundles["old"], bundles["new"], *lines)
    assert (tally.as_recorded, tally.not_as_recorded, len(tally.differ)) == (1, 1, 1)


def test_strictness_is_told_by_a_rule_that_acted_and_would_not_have(bundles: dict[str, InForce]):
    old = bundles["old"].engine.revision
    hit = event("osprey", "block", detector="o/O", start=3, end=9)
    strict = line("an osprey", policy_revision=old, verdict="block", guard_events=[hit])
    tally, _ = replayed(bundles["old"], bundles["new"], strict)
    assert (tally.as_recorded, tally.newly_blocked) == (1, 0)


def test_what_the_same_rules_took_out_is_taken_from_the_record(bundles: dict[str, InForce]):
    old, new = bundles["old"], bundles["new"]
    hit = event("heron-out", detector="h/H", start=2, end=7)
    known: dict[str, Any] = {
        "capture": "redacted",
        "verdict": "edit",
        "policy_revision": old.engine.revision,
        "guard_events": [hit],
    }
    lines = [line("a [H]", said, **known) for said in ("hm", "osprey")]
    # The rule on ospreys looks at every text, so that it must be the same too.
    tally, _ = replayed(old, old, *lines)
    assert (tally.replayed, tally.carried, tally.changed, tally.rules["heron-out"].held_after) == (2, 2, 0, 2)
    tally, _ = replayed(old, new, *lines)
    assert (tally.replayed, tally.left_out) == (0, {"redacted": 2})


def test_rules_that_do_not_look_there_may_change(tmp_path: Path):
    answers = OLD.replace("{id: osprey, when", "{id: osprey, match: {direction: response}, when")
    old, new = policies(tmp_path, "a", answers), policies(tmp_path, "b", answers.replace("audit", "enforce"))
    hit = event("heron-out", detector="h/H", start=2, end=7)
    known: dict[str, Any] = {
        "capture": "redacted",
        "verdict": "edit",
        "policy_revision": old.engine.revision,
        "guard_events": [hit],
    }
    lines = [line("a [H]", said, **known) for said in ("hm", "osprey")]
    tally, _ = replayed(old, new, *lines, line("a [H]", "hm", **dict(known, policy_revision="unknown")))
    assert (tally.replayed, tally.carried, tally.newly_blocked, tally.left_out) == (2, 2, 1, {"redacted": 1})


def test_what_is_whole_is_judged_whatever_was_taken_out(bundles: dict[str, InForce]):
    hit = event("heron-out", detector="h/H", start=2, end=7)
    whole = line(
        "a heron", stream=False, policy_revision=bundles["old"].engine.revision, verdict="edit", guard_events=[hit]
    )
    tally, _ = replayed(bundles["old"], bundles["other"], whole)
    assert (tally.replayed, tally.as_recorded, tally.newly_allowed) == (1, 1, 1)
    assert [(each.rule, each.change) for each in tally.samples] == [("heron-out", "newly_allowed")]


def test_rules_that_cannot_be_replayed_are_left_out_of_both_and_named(tmp_path: Path):
    hook = "  w: {use: webhook, url: 'http://127.0.0.1:9/judge'}\n"
    text = OLD.replace("rules:\n", f"{hook}rules:\n  - {{id: theirs, when: w, do: block, mode: enforce}}\n")
    old, new = policies(tmp_path, "a", text), policies(tmp_path, "b", NEW)
    tally, left_out = replayed(old, new, line("an osprey", "hm", policy_revision=old.engine.revision))
    assert left_out == (LeftOut(bundle="old", rule="theirs", why="w: it asks somebody outside"),)
    # Nothing can be said of how it would compare.
    assert (tally.newly_blocked, tally.as_recorded + tally.not_as_recorded) == (1, 0)
