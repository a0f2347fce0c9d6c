"""Constraints on arguments: what passes each, and what does not."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.core.errors import Misconfigured
from gateway.guards.arguments import canonical, compile_argument, holds_type, searcher


def listed(kind: str, *values: str) -> dict[str, Any]:
    return {"type": kind, "values": list(values)}


OURS = listed("mail_domain", "acme.example", "*.acme.example")
HOSTS = listed("host", "ok.example", "docs.example/guide")


@pytest.mark.parametrize(
    ("rule", "passing", "failing"),
    [
        ({"max": 5}, [5, 4.5, -1], [5.1, "5", True, None]),
        ({"min": 5}, [5, 5.5], [4, "9", False]),
        ({"max_chars": 3}, ["abc", 123, [1]], ["abcd", 1234, [1, 2]]),
        ({"type": "integer"}, [1, 1.0], [1.5, True, "1"]),
        ({"type": "string"}, [""], [None, 1]),
        ({"enum": ["a", 1, None]}, ["a", 1, 1.0, None], ["b", True, "1"]),
        ({"pattern": "[a-z]+"}, ["abc"], ["abc1", "1abc", "abc\n", "", 5]),
        ({"pattern": "a|b"}, ["a", "b"], ["ab", "ac"]),
        ({"pattern": "ü+"}, ["üü"], ["u"]),
        ({"in": listed("word", "a", "b c")}, ["a", "b c"], ["A", "c", ["a"], 1]),
        ({"in": listed("tool", "get_*")}, ["get_x"], ["set_x", None]),
        ({"in": listed("cidr", "10.0.0.0/8", "2001:db8::/32")}, ["10.1.2.3", "2001:db8::1"], ["11.0.0.1", "x", 1]),
        (
            {"in": HOSTS},
            ["ok.example", "https://ok.example/x", "https://docs.example/guide/a", "ok.example:443"],
            [
                "evil.example",
                "https://ok.example@evil.example",
                "https://docs.example/",
                "javascript:x",
                5,
                "ok.example:8080",
            ],
        ),
        (
            {"all_in": OURS},
            ["a@acme.example", ["a@ACME.example.", "B C <b@x.acme.example>"], []],
            [
                "eve@proton.example",
                ["a@acme.example", "eve@proton.example"],
                "a@acme.example, eve@proton.example",
                "a@acme.example <eve@proton.example>",
                "a@notacme.example",
                "<a@acme.example",
                "a@acme.example>",
                {"to": "a@acme.example"},
                [["a@acme.example"]],
                "acme.example",
            ],
        ),
    ],
    ids=str,
)
def test_constraints(rule: dict[str, Any], passing: list[Any], failing: list[Any]) -> None:
    checks = compile_argument("x", rule)
    assert [word for word, _ in checks] == list(rule)
    for value in passing:
        assert all(check(value) for _, check in checks), value
    for value in failing:
        assert not all(check(value) for _, check in checks), value


def test_international_domains_are_compared_as_they_go_over_the_wire() -> None:
    ((_, check),) = compile_argument("x", {"in": listed("mail_domain", "xn--bcher-kva.example")})
    assert check("a@bücher.example")
    assert not check("a@b\u2024\u2024c.example")


def test_a_pattern_that_cannot_run_is_named() -> None:
    with pytest.raises(Misconfigured, match=r"args\.x\.pattern"):
        compile_argument("x", {"pattern": r"(a)\1"})


def test_values_that_are_equal() -> None:
    assert canonical({"a": 1.0, "b": [True]}) == canonical({"b": [True], "a": 1})
    assert canonical(1) != canonical(True)
    assert holds_type(None, "null")
    assert searcher("b+")("abc")
    assert not searcher("b+")(5)
