"""What people may do with kept answers: look how they fare, ask about one, and forget those that they name.

What an answer says is never shown here: it may be read where bodies are, by whoever may. A word that answers are looked
up by is not written down either.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import msgspec

from gateway.cache.said import words_in
from gateway.clients.clock import Clock
from gateway.config.units import parse_duration
from gateway.core.cache_survey import Kept, Survey, Wanted
from gateway.core.cached import Selector
from gateway.core.errors import ClientError, MalformedRequest
from gateway.operator.audit import Actor, AuditLog

MOST_SHOWN = 20
_KEY_BYTES = 32
_MOST_TEXT = 512
_WORDS = ("tenant", "alias", "model", "exchange_id", "text")
_ASKED = {*_WORDS, "key", "tag", "older_than", "everything", "dry_run"}


class NoCache(ClientError):
    """No answers are kept where the operator could reach them."""

    code = "no_cache"
    status = 409


class Answers(Protocol):
    """The store, as far as people use it. All of it may raise ``StoreUnavailable``."""

    async def find(self, wanted: Wanted, most: int) -> list[Kept]:
        """Give entries."""
        ...

    async def drop(self, wanted: Wanted, *, dry_run: bool) -> int:
        """Forget entries."""
        ...

    async def survey(self) -> Survey:
        """Say what is there."""
        ...

    async def close(self) -> None:
        """Let go of it."""
        ...


class CacheAdmin:
    """Answers the operator plane's questions about the cache.

    Args:
        store: Makes the store, when it is first asked for; ``None`` where there is none.
        audit: Where what is forgotten is written down.
        clock: Says when.
    """

    def __init__(self, store: Callable[[], Answers | None], audit: AuditLog, clock: Clock) -> None:
        self._make = store
        self._made: Answers | None = None
        self._audit = audit
        self._clock = clock

    async def stats(self) -> dict[str, Any]:
        """Say what is kept, by tenant, alias and model."""
        survey = await self._store().survey()
        return msgspec.to_builtins(survey)

    async def entries(self, what: Selector, most: int = MOST_SHOWN) -> list[dict[str, Any]]:
        """Show some entries."""
        now_s = self._now_s()
        found = await self._store().find(lambda answer: what.means(answer, now_s, words_in), most)
        return [shown(kept, now_s) for kept in found]

    async def invalidate(self, actor: Actor, document: Mapping[str, Any]) -> dict[str, Any]:
        """Forget what a document names, or only say what that would be.

        Raises:
            MalformedRequest: The document names nothing, or cannot be read.
        """
        what, dry_run = selected(document)
        now_s = self._now_s()

        def wanted(answer: Any) -> bool:
            return what.means(answer, now_s, words_in)

        store = self._store()
        count = await store.drop(wanted, dry_run=True)
        if not dry_run:
            after = {"matched": count} | told(what)
            await asyncio.to_thread(
                self._audit.record, actor, action="invalidate", name="cache", before=None, after=after
            )
            count = await store.drop(wanted, dry_run=False)
        found = await self.entries(what) if dry_run else []
        return {"dry_run": dry_run, "matched": count, "entries": found}

    async def forget_origins(self, exchange_ids: set[str]) -> int:
        """Forget the answers that some exchanges have brought, as far as they can be reached."""
        try:
            store = self._store()
        except NoCache:
            return 0
        return await store.drop(lambda answer: answer.exchange_id in exchange_ids, dry_run=False)

    async def close(self) -> None:
        """Let go of the store."""
        if self._made is not None:
            await self._made.close()

    def _store(self) -> Answers:
        if self._made is None:
            self._made = self._make()
        if self._made is None:
            raise NoCache(
                "No cache is configured, or each worker keeps its own in memory: cache.store is home or redis."
            )
        return self._made

    def _now_s(self) -> int:
        return self._clock.unix_ms() // 1000


def selected(document: Mapping[str, Any]) -> tuple[Selector, bool]:
    """Read what somebody wants to be forgotten, and whether they only want to know.

    Raises:
        MalformedRequest: It names nothing, or cannot be read.
    """
    unknown = sorted(document.keys() - _ASKED)
    if unknown:
        raise MalformedRequest(f"'{unknown[0][:40]}' is not known here.", param=unknown[0][:40])
    words = {name: _word(document, name) for name in _WORDS if name in document}
    flags = {name: _flag(document, name) for name in ("everything", "dry_run")}
    what = Selector(
        key=_key(document),
        tag=_tag(document),
        older_than_s=_age_s(document),
        everything=flags["everything"],
        **words,
    )
    if what == Selector():
        raise MalformedRequest(
            "Say which: tenant, alias, model, tag, exchange_id, key, older_than, text, or everything."
        )
    return what, flags["dry_run"]


def told(what: Selector) -> dict[str, Any]:
    """What was named, as it may be written down: of a text only that there was one."""
    named: dict[str, Any] = {
        name: getattr(what, name) for name in what.__struct_fields__ if getattr(what, name) != getattr(Selector(), name)
    }
    if "key" in named:
        named["key"] = what.key.hex()
    if "text" in named:
        named["text"] = f"({len(what.text)} characters)"
    return named


def shown(kept: Kept, now_s: int) -> dict[str, Any]:
    """An entry without what it says."""
    answer = kept.answer
    plain = ("tenant", "alias", "model", "policy_revision", "tags", "dialect", "stream", "exchange_id", "partition")
    return {
        "key": answer.key.hex(),
        **{name: getattr(answer, name) for name in plain},
        "size_bytes": kept.size_bytes,
        "age_s": max(0, now_s - answer.stored_s),
        "expires_in_s": answer.expires_s - now_s,
        "hits": kept.hits,
        "cost_nanousd": answer.cost_nanousd,
        "saved_nanousd": None if answer.cost_nanousd is None else kept.hits * answer.cost_nanousd,
        "duration_ms": answer.duration_ms,
        "neighbours": kept.vector,
    }


def _word(document: Mapping[str, Any], name: str) -> str:
    value = document[name]
    if not isinstance(value, str) or len(value) > _MOST_TEXT or (name != "tenant" and not value):
        raise MalformedRequest(f"'{name}' must be a text.", param=name)
    return value


def _flag(document: Mapping[str, Any], name: str) -> bool:
    value = document.get(name, False)
    if not isinstance(value, bool):
        raise MalformedRequest(f"'{name}' must be true or false.", param=name)
    return value


def _key(document: Mapping[str, Any]) -> bytes:
    value = document.get("key", "")
    try:
        key = bytes.fromhex(value)
    except (TypeError, ValueError):
        key = b"?"
    if key and len(key) != _KEY_BYTES:
        raise MalformedRequest(f"'key' must be {2 * _KEY_BYTES} hexadecimal digits.", param="key")
    return key


def _tag(document: Mapping[str, Any]) -> tuple[str, str] | None:
    value = document.get("tag")
    if value is None:
        return None
    name, equals, content = value.partition("=") if isinstance(value, str) else ("", "", "")
    if not name or not equals:
        raise MalformedRequest("'tag' must be NAME=VALUE.", param="tag")
    return name, content


def _age_s(document: Mapping[str, Any]) -> int | None:
    value = document.get("older_than")
    if value is None:
        return None
    try:
        return round(parse_duration(value))
    except (TypeError, ValueError):
        raise MalformedRequest("'older_than' must be an age such as 15m, 24h or 7d.", param="older_than") from None
