"""Detectors that judge for another one what only it can get at: each by itself, on texts that stand in no document."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from gateway.core.errors import ModelFailed
from gateway.core.segments import Segment
from gateway.core.verdict import Bundle, Match, RuleSpec, Step, When
from gateway.guards.document import DocumentScreen, Scope
from gateway.guards.kit import Kit
from gateway.guards.outside import ask
from gateway.guards.plan import Side
from gateway.guards.rules import prepare
from gateway.guards.scored import Scorers
from gateway.plugin.guard import Subject

Found = dict[str, float | None]


class Nested:
    """Some detectors of a bundle. Belongs to one thread.

    Args:
        bundle: Where they come from.
        now_ns: Monotonic clock.
        scorers: Give models.
        names: Which.
    """

    def __init__(
        self, bundle: Bundle, now_ns: Callable[[], int], scorers: Scorers | None, names: tuple[str, ...]
    ) -> None:
        specs = tuple(spec for spec in bundle.detectors if spec.name in names)
        rules = tuple(
            RuleSpec(
                id=name,
                match=Match(direction=("request",)),
                when=When(op="detector", name=name),
                steps=(Step(action="annotate"),),
                mode="enforce",
            )
            for name in names
        )
        self._lenient = {spec.name for spec in specs if spec.on_error != "block"}
        self._kit = Kit(
            Bundle(revision=bundle.revision, detectors=specs, rules=rules, max_chars=bundle.max_chars),
            now_ns,
            scorers=scorers,
        )
        self._side = Side(self._kit, "request", tuple(prepare(rule) for rule in rules))

    async def judge(self, segments: Sequence[Segment]) -> list[Found]:
        """Return what is found in each text, by detector, with its highest score.

        Args:
            segments: The texts; the path of each is its number.

        Raises:
            ModelFailed: One cannot judge, and its ``on_error`` is ``block``.
        """
        opinions = await ask(self._side, self._side.asks, segments)
        if opinions.failed.keys() - self._lenient:
            raise ModelFailed("A detector could not judge the text of an image.")
        subject = Subject(direction="request", dialect="", document=None, segments=segments)
        screened = DocumentScreen(self._side, subject, None, msgspec.structs.replace(opinions, failed={})).screen(
            Scope.ALL
        )[0]
        found: list[Found] = [{} for _ in segments]
        for event in screened.events:
            if event.path:
                held = found[int(event.path)]
                held[event.detector] = max(held.get(event.detector) or 0.0, event.score or 0.0) or None
        return found

    async def warm(self) -> None:
        """Load their models.

        Raises:
            ModelFailed: One cannot be loaded, and its ``on_error`` is ``block``.
        """
        if (await self._kit.warm()).keys() - self._lenient:
            raise ModelFailed("A model cannot be loaded.")

    async def close(self) -> None:
        """Let go of what they hold."""
        await self._kit.close()
