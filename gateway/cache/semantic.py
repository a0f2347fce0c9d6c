"""Answers to questions that are like one before.

A question has neighbours only among those whose fingerprint it shares. Of these the nearest are weighed: what a fact in
both questions decides must agree, the verifier says how likely it is that the old answer serves, and the promise of the
partition whether that is likely enough. Only then is it served. What was not served, and what was served and asked for
all the same, is compared with the answer that came: that is how the promise learns.
What the words leave open is read once more, together with the question, which takes a model some milliseconds.

A call pays for being looked up only where there may be something to find: a fingerprint under which nothing is known to
be kept is looked up beside the call, as everything is where nothing may be served.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Literal, Protocol

import msgspec

from gateway.cache.agreement import Agreement
from gateway.cache.embedding import Embedding
from gateway.cache.fingerprint import Asked, Ways, asked_by
from gateway.cache.said import Said, said_in
from gateway.core.cache_rules import SemanticRule
from gateway.core.cached import AnswerStore, CachedAnswer
from gateway.core.chat import ChatRequest

# So many of the nearest are weighed.
NEIGHBOURS = 4
# What is farther away is another question, whatever its facts are.
LEAST_COSINE = 0.7
# Fingerprints under which this process knows something to be kept; 100 bytes each.
KNOWN = 16_384

# What came of the best neighbour: it serves, a fact differs, or it is not likely enough that it serves.
Says = Literal["hit", "guards", "promise"]


class Verdict(Protocol):
    """How two questions compare."""

    @property
    def chance(self) -> float:
        """That an answer to one serves the other, 0 to 1."""
        ...

    @property
    def failed(self) -> tuple[str, ...]:
        """The answer guards that say it does not."""
        ...

    @property
    def most(self) -> float:
        """The highest chance that there can be once both questions were read together."""
        ...


class Judge(Protocol):
    """Compares questions by their facts; ``judging`` implements it."""

    async def read(self, text: str, language: str, vector: bytes) -> bytes:
        """Find the facts of a question, encoded, given its embedding."""
        ...

    def compare(self, new: bytes, old: bytes, cosine: float) -> Verdict | None:
        """Compare two questions; ``None`` where the old one's facts cannot be read."""
        ...

    async def together(self, new: bytes, old: bytes, chance: float) -> float:
        """Read two questions that were compared once more, together: the chance that there is then."""
        ...


class Promising(Protocol):
    """Keeps the share of wrong answers below what was promised; ``promise`` implements it."""

    def allows(self, partition: str, chance: float) -> bool:
        """Whether an answer may be served that serves with this chance."""
        ...

    def careful(self, partition: str) -> bool:
        """Whether every hit should be compared now, not only a sample."""
        ...

    def note(self, partition: str, chance: float, *, right: bool) -> None:
        """Learn whether an answer served, or would have."""
        ...


class Learnt(Protocol):
    """Is told of each comparison."""

    def __call__(self, partition: str, chance: float, *, right: bool) -> None:
        """Take note."""
        ...


class Question(msgspec.Struct, kw_only=True):
    """A question on its way.

    Attributes:
        partition: Whose it is.
        facts: What decides it, encoded.
        vector: Its embedding; empty until it is known, and where it cannot be.
    """

    asked: Asked
    partition: str
    revision: str
    facts: bytes = b""
    vector: bytes = b""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """The best neighbour of a question.

    Attributes:
        answer: To the question before.
        similarity: Of the two questions, as a cosine.
        chance: That the answer serves.
        failed: Answer guards that say it does not.
        most: The highest chance that there can be once both were read together.
        says: Whether it serves, and if not, why.
    """

    answer: CachedAnswer
    similarity: float
    chance: float
    failed: tuple[str, ...]
    most: float
    says: Says


