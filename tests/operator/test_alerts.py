from __future__ import annotations

import asyncio
import hashlib
import hmac
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest
from aiohttp import web

from gateway.config.alerting import Alerts, Webhook
from gateway.config.references import Secret
from gateway.core.alerts import AlertRule, Burn, EstimatedShare, UnknownPrice
from gateway.core.ids import IdSource
from gateway.core.limits import Period
from gateway.operator.alert_view import alert_families, alerts_now
from gateway.operator.alerts import KEPT_FILE, Alerting, start_alerting
from gateway.operator.families import render
from gateway.operator.plane import OpenStore, Plane
from gateway.operator.queries import TraceQueries
from gateway.operator.store import TraceStore
from tests.support.clock import ManualClock
from tests.support.drivers import opened
from tests.support.records import lines, record

NOW = datetime(2026, 11, 10, 12, 0, 30, tzinfo=UTC)
NOW_S = int(NOW.timestamp())
USD = 10**9
BURN = AlertRule(
    id="support-burn",
    match={"team": ("support",)},
    what=Burn(nanousd=100 * USD, per=Period(calendar="month"), gone_in_s=86_400, windows_s=(3600, 21_600)),
)
UNKNOWN = AlertRule(id="unpriced", what=UnknownPrice(calls=1, within_s=3600))
GUESSED = AlertRule(id="guessed", what=EstimatedShare(above=0.5, within_s=3600, min_calls=2))


