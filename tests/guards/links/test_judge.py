"""Whether a link may stay: host, scheme, user name, and where an allowed host passes its readers on."""

from __future__ import annotations

from base64 import b64encode, urlsafe_b64encode
from urllib.parse import quote

import pytest

from gateway.guards.links.allowlist import AllowList
from gateway.guards.links.judge import LinkJudge

ALLOW = AllowList(["good.example", "*.good.example", "paypal.example"])
JUDGE = LinkJudge(ALLOW)
EVIL = "https://evil.example/c?d=1"


@pytest.mark.parametrize(
    ("written", "fault"),
    [
        ("https://good.example/a", ""),
        ("/relative", ""),
        ("https://evil.example", "host"),
        ("https://paypa1.example", "lookalike"),
        ("https://good.example.evil.net", "lookalike"),
        ("javascript:fetch(1)", "scheme"),
        ("data:text/html,x", "scheme"),
        ("https://me@good.example", "user"),
        ("https://good.example\\@evil.example", "user"),
        ("https://good.example/" + "a" * 3000, "long"),
        ("https://evil.example/" + "a" * 3000, "host"),
        ("https://good.example//static/app.js", ""),
        ("https://good.example/login?next=https://www.good.example/home", ""),
        ("https://good.example/search?q=node.js", ""),
    ],
)
def test_faults(written: str, fault: str) -> None:
    assert JUDGE.fault(written) == fault


@pytest.mark.parametrize(
    "rest",
    [
        f"/r?u={EVIL}",
        f"/r?u={quote(EVIL, safe='')}",
        f"/r?u={quote(quote(EVIL, safe=''), safe='')}",
        f"/r?x=1&amp;u={EVIL}",
        f"/r/{EVIL}",
        "/r/https:/evil.example/c",
        "//evil.example/c",
        "/r?u=//evil.example/c",
        "/r?u=\\\\evil.example",
        "/r?u=www.evil.example",
        "/r?redirect_url=evil.example",
        "/r?returnTo=evil.example/c",
        f"/r#{EVIL}",
        f"/r?u=%09{EVIL}",
        f"/r?d={b64encode(EVIL.encode()).decode()}",
        f"/r?d={urlsafe_b64encode(EVIL.encode()).decode().rstrip('=')}",
        "/r?u=https://me@good.example",
        "/r?" + "&".join(["u=https://good.example"] * 40),
    ],
)
def test_redirectors(rest: str) -> None:
    assert JUDGE.fault(f"https://good.example{rest}") == "redirector"
    assert LinkJudge(ALLOW, redirectors=True).fault(f"https://good.example{rest}") == ""


def test_what_is_no_base_64_is_passed_over() -> None:
    assert JUDGE.fault("https://good.example/aHR0cAAAAAAAA=") == ""


def test_look_alikes_pass_where_the_policy_lets_them() -> None:
    lax = LinkJudge(ALLOW, lookalikes=True)
    assert lax.fault("https://paypa1.example") == ""
    assert lax.fault("https://good.example.evil.net") == ""
    assert lax.fault("https://evil.example") == "host"
