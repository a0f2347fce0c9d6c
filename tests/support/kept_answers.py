"""A store of answers that is a list, and answers to put into it."""

from __future__ import annotations

from typing import Any

import numpy as np

from gateway.cache.said import words_in
from gateway.core.cached import CachedAnswer, Lease, Selector


def kept(text: str = "yes", **other: Any) -> CachedAnswer:
    """Give an answer as it is kept."""
    body = b'{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"finish_reason":"stop",'
    body += b'"message":{"role":"assistant","content":"%b"}}]}' % text.encode()
    fields: dict[str, Any] = {
        "key": text.encode().ljust(32, b"."),
        "partition": "p",
        "tenant": "t",
        "alias": "a",
        "model": "m",
        "policy_revision": "r",
        "tags": {},
        "dialect": "openai_chat",
        "stream": False,
        "body": body,
        "stored_s": 1_000,
        "expires_s": 9_000,
        "cost_nanousd": 7,
        "duration_ms": 50,
        "exchange_id": "e",
    }
    return CachedAnswer(**(fields | other))


class ListedAnswers:
    """A :class:`gateway.core.cached.AnswerStore` that looks at every entry."""

    searches: bool = True

    def __init__(self) -> None:
        self.held: list[tuple[CachedAnswer, bytes]] = []
        self.states: dict[str, bytes] = {}
        self.lessons: list[bytes] = []
        # Neighbours are given whatever their partition and fingerprint are.
        self.careless = False

    async def get(self, key: bytes) -> CachedAnswer | None:
        """Give an answer by its key."""
        return next((answer for answer, _ in self.held if answer.key == key), None)

    async def put(self, answer: CachedAnswer, vector: bytes = b"") -> None:
        """Keep an answer."""
        self.held = [each for each in self.held if each[0].key != answer.key] + [(answer, vector)]

    async def near(
        self, partition: str, fingerprint: bytes, vector: bytes, most: int
    ) -> list[tuple[CachedAnswer, float]]:
        """Compare with all of them."""
        asked = np.frombuffer(vector, dtype="<f2").astype(np.float32)
        found = [
            (answer, float(np.frombuffer(held, dtype="<f2").astype(np.float32) @ asked))
            for answer, held in self.held
            if held and (self.careless or (answer.partition, answer.fingerprint) == (partition, fingerprint))
        ]
        return sorted(found, key=lambda each: -each[1])[:most]

    async def drop(self, what: Selector, *, dry_run: bool) -> int:
        """Forget some."""
        left = [each for each in self.held if not what.means(each[0], 0, words_in)]
        gone = len(self.held) - len(left)
        if not dry_run:
            self.held = left
        return gone

    async def lead(self, key: bytes, ttl_s: float) -> Lease | None:
        """Nobody asks for anything here."""
        return None

    async def wait(self, key: bytes, limit_s: float) -> CachedAnswer | None:
        """Nor is anything waited for."""
        return None

    async def state_get(self, name: str) -> bytes:
        """Give a state."""
        return self.states.get(name, b"")

    async def state_put(self, name: str, data: bytes) -> None:
        """Keep a state."""
        self.states[name] = data

    async def tell(self, lesson: bytes) -> None:
        """Tell all that have it."""
        self.lessons.append(lesson)

    async def told(self, place: str) -> tuple[str, list[bytes]]:
        """Give what was told since."""
        return str(len(self.lessons)), self.lessons[int(place) :] if place else []

    def counts(self) -> dict[str, int]:
        """Say how many there are."""
        return {"entries": len(self.held)}
