"""What gateways tell one another of deployments: which of them their breakers have opened for. Pure; no clock, no I/O.

A hint is hearsay: it opens a breaker that is closed for as long as the one who told keeps its own open, then this
gateway asks the deployment itself, one call at a time. Hearsay is never passed on, so that nothing echoes.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b

from gateway.core.hint import Hint
from gateway.routing.health import Health, Healths

# Deployments that are asked about; clients choose the names behind wildcards.
MAX_ASKED = 512


class Hints:
    """Finds what there is to tell, and believes what it is told.

    Args:
        healths: Of the deployments.
        own: This gateway's name among those that tell.
    """

    def __init__(self, healths: Healths, own: str) -> None:
        self._healths = healths
        self._own = own
        self._names: dict[tuple[str, str, str], str] = {}
        self._told: dict[str, float] = {}

    def asked(self) -> dict[str, Health]:
        """By name, the deployments to ask about: those that came to be known last."""
        known = list(self._healths.known().items())[-MAX_ASKED:]
        self._names = {key: self._names.get(key) or name_of(*key) for key, _ in known}
        return {self._names[key]: health for key, health in known}

    def news(self, asked: Mapping[str, Health]) -> list[Hint]:
        """Give which breakers have opened since they were last told of; only what was found here."""
        now_s = self._healths.now_s()
        opened = {name: max(each.breaker.found_until_s for each in health.twins()) for name, health in asked.items()}
        news = [
            Hint(name, until_s - now_s, self._own)
            for name, until_s in opened.items()
            if until_s > now_s and self._told.get(name) != until_s
        ]
        self._told = {name: until_s for name, until_s in opened.items() if until_s > now_s}
        return news

    def forget_told(self) -> None:
        """What was told may not have arrived: tell it again."""
        self._told.clear()

    def hear(self, asked: Mapping[str, Health], heard: list[Hint]) -> int:
        """Leave alone what others leave alone; returns how many breakers this opened."""
        now_s, believed = self._healths.now_s(), 0
        for hint in heard:
            health = asked.get(hint.name)
            if health is not None and hint.teller != self._own and hint.for_s > 0.0:
                opened = [each.breaker.hear(now_s, hint.for_s) for each in health.twins()]
                believed += any(opened)
        return believed


def name_of(provider: str, base_url: str, model: str) -> str:
    """Name a deployment so that whoever reads it learns nothing of it."""
    return blake2b(f"{provider}\0{base_url}\0{model}".encode("utf-8", "replace"), digest_size=16).hexdigest()
