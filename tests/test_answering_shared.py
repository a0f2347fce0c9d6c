"""Who is given whose answer: nobody one that is another tenant's, team's or key's, or that is nobody's."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gateway.core.cache_rules import CacheRules, ExactRule
from gateway.core.exchange import Headers, Principal
from tests.support.incoming import json_incoming
from tests.support.rooms import PROVIDER, USAGE, Rooms, answer, chat, run, whole

BODY = answer(usage=USAGE)


class Callers:
    """Believes whatever a caller says of itself: ``tenant/team/key``."""

    def __init__(self) -> None:
        self._known: dict[bytes, Principal] = {}

    def identify(self, headers: Headers, peer: str = "") -> Principal:
        said = headers[b"authorization"]
        if said not in self._known:
            tenant, team, key = said.decode().split("/")
            self._known[said] = Principal(tenant=tenant, team=team, key_id=key)
        return self._known[said]


async def asked_by(rooms: Rooms, callers: list[str]) -> list[str]:
    """Let them ask the same, one after the other; gives what the cache made of each."""
    courses = msgspec.structs.replace(rooms.pipeline.courses, identity=Callers())
    rooms.pipeline = msgspec.structs.replace(rooms.pipeline, courses=courses)
    for each in callers:
        asked = chat()
        asked.headers[b"authorization"] = each.encode()
        await rooms.serve(asked)
    return [each.cache for each in rooms.records]


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ("tenant", ["miss", "hit-exact", "hit-exact", "miss"]),
        ("team", ["miss", "hit-exact", "miss", "miss"]),
        ("key", ["miss", "miss", "miss", "miss"]),
    ],
)
@pytest.mark.parametrize("leases", [True, False])
def test_answers_are_shared_as_far_as_the_scope_says(scope: Any, expected: list[str], leases: bool):
    async def test() -> None:
        rooms = Rooms(whole(BODY), cache=CacheRules(exact=ExactRule(scope=scope)), leases=leases)
        assert await asked_by(rooms, ["a/x/1", "a/x/2", "a/y/3", "b/x/4"]) == expected

    run(test)


def test_an_alias_may_be_left_out():
    async def test() -> None:
        aliases = {"other": PROVIDER}
        rooms = Rooms(whole(BODY), cache=CacheRules(without=frozenset({"other"})), aliases=aliases)
        for model in ("other", "other", "m", "m"):
            await rooms.serve(chat(model=model))
        assert [each.cache for each in rooms.records] == ["off", "off", "miss", "hit-exact"]

    run(test)


def test_what_a_clients_own_credential_opens_is_nobody_elses():
    async def test() -> None:
        aliases = {"own": msgspec.structs.replace(PROVIDER, credential=None)}
        rooms = Rooms(whole(BODY), cache=CacheRules(), aliases=aliases)
        for _ in range(2):
            await rooms.serve(chat(model="own"))
        assert [each.cache for each in rooms.records] == ["off", "off"]

    run(test)


def test_a_path_of_a_provider_is_not_kept():
    async def test() -> None:
        rooms = Rooms(whole(BODY), cache=CacheRules())
        for _ in range(2):
            await rooms.serve(json_incoming("/providers/p/chat/completions", {"model": "m", "messages": []}))
        assert [each.cache for each in rooms.records] == ["off", "off"]

    run(test)


def test_one_alias_is_not_given_the_answer_of_another():
    async def test() -> None:
        rooms = Rooms(whole(BODY), cache=CacheRules(), aliases={"n": PROVIDER})
        for model in ("m", "n", "m", "n"):
            await rooms.serve(chat(model=model))
        assert [each.cache for each in rooms.records] == ["miss", "miss", "hit-exact", "hit-exact"]

    run(test)