class Semantic:
    """Finds answers to questions that are alike, and learns which of them serve.

    Args:
        rule: When.
        store: Where answers are.
        embedding: Embeds questions, and answers to compare them.
        judge: Compares questions.
        promise: Keeps the promise.
        agreement: Compares answers.
        now_s: Unix time.

    Attributes:
        counts: What came of questions: ``hit``, ``guards``, ``promise``, ``none``, ``late``, ``unfit``, ``unembedded``,
            and of comparisons ``right``, ``wrong``, ``untold``.
        learnt: Told of each comparison: partition, chance, whether it was right.
    """

    def __init__(
        self,
        rule: SemanticRule,
        store: AnswerStore,
        embedding: Embedding,
        judge: Judge,
        promise: Promising,
        agreement: Agreement,
        now_s: Callable[[], float],
    ) -> None:
        self.rule = rule
        self._store = store
        self._embedding = embedding
        self._judge = judge
        self._promise = promise
        self._agreement = agreement
        self._now_s = now_s
        self._known: OrderedDict[bytes, None] = OrderedDict()
        self.counts: Counter[str] = Counter()
        self.learnt: Learnt | None = None

    def question(self, chat: ChatRequest, partition: str, revision: str, ways: Ways = ()) -> Question | None:
        """Take a request as a question; ``None`` where it is none that another's answer could do for.

        Args:
            chat: As admitted.
            partition: Whose it is.
            revision: Of the rules that it was admitted by.
            ways: In which its answer is told, where one told in another cannot do.
        """
        asked = asked_by(chat, partition, revision, ways)
        if asked is None:
            self.counts["unfit"] += 1
            return None
        return Question(asked=asked, partition=partition, revision=revision)

    def goes_first(self, question: Question) -> bool:
        """Whether a question is to be looked up before anybody is asked: something may be there that may be served."""
        return (
            self.rule.mode == "enforce"
            and question.asked.fingerprint in self._known
            and self._promise.allows(question.partition, 1.0)
        )

    def doubts(self, question: Question) -> bool:
        """Whether whatever is served to questions like this one is to be compared, not only a sample."""
        return self._promise.careful(question.partition)

    async def look(self, question: Question, *, urgent: bool) -> Found | None:
        """Find the best neighbour of a question.

        Args:
            question: Learns its facts and its embedding.
            urgent: Its call waits.
        """
        found = await self._best(question, urgent=urgent)
        self.counts[found.says if found else "none"] += 1
        return found

    async def describe(self, question: Question) -> bool:
        """Learn facts and embedding of a question that is to be stored; false where it has no embedding."""
        asked = question.asked
        question.vector = question.vector or await self._embedding.vector(asked.text)
        if not question.vector:
            self.counts["unembedded"] += 1
            return False
        question.facts = question.facts or await self._judge.read(asked.text, asked.language, question.vector)
        return True

    def kept(self, question: Question) -> None:
        """Note that there is something under a question's fingerprint now."""
        self._know(question.asked.fingerprint)

    async def learn(self, found: Found, came: Said | None) -> bool | None:
        """Compare the answer that a neighbour has with the one that came; whether it served.

        One that a guard has turned back teaches nothing: it is never served.
        """
        if found.says == "guards":
            return None
        right = await self._agreement.same(said_in(found.answer), came)
        self.counts["untold" if right is None else "right" if right else "wrong"] += 1
        if right is not None:
            self._promise.note(found.answer.partition, found.chance, right=right)
            if self.learnt is not None:
                self.learnt(found.answer.partition, found.chance, right=right)
        return right

    async def _best(self, question: Question, *, urgent: bool) -> Found | None:
        asked = question.asked
        question.vector = question.vector or await self._embedding.vector(asked.text, urgent=urgent)
        if not question.vector:
            self.counts["unembedded"] += 1
            return None
        question.facts = question.facts or await self._judge.read(asked.text, asked.language, question.vector)
        near = await self._store.near(question.partition, asked.fingerprint, question.vector, NEIGHBOURS)
        if near:
            self._know(asked.fingerprint)
        weighed = [found for answer, cosine in near if (found := self._weigh(question, answer, cosine)) is not None]
        return await self._likeliest(question, weighed)

    async def _likeliest(self, question: Question, weighed: list[Found]) -> Found | None:
        """Return the best of what was weighed; where the words leave it open, both are read together first."""
        best: Found | None = None
        for each in sorted(weighed, key=_promising, reverse=True):
            # Whether it may be served now or not: what is learnt of a chance is learnt of one kind of chance.
            is_open = not each.failed and each.most > each.chance
            found = await self._read_together(question, each) if is_open else each
            if best is None or _promising(found) > _promising(best):
                best = found
            if best.says == "hit":
                break
        return best

    async def _read_together(self, question: Question, found: Found) -> Found:
        chance = await self._judge.together(question.facts, found.answer.question, found.chance)
        says: Says = "hit" if self._promise.allows(question.partition, chance) else "promise"
        return msgspec.structs.replace(found, chance=chance, says=says)

    def _weigh(self, question: Question, answer: CachedAnswer, cosine: float) -> Found | None:
        """Weigh a neighbour; ``None`` where it is none: too far, too old, or somebody else's after all."""
        same = (answer.partition, answer.fingerprint, answer.policy_revision) == (
            question.partition,
            question.asked.fingerprint,
            question.revision,
        )
        if not same or cosine < LEAST_COSINE or self._now_s() - answer.stored_s >= self.rule.ttl_s:
            return None
        verdict = self._judge.compare(question.facts, answer.question, cosine)
        if verdict is None:
            return None
        allowed = not verdict.failed and self._promise.allows(question.partition, verdict.chance)
        says: Says = "guards" if verdict.failed else "hit" if allowed else "promise"
        return Found(
            answer=answer, similarity=cosine, chance=verdict.chance, failed=tuple(verdict.failed), most=verdict.most,
            says=says,
        )  # fmt: skip

    def _know(self, fingerprint: bytes) -> None:
        self._known[fingerprint] = None
        self._known.move_to_end(fingerprint)
        if len(self._known) > KNOWN:
            self._known.popitem(last=False)


def _promising(found: Found) -> tuple[bool, float]:
    return not found.failed, found.chance
