"""A judge of one's own over HTTP: the contract, and everything that can go wrong with whoever keeps it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import pytest

from gateway.core.errors import ConnectFailed, GatewayError, InvalidAnswer, Misconfigured, RequestTooLarge, StreamBroken
from gateway.core.verdict import DetectorSpec
from gateway.guards.detectors.webhook import MAX_FINDINGS, MAX_READ_BYTES, MAX_SENT_BYTES, WebhookDetector, build
from gateway.plugin.guard import About, Finding
from gateway.plugin.runner import DetectorFailed, ask
from gateway.plugin.testing import check_outside
from tests.support.provider import RESET, Asked, ScriptedProvider, Step, scripted, whole

USER = About("request", "user")
JSON_HEAD = b"content-type: application/json\r\n"


def spec(url: str, **options: Any) -> DetectorSpec:
    return DetectorSpec(name="hook", use="webhook", options={"url": url, **options}, timeout_s=5.0)


def says(*findings: dict[str, Any]) -> list[Step]:
    return [whole(orjson.dumps({"findings": findings}), "200 OK", JSON_HEAD)]


def run(
    script: list[Step] | Callable[[Asked], list[Step]],
    work: Callable[[WebhookDetector, ScriptedProvider], Awaitable[Any]],
    **options: Any,
) -> Any:
    async def main() -> Any:
        async with scripted(script) as provider:
            hook = build(spec(f"{provider.url}/judge?tenant=a b", **options))
            try:
                return await work(hook, provider)
            finally:
                await hook.close()

    return asyncio.run(main())


def test_what_is_asked_and_what_is_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_KEY", "Bearer wh-secret")

    async def work(hook: WebhookDetector, provider: ScriptedProvider) -> None:
        found = await hook.judge([("one", USER), ("two", About("request", "tool", "tool_result", "crm"))])
        assert found == [[], [Finding(kind="poison", start=0, end=2, label="P", score=0.5, replacement="x")]]
        (asked,) = provider.asked
        assert (asked.method, asked.path) == ("POST", "/v1/judge?tenant=a%20b")
        assert asked.headers["authorization"] == "Bearer wh-secret"
        sent = orjson.loads(asked.body)
        assert sent.pop("id")
        assert sent == {
            "direction": "request",
            "texts": [
                {"role": "user", "kind": "text", "tool": "", "text": "one"},
                {"role": "tool", "kind": "tool_result", "tool": "crm", "text": "two"},
            ],
        }

    finding = {"text": 1, "kind": "poison", "start": 0, "end": 2, "label": "P", "score": 0.5, "replacement": "x"}
    run(says(finding), work, headers={"authorization": "env:HOOK_KEY"})


def test_digests_instead_of_texts() -> None:
    async def work(hook: WebhookDetector, provider: ScriptedProvider) -> None:
        assert await hook.judge([("one", USER)]) == [[]]
        (sent,) = orjson.loads(provider.asked[0].body)["texts"]
        assert sent == {
            "role": "user",
            "kind": "text",
            "tool": "",
            "chars": 3,
            "sha256": hashlib.sha256(b"one").hexdigest(),
        }
        assert b"one" not in provider.asked[0].body

    run(says(), work, send="hash")


def test_it_keeps_the_contract_over_one_connection() -> None:
    async def work(hook: WebhookDetector, provider: ScriptedProvider) -> None:
        await hook.judge([("a", USER)])
        await check_outside(hook, ["one", "", "\ud800 two"])
        assert provider.connections == 1
        assert provider.asked[-1].path.startswith("/v1/judge")

    run(says({"text": 0, "kind": "k", "end": 1}), work)


@pytest.mark.parametrize(
    "script",
    [
        [whole(b"{}", "200 OK", JSON_HEAD)],
        [whole(b"not json", "200 OK", JSON_HEAD)],
        [whole(b'{"findings":[{"kind":"k"}]}', "200 OK", JSON_HEAD)],
        says({"text": 1, "kind": "k"}),
        says({"text": 0, "kind": "k", "start": 2, "end": 1}),
        says({"text": 0, "kind": "k", "end": 99}),
        says({"text": 0, "kind": ""}),
        says({"text": 0, "kind": "the matched text"}),
        says({"text": 0, "kind": "k", "label": "a]b"}),
        says({"text": 0, "kind": "k", "score": 2}),
        says({"text": 0, "kind": "k", "replacement": "x" * 5000}),
        says(*[{"text": 0, "kind": "k"}] * (MAX_FINDINGS + 1)),
        [whole(b" " * (MAX_READ_BYTES + 1), "200 OK", JSON_HEAD)],
        [whole(b'{"findings":[]}', "500 Internal Server Error", JSON_HEAD)],
        [whole(b"", "307 Temporary Redirect", b"location: http://127.0.0.1:1/\r\n")],
    ],
)
def test_an_answer_that_is_not_as_agreed_is_an_error(script: list[Step]) -> None:
    async def work(hook: WebhookDetector, provider: ScriptedProvider) -> None:
        with pytest.raises(InvalidAnswer):
            await hook.judge([("one", USER)])
        assert len(provider.asked) == 1

    run(script, work)


def test_a_connection_that_breaks_is_an_error() -> None:
    async def work(hook: WebhookDetector, provider: ScriptedProvider) -> None:
        with pytest.raises(GatewayError) as caught:
            await hook.judge([("one", USER)])
        assert isinstance(caught.value, (StreamBroken, ConnectFailed))

    run([RESET], work)


def test_nobody_is_there() -> None:
    async def main() -> None:
        hook = build(spec("http://127.0.0.1:1/"))
        with pytest.raises(ConnectFailed):
            await hook.judge([("one", USER)])
        await hook.close()

    asyncio.run(main())


def test_texts_that_are_too_large_are_not_sent() -> None:
    async def work(hook: WebhookDetector, provider: ScriptedProvider) -> None:
        with pytest.raises(RequestTooLarge):
            await hook.judge([("x" * MAX_SENT_BYTES, USER)])
        assert provider.asked == []

    run(says(), work)


def test_who_waits_no_longer_closes_the_connection() -> None:
    async def work(hook: WebhookDetector, provider: ScriptedProvider) -> None:
        with pytest.raises(DetectorFailed, match="timeout"):
            await ask(hook, [("one", USER)], 0.2)
        await asyncio.wait_for(provider.closed.wait(), 10)

    run([asyncio.Event()], work)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"headers": {"authorization": "env:NO_SUCH_VARIABLE"}}, "NO_SUCH_VARIABLE is not set"),
        ({"headers": {"Host": "env:PATH"}}, "headers.Host is set by the gateway"),
    ],
)
def test_headers_that_cannot_be_sent(options: dict[str, Any], message: str) -> None:
    with pytest.raises(Misconfigured, match=message):
        build(spec("http://127.0.0.1:1/", **options))


def test_secrets_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_KEY", "wh-secret\nx")
    with pytest.raises(Misconfigured) as caught:
        build(spec("http://127.0.0.1:1/", headers={"authorization": "env:HOOK_KEY"}))
    assert "wh-secret" not in str(caught.value)
