"""What a question costs that is like one before, in a full store: looked up, embedded, weighed; and what a miss pays.

python -m loadtests.cache_semantic [home|redis …] [--entries 100000]

All entries share one fingerprint, so that every one of them is a possible neighbour; most are vectors around some
thousand topics, and a few hundred are real questions, asked again in other words that nobody has embedded before. The
model is the real one, in this process. A miss is a question with a fingerprint that nothing is kept under: what is
timed is what its call waits for, while the rest goes on beside.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from hashlib import sha256
from pathlib import Path

import msgspec

from gateway.app.models import Loading, Models
from gateway.cache.agreement import Agreement
from gateway.cache.asides import Aside, Asides
from gateway.cache.careful import CarefulStore, Shelf
from gateway.cache.embedded import EmbeddedShelf
from gateway.cache.embedding import Embedding
from gateway.cache.judging import Judging, differing
from gateway.cache.promise import Promise
from gateway.cache.semantic import Question, Semantic
from gateway.cache.together import Together
from gateway.clients.clock import SystemClock
from gateway.clients.redis_cache import RedisCache
from gateway.clients.redis_line import RedisAccess
from gateway.config.settings import ModelRunner
from gateway.core.cache_rules import SemanticRule
from gateway.core.chat import ChatRequest, Text, Turn
from loadtests.cache_stores import entry, questions
from loadtests.fleet import quantile
from tests.support.models import built_home
from tests.support.redis_server import search_server

_VERBS = (
    "cancel",
    "change",
    "track",
    "delete",
    "renew",
    "print",
    "share",
    "export",
    "archive",
    "rename",
    "verify",
    "sell",
)
_NOUNS = (
    "order",
    "invoice",
    "account",
    "password",
    "profile",
    "ticket",
    "contract",
    "report",
    "folder",
    "device",
    "card",
)
_PARTITION, _REVISION = "p" * 32, "r"
_LIMIT_S = 5.0


def chat(text: str, system: str = "You help.") -> ChatRequest:
    """Make a conversation of one question."""
    turns = (Turn(role="system", parts=(Text(text=system),)), Turn(role="user", parts=(Text(text=text),)))
    return ChatRequest(dialect="openai_chat", model="m", turns=turns)


def ask(semantic: Semantic, text: str, system: str = "You help.") -> Question:
    """Take a text as a question."""
    question = semantic.question(chat(text, system), _PARTITION, _REVISION)
    if question is None:
        raise ValueError(text)
    return question


async def filled(store: CarefulStore, semantic: Semantic, entries: int) -> None:
    """Put so many answers there, real questions last."""
    asked = [f"How do I {verb} my {noun}?" for verb in _VERBS for noun in _NOUNS]
    first = ask(semantic, asked[0])
    await semantic.describe(first)
    vectors = questions(entries - len(asked), seed=3)
    for number, vector in enumerate(vectors):
        made = entry(number, 1)
        await store.put(
            msgspec.structs.replace(
                made,
                partition=_PARTITION,
                fingerprint=first.asked.fingerprint,
                policy_revision=_REVISION,
                question=first.facts,
            ),
            vector.astype("<f2").tobytes(),
        )
    for text in asked:
        question = ask(semantic, text)
        await semantic.describe(question)
        made = msgspec.structs.replace(
            entry(0, 1),
            key=sha256(text.encode()).digest(),
            partition=_PARTITION,
            policy_revision=_REVISION,
            fingerprint=question.asked.fingerprint,
            question=question.facts,
        )
        await store.put(made, question.vector)
        semantic.kept(question)


async def measure(name: str, shelf: Shelf, entries: int) -> None:
    """Fill a store, and time what its calls wait for."""
    store = CarefulStore(shelf, SystemClock(), _LIMIT_S)
    await store.open()
    models = Models(Loading(built_home(), ModelRunner()))
    embedding = Embedding(models.embed)
    rule = SemanticRule()
    semantic = Semantic(
        rule,
        store,
        embedding,
        Judging(rule.answer_guards, Together(models, time.monotonic)),
        Promise(rule.max_error, rule.threshold),
        Agreement(embedding.cosine, differing, rule.compare_agree),
        time.time,
    )
    asides = Asides(semantic, store)
    began = time.monotonic()
    await filled(store, semantic, entries)
    print(f"{name}: {entries} entries of one fingerprint, filled in {time.monotonic() - began:.0f} s")
    texts = [f"How can I {verb} my {noun}?" for verb in _VERBS for noun in _NOUNS]
    if isinstance(shelf, EmbeddedShelf):
        began = time.monotonic()
        await shelf.settled()
        print(f"  until the graph was whole: {time.monotonic() - began:.0f} s more")
    # What was put last is found once the index has it.
    for _ in range(200):
        if await _hit(asides, "How can I cancel my old order?") or await _hit(asides, texts[-1]):
            break
        await asyncio.sleep(0.2)
    hits, cpu_ms = await _hits(asides, texts)
    print(
        f"  hit: {len(hits)} of {len(texts)}; p50 {quantile(hits, 0.5):.1f} ms, p95 {quantile(hits, 0.95):.1f} ms;"
        f" {cpu_ms:.1f} ms of this process' time each"
    )
    waited, own = await _misses(asides, 300)
    print(
        f"  miss: its call waits p50 {quantile(waited, 0.5):.3f} ms, p95 {quantile(waited, 0.95):.3f} ms;"
        f" {own:.3f} ms of its thread's time"
    )
    await asides.close()
    await models.close()
    await store.close()


async def _hit(asides: Asides, text: str) -> bool:
    return await Aside(asides, ask(asides.semantic, text)).first() is not None


async def _hits(asides: Asides, texts: list[str]) -> tuple[list[float], float]:
    taken: list[float] = []
    spent = time.process_time()
    for text in texts:
        began = time.perf_counter()
        if await _hit(asides, text):
            taken.append((time.perf_counter() - began) * 1e3)
    return taken, (time.process_time() - spent) * 1e3 / len(texts)


async def _misses(asides: Asides, count: int) -> tuple[list[float], float]:
    taken: list[float] = []
    spent = 0.0
    for number in range(count):
        text, system = f"How can I cancel my order number {number}?", f"You help the customer {number}."
        began, before = time.perf_counter(), time.thread_time()
        aside = Aside(asides, ask(asides.semantic, text, system))
        await aside.first()
        aside.begin()
        taken.append((time.perf_counter() - began) * 1e3)
        spent += time.thread_time() - before
        # Waits for what goes on beside the call.
        await asides.close()
    return taken, spent * 1e3 / count


def _home(folder: Path, entries: int) -> Shelf:
    return EmbeddedShelf(folder, SystemClock(), max_bytes=4 << 30, max_entries=2 * entries, neighbours=True)


def _redis(stack: ExitStack, entries: int) -> Shelf:
    server = stack.enter_context(search_server())
    access = RedisAccess(host="127.0.0.1", port=server.port)
    return RedisCache(access, unix_s=time.time, max_bytes=4 << 30, max_entries=2 * entries, neighbours=True)


def main(words: list[str]) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.cache_semantic", description=__doc__)
    parser.add_argument("stores", nargs="*", default=["home", "redis"])
    parser.add_argument("--entries", type=int, default=100_000)
    given = parser.parse_args(words)
    for name in given.stores:
        folder = Path(tempfile.mkdtemp(prefix="cache-semantic-"))
        with ExitStack() as stack:
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            make = partial(_home, folder) if name == "home" else partial(_redis, stack)
            asyncio.run(_measured(name, make, given.entries))
    return 0


async def _measured(name: str, make: Callable[[int], Shelf], entries: int) -> None:
    await measure(name, make(entries), entries)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
