from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
from aiohttp import web
from weighbridge_webhook import PLUGIN, HttpJudge, JudgeOptions

from gateway.plugin import About, Finding
from gateway.plugin.testing import check_outside

USER = About("request", "user")
Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


def judge(options: JudgeOptions) -> HttpJudge:
    (kind,) = PLUGIN.detectors
    made = kind.build("judge", options)
    assert isinstance(made, HttpJudge)
    return made


def run(handler: Handler, work: Callable[[str], Awaitable[None]]) -> None:
    async def main() -> None:
        runner = web.ServerRunner(web.Server(handler))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            await work(f"http://127.0.0.1:{runner.addresses[0][1]}/moderate")
        finally:
            await runner.cleanup()

    asyncio.run(main())


async def moderation(request: web.BaseRequest) -> web.StreamResponse:
    asked: Any = msgspec.json.decode(await request.read())
    assert request.headers["authorization"] == "Bearer token-1"
    bad = "poison" in asked["text"]
    return web.json_response({"results": [{"flagged": bad, "sure": 0.75 if bad else 0.1}]})


def test_texts_are_judged_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUDGE_TOKEN", "token-1")

    async def work(url: str) -> None:
        options = JudgeOptions(
            url=url, send="text", flagged="results.0.flagged", score="results.0.sure", token_env="JUDGE_TOKEN"
        )
        asked = judge(options)
        texts = [("fine", USER), ("some poison", USER), *[("fine", USER)] * 20]
        found = await asked.judge(texts)
        assert found == [[], [Finding(kind="flagged", score=0.75)], *[[]] * 20]
        await check_outside(asked, ["fine", "poison", ""])

    run(moderation, work)


@pytest.mark.parametrize(
    "answer",
    [
        web.Response(status=500),
        web.Response(status=307, headers={"location": "http://127.0.0.1:1/"}),
        web.Response(text="not json"),
        web.Response(text='{"other": true}'),
    ],
    ids=["failure", "redirect", "not json", "other json"],
)
def test_what_goes_wrong_is_raised(answer: web.Response) -> None:
    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        del request
        return answer

    async def work(url: str) -> None:
        asked = judge(JudgeOptions(url=url))
        with pytest.raises(ExceptionGroup):
            await asked.judge([("fine", USER)])
        await asked.close()

    run(handler, work)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (JudgeOptions(url="ftp://a.example"), "url should be"),
        (JudgeOptions(url="http://a.example", token_env="NO_SUCH_VARIABLE"), "NO_SUCH_VARIABLE"),
    ],
)
def test_options_that_cannot_be_are_refused(options: JudgeOptions, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        judge(options)