class Hook:
    """A real server that takes messages; fails as often as it is told to first."""

    def __init__(self, fail: int = 0) -> None:
        self.fail = fail
        self.taken: list[dict] = []
        self.tries = 0

    async def __aenter__(self):
        app = web.Application()
        app.router.add_post("/hook", self._take)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/hook"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.StreamResponse:
        self.tries += 1
        body = await request.read()
        stamp = request.headers["x-weighbridge-timestamp"]
        made = hmac.new(b"shared", f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
        assert request.headers["x-weighbridge-signature"] == f"v1={made}"
        if self.tries <= self.fail:
            return web.Response(status=503)
        self.taken.append(orjson.loads(body))
        return web.Response()


class Scene:
    """A store, a clock and what looks at them."""

    def __init__(self, folder: Path, driver) -> None:
        self.clock = ManualClock(NOW_S * 1000)
        (folder / "run").mkdir(exist_ok=True)
        self.plane = Plane(folder / "run", self.clock)
        self.store = TraceStore(driver)
        self._slices = 0

    async def open(self) -> None:
        await self.store.start()
        self.plane.open_store = OpenStore(self.store, TraceQueries(self.store.driver, self.clock))

    async def spend(self, usd: float, ago_s: int = 60, **fields) -> None:
        at_us = self.clock.unix_us() - ago_s * 1_000_000
        self._slices += 1
        nano = {"cost_nanousd": round(usd * USD), **fields}
        await self.store.insert(lines(record(started_us=at_us, **nano)), f"s{self._slices}")

    def alerting(self, *rules: AlertRule, url: str = "") -> Alerting:
        hook = (
            Webhook(url=url, secret=Secret("shared", "env:X"), timeout_s=5.0, allow=("127.0.0.0/8",)) if url else None
        )
        return Alerting(Alerts(rules=rules, every_s=60.0, webhook=hook), self.plane, IdSource(bytes))


def staged(folder: Path, scenario) -> None:
    async def run() -> None:
        async with opened("chdb") as driver:
            scene = Scene(folder, driver)
            await scene.open()
            await scenario(scene)

    asyncio.run(run())


async def until(done) -> None:
    async with asyncio.timeout(30):
        while not done():
            await asyncio.sleep(0.005)


def test_what_others_look_at_is_told_in_the_same_way(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        async with Hook() as hook:
            alerting = scene.alerting(url=hook.url)
            alerting.tell({"type": "weighbridge.alert", "rule": "drift.refusals", "state": "firing"})
            assert b"drift.refusals" in (scene.plane.run_dir / KEPT_FILE).read_bytes()
            async with asyncio.TaskGroup() as group:
                tasks = start_alerting(alerting, group)
                await until(lambda: hook.taken)
                for task in tasks:
                    task.cancel()
            (told,) = hook.taken
            assert (told["rule"], bool(told["id"])) == ("drift.refusals", True)

    staged(tmp_path, scenario)


def test_a_budget_that_goes_too_fast_is_told_once_and_its_end_once_over_a_restart(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        await scene.spend(40, ago_s=5 * 3600)
        await scene.spend(30)
        await scene.spend(500, team="other")
        async with Hook() as hook:
            alerting = scene.alerting(BURN, url=hook.url)
            async with asyncio.TaskGroup() as group:
                tasks = start_alerting(alerting, group)
                await until(lambda: len(hook.taken) == 1)
                for _ in range(3):
                    await alerting.look()
                for task in tasks:
                    task.cancel()
            (told,) = hook.taken
            assert (told["rule"], told["state"], told["match"]) == ("support-burn", "firing", {"team": ["support"]})
            facts = told["facts"]
            assert (facts["spent_nanousd"], facts["left_nanousd"]) == (70 * USD, 30 * USD)
            assert (facts["last_1h_nanousd"], facts["last_6h_nanousd"]) == (30 * USD, 70 * USD)
            assert facts["gone_in_s"] == round(30 * 21_600 / 70)

            # The operator starts again, and an hour later the rate has fallen.
            again = scene.alerting(BURN, url=hook.url)
            await again.look()
            scene.clock.advance(3 * 3600)
            await again.look()
            await again.look()
            await again.look()
            async with asyncio.TaskGroup() as group:
                (task,) = start_alerting(again, group)[1:]
                await until(lambda: len(hook.taken) == 2)
                for each in (*asyncio.all_tasks(),):
                    if each.get_name() in {"alerts", "webhook"}:
                        each.cancel()
            assert [each["state"] for each in hook.taken] == ["firing", "resolved"]
            assert hook.taken[0]["episode"] == hook.taken[1]["episode"]
            assert hook.taken[0]["id"] != hook.taken[1]["id"]
            assert hook.tries == 2

    staged(tmp_path, scenario)


def test_what_was_not_delivered_is_delivered_after_a_restart(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        await scene.spend(200)
        alerting = scene.alerting(BURN, url="http://127.0.0.1:9/hook")
        await alerting.look()
        assert alerting.outbox is not None
        assert len(alerting.outbox.waiting) == 1
        async with Hook(fail=1) as hook:
            again = scene.alerting(BURN, url=hook.url)
            outbox = again.outbox
            assert outbox is not None
            task = asyncio.get_running_loop().create_task(outbox.run())
            await until(lambda: hook.tries == 1 and scene.clock.sleepers)
            scene.clock.advance(5)
            await until(lambda: len(hook.taken) == 1)
            await until(lambda: outbox.waiting == [])
            task.cancel()
        third = scene.alerting(BURN, url=hook.url).outbox
        assert third is not None
        assert third.waiting == []
        assert "is gone" in hook.taken[0]["summary"]

    staged(tmp_path, scenario)


def test_unknown_prices_and_estimates(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        alerting = scene.alerting(UNKNOWN, GUESSED)
        await alerting.look()
        assert [each["state"] for each in alerts_now(alerting)] == ["quiet", "quiet"]
        await scene.spend(1, cost_nanousd=None)
        await scene.spend(2, usage_source="estimated")
        await scene.spend(1)
        await alerting.look()
        told = {each["rule"]: each for each in alerts_now(alerting)}
        assert told["unpriced"]["state"] == told["guessed"]["state"] == "firing"
        assert told["unpriced"]["summary"] == "1 of 3 calls of the last 1h have no known cost."
        assert told["guessed"]["facts"]["estimated_share"] == round(2 / 3, 6)
        text = render(alert_families(alerting))
        assert 'weighbridge_alert_firing{rule="unpriced"} 1' in text
        assert 'weighbridge_alert_looks_total{result="good"} 4' in text

    staged(tmp_path, scenario)


def test_a_store_that_is_away_neither_fires_nor_resolves(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        await scene.spend(200)
        alerting = scene.alerting(BURN)
        await alerting.look()
        open_store, scene.plane.open_store = scene.plane.open_store, None
        for _ in range(3):
            await alerting.look()
        assert alerting.standings["support-burn"].firing
        assert alerting.looks == {"good": 1, "failed": 3}
        scene.plane.open_store = open_store

    staged(tmp_path, scenario)


def test_a_store_that_is_away_is_said_once_for_all_rules(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(scene: Scene) -> None:
        alerting = scene.alerting(BURN, UNKNOWN, GUESSED)
        open_store, scene.plane.open_store = scene.plane.open_store, None
        with caplog.at_level("INFO", "weighbridge.alerts"):
            for away in (None, None, open_store, open_store, None):
                scene.plane.open_store = away
                await alerting.look()
        said = "alerts cannot be looked at: The trace store is not open yet."
        assert caplog.messages == [said, "alerts are looked at again", said]
        assert alerting.looks == {"good": 6, "failed": 9}

    staged(tmp_path, scenario)


def test_a_rule_that_is_gone_is_over(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        await scene.spend(200)
        await scene.alerting(BURN).look()
        other = scene.alerting(UNKNOWN, url="http://127.0.0.1:9/hook")
        await other.look()
        assert other.outbox is not None
        (message,) = other.outbox.waiting
        assert (message.document["rule"], message.document["state"]) == ("support-burn", "resolved")
        assert scene.alerting(UNKNOWN).standings == {}

    staged(tmp_path, scenario)


@pytest.mark.parametrize("text", [b"", b"{", b'{"standings": 3}'])
def test_a_damaged_file_is_no_reason_to_stop(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / KEPT_FILE).write_bytes(text)
    plane = Plane(tmp_path / "run", ManualClock())
    alerting = Alerting(Alerts(rules=(UNKNOWN,), every_s=60.0), plane, IdSource(bytes))
    assert alerting.standings == {}
