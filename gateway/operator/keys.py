"""What can be done with virtual keys: each change is written down first, and then made."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from gateway.clients.clock import Clock
from gateway.config.units import parse_duration
from gateway.core.errors import ClientError, GatewayError, KeyChanged, MalformedRequest, RouteNotFound, StoreUnavailable
from gateway.core.key_token import ID_BYTES, PREFIX, SECRET_BYTES, make_id, make_token
from gateway.core.keys import Grant, KeySecret, StoredKey, digest_secret
from gateway.operator.audit import Actor, AuditLog
from gateway.operator.key_terms import Turn, shown, shown_declared, terms, wished
from gateway.plugin.keys import KeyStore

_LONGEST_OVERLAP_S = 90 * 86_400.0
# Whoever finds a key changed by somebody else looks again so often.
_TRIES = 3


class KeyNotFound(RouteNotFound):
    """No key has this id."""

    code = "key_not_found"


class KeyIsDeclared(ClientError):
    """The configuration file has this key, and it is changed there."""

    code = "key_declared"
    status = 409


class KeyAdmin:
    """Makes, shows and changes keys.

    Args:
        store: Where they are.
        audit: Where changes are written down.
        declared: Gives the keys of the configuration as it is now; blocks.
        clock: Says when.
        budgets: Keys may have some: all workers count together, or there is one.
    """

    def __init__(
        self,
        store: KeyStore,
        audit: AuditLog,
        declared: Callable[[], Sequence[Grant]],
        clock: Clock,
        *,
        budgets: bool = True,
    ) -> None:
        self._store = store
        self._audit = audit
        self._declared = declared
        self._clock = clock
        self._budgets = budgets
        self._cursor = ""
        self._known: dict[str, StoredKey] = {}

    async def list(self) -> list[dict[str, Any]]:
        """Show all keys: those of the configuration, then those of the store in the order in which they were made."""
        now_s = self._now_s()
        declared = await asyncio.to_thread(self._declared)
        stored = sorted((await self._keys()).values(), key=lambda key: (key.created_s, key.id))
        return [*(shown_declared(key, now_s) for key in declared), *(shown(key, now_s) for key in stored)]

    async def show(self, name: str) -> dict[str, Any]:
        """Show one.

        Raises:
            KeyNotFound: There is none.
        """
        now_s = self._now_s()
        found = (await self._keys()).get(_id_in(name))
        if found is not None:
            return shown(found, now_s)
        for key in await asyncio.to_thread(self._declared):
            if key.id == name:
                return shown_declared(key, now_s)
        raise KeyNotFound("No key has this id.", param="id")

    async def create(self, actor: Actor, document: Mapping[str, Any]) -> dict[str, Any]:
        """Make a key.

        Returns:
            It, and its secret as ``key``: nobody can read that again.

        Raises:
            MalformedRequest: It cannot be like that.
        """
        now_s = self._now_s()
        fields = self._terms(document)
        if not fields.get("team"):
            raise MalformedRequest("'team' says whose key it is.", param="team")
        key_id = make_id(os.urandom(ID_BYTES))
        token, secret = await self._minted(key_id)
        key = StoredKey(id=key_id, created_s=int(now_s), secrets=(secret,), **fields)
        await self._put(actor, "key.create", None, key)
        return {**shown(key, now_s), "key": token}

    async def rotate(self, actor: Actor, name: str, document: Mapping[str, Any]) -> dict[str, Any]:
        """Give a key another secret; the one before ends after a while.

        Returns:
            The key, and its new secret as ``key``.

        Raises:
            KeyNotFound: There is none.
            MalformedRequest: It cannot be given one.
        """
        overlap_s = _overlap_s(document)
        before = await self._changeable(name)
        now_s = self._now_s()
        token, secret = await self._minted(before.id)
        ends_s = int(now_s + overlap_s)
        # Of those that were already ending, the latest stays beside the new one.
        kept = [
            msgspec.structs.replace(each, expires_s=min(ends_s, each.expires_s or ends_s))
            for each in before.secrets
            if overlap_s and (each.expires_s is None or each.expires_s > now_s)
        ]
        after = msgspec.structs.replace(before, revision=before.revision + 1, secrets=(*kept[-1:], secret))
        await self._put(actor, "key.rotate", before, after)
        return {**shown(after, now_s), "key": token}

    async def revoke(self, actor: Actor, name: str) -> dict[str, Any]:
        """End a key for good. One that has been ended stays so.

        Raises:
            KeyNotFound: There is none.
        """
        now_s = int(self._now_s())
        return await self._change(actor, "key.revoke", name, lambda key: {"revoked_s": key.revoked_s or now_s})

    async def update(self, actor: Actor, name: str, document: Mapping[str, Any]) -> dict[str, Any]:
        """Change what a key may do.

        Raises:
            KeyNotFound: There is none.
            MalformedRequest: It cannot be like that, or was ended for good.
        """
        fields = self._terms(document)
        if not fields:
            raise MalformedRequest("Nothing is to be changed.")
        if fields.get("team") == "":
            raise MalformedRequest("'team' says whose key it is.", param="team")
        return await self._change(actor, "key.update", name, lambda _: fields)

    async def close(self) -> None:
        """Let go of the store."""
        await self._store.close()

    def _terms(self, document: Mapping[str, Any]) -> dict[str, Any]:
        fields = terms(wished(document), self._now_s())
        if fields.get("budget") is not None and not self._budgets:
            raise MalformedRequest(
                "Several workers cannot count a key's budget together in memory://; set stores: {state: redis://…}, or "
                "workers: 1.",
                param="budget",
            )
        return fields

    async def _change(
        self, actor: Actor, action: str, name: str, fields: Callable[[StoredKey], Mapping[str, Any]]
    ) -> dict[str, Any]:
        for left in reversed(range(_TRIES)):
            before = await self._changeable(name, ended=action == "key.revoke")
            after = msgspec.structs.replace(before, revision=before.revision + 1, **fields(before))
            if msgspec.structs.replace(after, revision=before.revision) == before:
                return shown(before, self._now_s())
            try:
                await self._put(actor, action, before, after)
            except KeyChanged:
                if not left:
                    raise
            else:
                return shown(after, self._now_s())
        raise KeyNotFound("No key has this id.", param="id")

    async def _changeable(self, name: str, *, ended: bool = False) -> StoredKey:
        found = (await self._keys()).get(_id_in(name))
        if found is None:
            if any(key.id == name for key in await asyncio.to_thread(self._declared)):
                message = f"The key '{name}' is declared in the configuration file; change it there and reload."
                raise KeyIsDeclared(message, param="id")
            raise KeyNotFound("No key has this id.", param="id")
        if found.revoked_s is not None and not ended:
            raise MalformedRequest("The key was revoked; that is for good.", param="id")
        return found

    async def _put(self, actor: Actor, action: str, before: StoredKey | None, after: StoredKey) -> None:
        now_s = self._now_s()
        was, becomes = None if before is None else shown(before, now_s), shown(after, now_s)
        await self._write_down(actor, action, after.id, was, becomes)
        try:
            await self._store.put(after, 0 if before is None else before.revision)
        except GatewayError:
            await self._write_down(actor, f"{action} failed", after.id, was, becomes)
            raise

    async def _write_down(
        self, actor: Actor, action: str, name: str, before: dict[str, Any] | None, after: dict[str, Any]
    ) -> None:
        try:
            await asyncio.to_thread(self._audit.record, actor, action, name, before=before, after=after)
        except OSError as error:
            raise StoreUnavailable(f"The change cannot be written down: {error.strerror or error}.") from None

    async def _minted(self, key_id: str) -> tuple[str, KeySecret]:
        token = make_token(key_id, os.urandom(SECRET_BYTES))
        digest = digest_secret(token.encode(), await self._store.pepper())
        return token, KeySecret(digest=digest, created_s=int(self._now_s()))

    async def _keys(self) -> dict[str, StoredKey]:
        batch = await self._store.read(self._cursor)
        if batch is not None:
            found = {key.id: key for key in batch.keys}
            self._known = found if batch.whole else {**self._known, **found}
            self._cursor = batch.cursor
        return self._known

    def _now_s(self) -> float:
        return self._clock.unix_ms() / 1000


def _id_in(name: str) -> str:
    """The id that somebody means who writes it as it is, or as it stands in a token."""
    return name[len(PREFIX) :].partition("-")[0] if name.startswith(PREFIX) else name


def _overlap_s(document: Mapping[str, Any]) -> float:
    try:
        written = msgspec.convert(document, Turn).overlap
        overlap_s = 0.0 if written == "0" else parse_duration(written)
    except (msgspec.ValidationError, ValueError) as error:
        raise MalformedRequest(f"'overlap' cannot be that: {error}.", param="overlap") from None
    if overlap_s > _LONGEST_OVERLAP_S:
        raise MalformedRequest("'overlap' is at most 90 days.", param="overlap")
    return overlap_s
