from __future__ import annotations

from pathlib import Path

from gateway.core.limits import Budget, Period
from tests.support.settings import good, load, wrong


def test_a_declared_key_says_all_that_a_key_can(tmp_path: Path) -> None:
    text = """
        version: 1
        identity:
          mode: keys
          keys:
            - id: ci
              key: env:CI_KEY
              team: build
              models: [gpt-*]
              endpoints: [chat, /v1/files*]
              may_tag: [env]
              policies: [strict]
              budget: 5usd/month
              expires: 2027-02-01
            - {id: plain, key: env:PLAIN_KEY, budget: {usd: 1, per: day, zone: Europe/Berlin}}
    """
    ci, plain = good(load(tmp_path, text, None, CI_KEY="wb-" + "a" * 30, PLAIN_KEY="wb-" + "b" * 30)).keys
    assert (ci.operations, ci.settable, ci.strict) == (("chat", "/v1/files*"), ("env",), True)
    assert ci.budget == Budget(nanousd=5 * 10**9, per=Period(calendar="month"))
    assert ci.expires_s == 1_801_440_000
    assert (plain.operations, plain.settable, plain.strict, plain.expires_s) == ((), None, False, None)
    assert plain.budget == Budget(nanousd=10**9, per=Period(calendar="day", zone="Europe/Berlin"))


def test_what_is_wrong_with_them_is_said_by_line(tmp_path: Path) -> None:
    text = """
        version: 1
        identity:
          mode: keys
          keys:
            - {id: a, key: env:A, endpoints: [Chat], budget: 5eur/month, expires: soon}
            - {id: b, key: env:B, policies: [lax]}
            - {id: c, key: env:B}
    """
    said = wrong(load(tmp_path, text, None, A="wb-" + "a" * 30, B="wb-" + "b" * 30))
    assert [line.partition(": ")[2].partition(":")[0] for line in said] == [
        "identity.keys[0].endpoints[0]",
        "identity.keys[0].budget",
        "identity.keys[0].expires",
        "identity.keys[1].policies[0]",
        "identity.keys[2].key",
    ]


def test_keys_may_all_be_elsewhere(tmp_path: Path) -> None:
    settings = good(load(tmp_path, "version: 1\nidentity: {mode: keys}\n", None))
    assert (settings.modes, settings.keys, settings.key_store) == (("keys",), (), None)
