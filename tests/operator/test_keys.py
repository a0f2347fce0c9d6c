"""Keys as people change them: every change is written down first, and no secret is kept or shown twice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.clients.key_file import KeyFile
from gateway.core.errors import GatewayError, MalformedRequest, StoreUnavailable
from gateway.core.key_token import parse_token
from gateway.core.keys import Grant, StoredKey, digest_secret
from gateway.operator.audit import Actor, AuditLog
from gateway.operator.keys import KeyAdmin, KeyIsDeclared, KeyNotFound
from tests.support.clock import ManualClock

ANNA = Actor(who="anna", role="key_admin")
IN_FILE = (Grant(id="ci", team="build", models=("gpt-*",)),)


class Desk:
    """An admin, with what it works on."""

    def __init__(self, home: Path) -> None:
        self.home, self.clock = home, ManualClock()
        self.store = KeyFile(home)
        self.audit = AuditLog(home, self.clock)
        self.admin = KeyAdmin(self.store, self.audit, lambda: IN_FILE, self.clock)

    @property
    def changes(self) -> list[dict[str, str]]:
        return [orjson.loads(line) for line in self.audit.path.read_bytes().splitlines()]

    def stored(self, key_id: str) -> StoredKey:
        batch = self.store.read_now("")
        assert batch is not None
        return {key.id: key for key in batch.keys}[key_id]

    def live(self, token: str) -> bool:
        parsed = parse_token(token)
        assert parsed is not None
        digest = digest_secret(token.encode(), asyncio.run(self.store.pepper()))
        return digest in [each.digest for each in self.stored(parsed.id).live(self.clock.unix_ms() / 1000)]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


def test_a_key_is_made_as_it_was_asked_for_and_its_secret_is_in_the_answer_alone(desk: Desk) -> None:
    asked = {
        "team": "support",
        "name": "bot",
        "tags": {"env": "prod"},
        "models": ["gpt-*"],
        "endpoints": ["chat", "/v1/files*"],
        "may_tag": [],
        "policies": ["strict"],
        "budget": "5usd/month",
        "expires": "30d",
    }
    made = run(desk.admin.create(ANNA, asked))
    token = made.pop("key")
    assert made["budget"] == "5usd/month"
    for name in ("team", "name", "tags", "models", "endpoints", "may_tag", "policies"):
        assert made[name] == asked[name]
    assert made["status"] == "active"
    assert token.startswith(made["prefix"])
    assert desk.live(token)
    stored = desk.stored(made["id"])
    assert (stored.operations, stored.settable, stored.strict) == (("chat", "/v1/files*"), (), True)
    assert stored.expires_s == desk.clock.unix_ms() // 1000 + 30 * 86_400
    assert run(desk.admin.show(made["id"])) == made
    assert run(desk.admin.show(token)) == made
    secret = token.rpartition("-")[2]
    for path in desk.home.rglob("*"):
        assert not path.is_file() or secret.encode() not in path.read_bytes()


def test_every_change_is_written_down_with_who_before_and_after(desk: Desk) -> None:
    made = run(desk.admin.create(ANNA, {"team": "a"}))
    run(desk.admin.update(ANNA, made["id"], {"team": "b", "budget": "1usd/day"}))
    run(desk.admin.rotate(ANNA, made["id"], {}))
    run(desk.admin.revoke(ANNA, made["id"]))
    told = [
        (each["who"], each["action"], each["object"], each["before"] and orjson.loads(each["before"])["team"])
        for each in desk.changes
    ]
    assert told == [
        ("anna", "key.create", made["id"], ""),
        ("anna", "key.update", made["id"], "a"),
        ("anna", "key.rotate", made["id"], "b"),
        ("anna", "key.revoke", made["id"], "b"),
    ]
    assert orjson.loads(desk.changes[1]["after"])["budget"] == "1usd/day"


def test_the_secret_before_stays_good_for_a_while_or_not_at_all(desk: Desk) -> None:
    made = run(desk.admin.create(ANNA, {"team": "a"}))
    second = run(desk.admin.rotate(ANNA, made["id"], {"overlap": "1h"}))["key"]
    assert desk.live(made["key"])
    assert desk.live(second)
    third = run(desk.admin.rotate(ANNA, made["id"], {"overlap": "2h"}))["key"]
    assert not desk.live(made["key"])
    assert desk.live(second)
    desk.clock.advance(7200)
    assert not desk.live(second)
    assert desk.live(third)
    last = run(desk.admin.rotate(ANNA, made["id"], {"overlap": "0"}))["key"]
    assert not desk.live(third)
    assert desk.live(last)


def test_a_key_sleeps_and_wakes_and_ends_for_good(desk: Desk) -> None:
    made = run(desk.admin.create(ANNA, {"team": "a"}))
    assert run(desk.admin.update(ANNA, made["id"], {"disabled": True}))["status"] == "disabled"
    assert not desk.live(made["key"])
    assert run(desk.admin.update(ANNA, made["id"], {"disabled": False}))["status"] == "active"
    first = run(desk.admin.revoke(ANNA, made["id"]))
    desk.clock.advance(60)
    assert run(desk.admin.revoke(ANNA, made["id"])) == first
    assert len(desk.changes) == 4
    for change in (desk.admin.update(ANNA, made["id"], {"name": "x"}), desk.admin.rotate(ANNA, made["id"], {})):
        with pytest.raises(MalformedRequest, match="for good"):
            run(change)


def test_bounds_are_taken_away_by_null(desk: Desk) -> None:
    made = run(desk.admin.create(ANNA, {"team": "a", "budget": "1usd/day", "expires": "1d", "may_tag": ["x"]}))
    after = run(desk.admin.update(ANNA, made["id"], {"budget": None, "expires": None, "may_tag": None}))
    assert (after["budget"], after["expires_at"], after["may_tag"]) == (None, None, None)


def test_keys_of_the_configuration_are_shown_and_not_changed(desk: Desk) -> None:
    made = run(desk.admin.create(ANNA, {"team": "a"}))
    assert [(key["id"], key["declared"]) for key in run(desk.admin.list())] == [("ci", True), (made["id"], False)]
    assert run(desk.admin.show("ci"))["models"] == ["gpt-*"]
    for change in (
        desk.admin.update(ANNA, "ci", {"name": "x"}),
        desk.admin.rotate(ANNA, "ci", {}),
        desk.admin.revoke(ANNA, "ci"),
    ):
        with pytest.raises(KeyIsDeclared, match="configuration file"):
            run(change)


@pytest.mark.parametrize("name", ["", "nobody", "wb-", "wb-nobody-x", "../x", "ci\n"])
def test_a_key_that_is_not_there_is_not_found(desk: Desk, name: str) -> None:
    for work in (desk.admin.show(name), desk.admin.revoke(ANNA, name)):
        with pytest.raises(KeyNotFound):
            run(work)


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"team": ""},
        {"team": "a\nb"},
        {"team": "x" * 201},
        {"team": 1},
        {"team": "a", "more": 1},
        {"team": "a", "tags": {"": "x"}},
        {"team": "a", "tags": {str(number): "x" for number in range(17)}},
        {"team": "a", "tags": {"k": "x" * 257}},
        {"team": "a", "models": [""]},
        {"team": "a", "models": ["m"] * 101},
        {"team": "a", "endpoints": ["Chat"]},
        {"team": "a", "policies": ["lax"]},
        {"team": "a", "budget": "5eur/month"},
        {"team": "a", "expires": "yesterday"},
        {"team": "a", "expires": "2001-01-01"},
    ],
)
def test_what_a_key_cannot_be_is_refused_and_nothing_is_written(desk: Desk, asked: dict[str, Any]) -> None:
    with pytest.raises(MalformedRequest):
        run(desk.admin.create(ANNA, asked))
    assert not desk.audit.path.exists()


def test_what_cannot_be_written_down_is_not_done(desk: Desk) -> None:
    desk.audit.path.mkdir(parents=True)
    with pytest.raises(StoreUnavailable, match="written down"):
        run(desk.admin.create(ANNA, {"team": "a"}))
    batch = desk.store.read_now("")
    assert batch is not None
    assert batch.keys == ()


def test_what_was_written_down_and_then_failed_is_written_down_too(desk: Desk) -> None:
    async def test() -> None:
        await desk.store.pepper()
        desk.store.path.mkdir()
        with pytest.raises(GatewayError):
            await desk.admin.create(ANNA, {"team": "a"})

    run(test())
    assert [each["action"] for each in desk.changes] == ["key.create", "key.create failed"]


def test_of_two_admins_who_change_a_key_at_once_both_get_their_way(desk: Desk) -> None:
    other = KeyAdmin(KeyFile(desk.home), desk.audit, tuple, desk.clock)

    async def test() -> None:
        made = await desk.admin.create(ANNA, {"team": "a"})
        changes: list[Callable[[], Coroutine[Any, Any, Any]]] = [
            lambda: desk.admin.update(ANNA, made["id"], {"name": "n"}),
            lambda: other.update(ANNA, made["id"], {"tenant": "t"}),
        ]
        await asyncio.gather(*(change() for change in changes))
        after = await desk.admin.show(made["id"])
        assert (after["name"], after["tenant"]) == ("n", "t")

    run(test())


def test_a_budget_that_nobody_can_count_is_given_to_no_key(desk: Desk):
    made = run(desk.admin.create(ANNA, {"team": "a", "budget": "1usd/day"}))
    apart = KeyAdmin(KeyFile(desk.home), desk.audit, tuple, desk.clock, budgets=False)
    for work in (
        apart.create(ANNA, {"team": "a", "budget": "1usd/day"}),
        apart.update(ANNA, made["id"], {"budget": "2usd/day"}),
    ):
        with pytest.raises(MalformedRequest, match="Several workers") as refused:
            run(work)
        assert refused.value.param == "budget"
    # It can still be taken away.
    assert run(apart.update(ANNA, made["id"], {"budget": None}))["budget"] is None


def test_each_change_says_who_made_it_and_in_which_role(desk: Desk):
    made = run(desk.admin.create(ANNA, {"team": "a"}))
    ben = Actor(who="ben", role="operator")
    run(desk.admin.update(ben, made["id"], {"name": "n"}))
    run(desk.admin.rotate(ANNA, made["id"], {}))
    run(desk.admin.revoke(ben, made["id"]))
    assert [(each["who"], each["role"], each["action"]) for each in desk.changes] == [
        ("anna", "key_admin", "key.create"),
        ("ben", "operator", "key.update"),
        ("anna", "key_admin", "key.rotate"),
        ("ben", "operator", "key.revoke"),
    ]
