"""Answers that are kept to be given again, and where they are kept, as a seam.

A store holds whole values under a digest; what may be put there, and who may have it, is decided before it is asked.
One suite, ``tests/cache/test_stores.py``, holds for every kind of store.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol

import msgspec

# Goes before every stored value: what is of another format is none of ours.
FORMAT = 1

How = Literal["hit-exact", "hit-semantic"]


class CachedAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A whole answer that may be given again.

    Attributes:
        key: Digest of the canonical request in its partition, 32 bytes.
        partition: Digest of who may share it and of who may have made it, in hexadecimal digits.
        tenant: Whose it is.
        alias: The model name that was asked for.
        model: That answered, as it says itself.
        policy_revision: Of the rules that admitted it; under any other one it is never served.
        tags: Of the call that brought it.
        fingerprint: Of all that must be the same for a question that is only like this one; empty where such are not
            looked for.
        question: Facts of the last question, encoded; empty as above.
        dialect: In which ``body`` is written.
        stream: ``body`` is a stream's events, not a whole answer.
        body: As the provider gave it, in the words of the client's dialect, before any rule looked at it.
        stored_s: Unix time.
        expires_s: Unix time from which it is no answer any more.
        cost_nanousd: What it cost; ``None`` when nobody knows.
        duration_ms: How long it took to make.
        exchange_id: The exchange that brought it.
        input_tokens: What it took in; ``None`` when nobody knows.
        output_tokens: What it gave; ``None`` when nobody knows.
    """

    key: bytes
    partition: str
    tenant: str
    alias: str
    model: str
    policy_revision: str
    tags: dict[str, str]
    dialect: str
    stream: bool
    body: bytes
    stored_s: int
    expires_s: int
    cost_nanousd: int | None
    duration_ms: int
    exchange_id: str
    fingerprint: bytes = b""
    question: bytes = b""
    input_tokens: int | None = None
    output_tokens: int | None = None


class Served(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that is given instead of asking anybody.

    Attributes:
        answer: What was kept.
        how: Whether the very question was asked before, or one that is like it.
        similarity: Of the two questions, as a cosine; ``None`` where they are the same.
        chance: That it serves, by who judges that; ``None`` where they are the same.
    """

    answer: CachedAnswer
    how: How = "hit-exact"
    similarity: float | None = None
    chance: float | None = None


class Selector(msgspec.Struct, frozen=True, kw_only=True):
    """Which entries: those that are all of it. Without any part it means none, unless ``everything`` says so.

    Attributes:
        key: The digest.
        tenant: Whose they are; ``None`` for anybody's.
        alias: The model name that was asked for.
        model: That answered.
        tag: Name and value.
        exchange_id: Of the exchange that brought it.
        older_than_s: Stored so many seconds ago or longer.
        text: Stands in the answer, any case: in its body, or in what that says, where it is told in pieces.
        everything: All there are.
    """

    key: bytes = b""
    tenant: str | None = None
    alias: str = ""
    model: str = ""
    tag: tuple[str, str] | None = None
    exchange_id: str = ""
    older_than_s: int | None = None
    text: str = ""
    everything: bool = False

    def means(self, answer: CachedAnswer, now_s: int, words: Callable[[CachedAnswer], str]) -> bool:
        """Whether an entry is one of them; ``words`` reads what an answer says."""
        asked = (
            (bool(self.key), answer.key == self.key),
            (self.tenant is not None, answer.tenant == self.tenant),
            (bool(self.alias), answer.alias == self.alias),
            (bool(self.model), answer.model == self.model),
            (bool(self.exchange_id), answer.exchange_id == self.exchange_id),
            (self.tag is not None, self.tag is not None and answer.tags.get(self.tag[0]) == self.tag[1]),
            (self.older_than_s is not None, now_s - answer.stored_s >= (self.older_than_s or 0)),
        )
        named = self.everything or bool(self.text) or any(each for each, _ in asked)
        # Last, since it takes longest.
        return named and all(holds for wanted, holds in asked if wanted) and self._says(answer, words)

    def _says(self, answer: CachedAnswer, words: Callable[[CachedAnswer], str]) -> bool:
        text = self.text.casefold()
        return not text or text in answer.body.decode("utf-8", "replace").casefold() or text in words(answer).casefold()


class Lease(Protocol):
    """The right to ask for an answer that others wait for."""

    async def release(self) -> None:
        """Let others ask, where no answer was put; those that wait are told."""
        ...


class AnswerStore(Protocol):
    """Where answers are kept. Nothing here raises: a store in trouble has nothing, and keeps nothing."""

    @property
    def searches(self) -> bool:
        """Whether neighbours can be asked for."""
        ...

    async def get(self, key: bytes) -> CachedAnswer | None:
        """Give an answer that has not expired."""
        ...

    async def put(self, answer: CachedAnswer, vector: bytes = b"") -> None:
        """Keep an answer, in the place of one with its key.

        Args:
            answer: To keep.
            vector: Of its question, float16, unit length; empty where nobody looks for neighbours.
        """
        ...

    async def near(
        self, partition: str, fingerprint: bytes, vector: bytes, most: int
    ) -> list[tuple[CachedAnswer, float]]:
        """Give answers to the questions nearest to one, with their cosines, the nearest first."""
        ...

    async def drop(self, what: Selector, *, dry_run: bool) -> int:
        """Forget entries, and say how many; with ``dry_run``, only say."""
        ...

    async def lead(self, key: bytes, ttl_s: float) -> Lease | None:
        """Be the one who asks for an answer, for so long at most; ``None``: somebody else already does."""
        ...

    async def wait(self, key: bytes, limit_s: float) -> CachedAnswer | None:
        """Wait for the answer that somebody else asks for; ``None``: there is none, or not in time."""
        ...

    async def state_get(self, name: str) -> bytes:
        """Give small state kept under a name; empty where there is none."""
        ...

    async def state_put(self, name: str, data: bytes) -> None:
        """Keep small state under a name."""
        ...

    async def tell(self, lesson: bytes) -> None:
        """Tell all who share the store of something learnt; a store that one home has to itself has nobody to tell."""
        ...

    async def told(self, place: str) -> tuple[str, list[bytes]]:
        """Give what was told after a place, and the place behind it; from the empty place on, nothing but the end."""
        ...

    def counts(self) -> dict[str, int]:
        """Say how it fares: ``entries``, ``bytes``, ``hits``, ``misses``, ``evictions``, ``errors``."""
        ...
