"""Asks detectors outside about all texts of a request or answer at once, each within its time limit."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from gateway.core.segments import Direction, Segment
from gateway.guards.document import Opinions
from gateway.guards.kit import Asker, Kit
from gateway.guards.rules import Rule, admits
from gateway.guards.runner import matched
from gateway.plugin.guard import About
from gateway.plugin.runner import DetectorFailed
from gateway.plugin.runner import ask as ask_one

# For a detector that the policy gives no time limit.
DEFAULT_TIMEOUT_S = 5.0


class Asking(Protocol):
    """The rules of one direction; :class:`gateway.guards.plan.Side`."""

    kit: Kit
    direction: Direction
    prompt: tuple[Rule, ...]
    late: tuple[Rule, ...]


async def ask(side: Asking, names: Sequence[str], segments: Sequence[Segment]) -> Opinions:
    """Ask detectors about the texts that rules want to hear of, side by side.

    Args:
        side: The rules.
        names: Whom to ask.
        segments: Every text.
    """
    opinions = Opinions()
    rules = (*side.prompt, *side.late)
    asked = [_ask(side, side.kit.askers[name], rules, segments, opinions) for name in names]
    # Each in a task of its own, which time limits need: the pipeline's coroutine may run without one.
    await asyncio.gather(*asked)
    return opinions


async def _ask(
    side: Asking, asker: Asker, rules: Sequence[Rule], segments: Sequence[Segment], opinions: Opinions
) -> None:
    spec = asker.holder.spec
    mine = [rule.spec.match for rule in rules if spec.name in rule.names]
    meant = [
        (number, segment)
        for number, segment in enumerate(segments)
        if any(admits(match, segment.role, segment.kind, segment.tool) for match in mine)
    ]
    most = side.kit.bundle.max_chars
    if most and any(len(segment.text) > most for _, segment in meant):
        opinions.failed[spec.name] = "too long"
        return
    texts = [(segment.text, About(side.direction, segment.role, segment.kind, segment.tool)) for _, segment in meant]
    if not texts:
        return
    try:
        findings = await ask_one(asker.detector, texts, spec.timeout_s or DEFAULT_TIMEOUT_S)
    except DetectorFailed as failed:
        opinions.failed[spec.name] = failed.reason
        return
    opinions.found[spec.name] = {
        number: matched(asker.holder, found, len(segment.text))
        for (number, segment), found in zip(meant, findings, strict=True)
        if found
    }
