"""Nobody is given what is another's: no two requests that differ in tenant, rules, tools or system prompt meet."""

from __future__ import annotations

from random import Random
from typing import Any, NamedTuple

from gateway.cache.canonical import canonical
from gateway.cache.partition import key_of, partition
from gateway.core.cache_rules import ExactRule
from gateway.core.exchange import Deployment, Principal
from gateway.wire.select import select
from tests.support.figures import SOAK
from tests.support.incoming import json_incoming

PAIRS = 100_000 if SOAK else 2_000
HERE = Deployment(provider="p", kind="openai", model="m", base_url="http://p", credential=b"")
THERE = Deployment(provider="q", kind="openai", model="m", base_url="http://q", credential=b"")
RULE = ExactRule()
# Such as could be taken for one another: parts that end where others begin, empty ones, quotes, separators.
NAMES = ("", "a", "b", "ab", "a b", 'a"', '["a"]', "a/b", "A", "a\x00", "ä", "a\n")
WORDS = ("", "be brief", "be brief.", "Be brief", "be  brief", "be", "brief", '"be brief"', "you are a bot", "\\u0062e")


def who(tenant: str = "", team: str = "", key: str = "") -> Principal:
    return Principal(tenant=tenant, team=team, key_id=key)


def part(principal: Principal, scope: Any = "team", alias: str = "m", **more: Any) -> str:
    given: dict[str, Any] = {"arm": ("", ""), "family": [HERE], "asked": "m"} | more
    return partition(principal, scope, alias, **given)


def test_who_shares_answers_is_as_the_scope_says():
    callers = [who("t", "a", "1"), who("t", "a", "2"), who("t", "b", "3"), who("u", "a", "4")]
    assert len({part(each, "tenant") for each in callers}) == 2
    assert len({part(each, "team") for each in callers}) == 3
    assert len({part(each, "key") for each in callers}) == 4
    # A team of one name with another tenant, and a tenant of the name of a team.
    assert part(who("a", "b"), "team") != part(who("a", ""), "team") != part(who("", "a"), "team")


def test_who_may_have_made_an_answer_counts_in_any_order():
    assert part(who(), family=[HERE, THERE]) == part(who(), family=[THERE, HERE])
    others = [{"family": [THERE]}, {"family": [HERE, THERE]}, {"alias": "n"}, {"arm": ("s", "a")}, {"asked": "n"}]
    nameless = Deployment(provider="p", kind="openai", model="", base_url="http://p", credential=b"")
    assert len({part(who()), *(part(who(), **each) for each in others)}) == 5
    assert part(who(), family=[nameless], asked="m") != part(who(), family=[nameless], asked="n")


def test_no_key_is_that_of_another_partition_or_of_other_rules():
    keys = {key_of(one, rules, b"d") for one in ("a", "b") for rules in ("", "r", "s")}
    assert len(keys) == 6
    assert key_of("a", "r", b"sd") != key_of("a", "rs", b"d")


def tool(random: Random) -> dict[str, Any]:
    name = random.choice(("find", "found", "get"))
    fields = {random.choice(("a", "b")): {"type": random.choice(("string", "number"))}}
    return {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": fields}}}


class Asked(NamedTuple):
    tenant: str
    revision: str
    system: str
    tools: list[dict[str, Any]]


def drawn(random: Random) -> Asked:
    tools = [tool(random) for _ in range(random.randrange(3))]
    return Asked(random.choice(NAMES), random.choice(("r1", "r2", "r", "")), random.choice(WORDS), tools)


def key(tenant: str, revision: str, system: str, tools: list[dict[str, Any]]) -> bytes:
    messages = [{"role": "system", "content": system}] if system else []
    document: dict[str, Any] = {"model": "m", "messages": [*messages, {"role": "user", "content": "what is it"}]}
    if tools:
        document["tools"] = tools
    asked = json_incoming("/v1/chat/completions", document)
    _, request = select(asked)
    found = canonical(request, request.document, "/v1/chat/completions", {}, RULE)
    assert found.digest
    return key_of(part(who(tenant)), revision, found.digest)


def test_no_two_that_differ_ever_meet():
    random, met = Random(8), 0
    for _ in range(PAIRS):
        one = drawn(random)
        # Half of them differ in one thing alone.
        other = drawn(random)
        if random.random() < 0.5:
            name = random.choice(Asked._fields)
            other = one._replace(**{name: getattr(other, name)})
        if one == other:
            assert key(*one) == key(*other)
        else:
            met += key(*one) == key(*other)
    assert met == 0
