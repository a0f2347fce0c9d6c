from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import msgspec
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from gateway.clients.clock import SystemClock
from gateway.clients.otlp import NeverTaken, NotNow
from gateway.config.otlp import Keep, Otlp, ServedBy
from gateway.core.record import ExchangeRecord
from gateway.operator import follower as following
from gateway.operator import telemetry as module
from gateway.operator.follower import Follower
from gateway.operator.otlp_families import otlp_families
from gateway.operator.telemetry import Telemetry, open_telemetry
from gateway.recording.recorder import Recorder
from gateway.recording.spool import SpoolWriter
from tests.support.clock import ManualClock
from tests.support.collector import HAS_COLLECTOR, attributes_of, collector
from tests.support.operator_plane import exchange

OPTIONS = Otlp(endpoint="http://o:4317", protocol="grpc", resource={"deployment.environment.name": "test"})
PROVIDERS = {"openai": ServedBy("openai", "api.openai.com", 443)}
CLOCK = SystemClock()


class Script:
    """A collector that answers as it is told, and keeps what it takes."""

    def __init__(self) -> None:
        self.answers: list[Exception | bytes] = []
        self.taken: list[tuple[str, bytes]] = []
        self.tried = 0

    async def send(self, signal: str, message: bytes) -> bytes:
        self.tried += 1
        answer = self.answers.pop(0) if self.answers else b""
        if isinstance(answer, Exception):
            raise answer
        self.taken.append((signal, message))
        return answer

    async def close(self) -> None: ...

    @property
    def spans(self) -> list[Any]:
        found = [ExportTraceServiceRequest.FromString(m) for signal, m in self.taken if signal == "traces"]
        return [span for each in found for span in each.resource_spans[0].scope_spans[0].spans]


class Place:
    def __init__(self, home: Path) -> None:
        self.home = home
        self.spool = SpoolWriter(home / "spool", name="worker-0", clock=CLOCK, max_bytes=1 << 30)
        self.recorder = Recorder(self.spool, msgspec.json.Encoder())
        self.sender = Script()
        self.clock = ManualClock()

    def telemetry(self, options: Otlp = OPTIONS) -> Telemetry:
        follower = Follower(self.home / "spool", self.home / "offsets.json", self.clock)
        return Telemetry(options, follower, self.sender, self.clock, PROVIDERS, {"service.name": "weighbridge"})

    def write(self, *records: ExchangeRecord) -> None:
        for each in records:
            self.recorder.append(each)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def run(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(scenario(), 60))


def counts(telemetry: Telemetry) -> dict[tuple[str, ...], float]:
    return {
        (family.name.removeprefix("weighbridge_otlp_"), *labels): value
        for family in otlp_families(telemetry)
        for _, labels, value in family.samples
    }


def test_what_is_in_the_spool_is_told(place: Place):
    async def scenario() -> None:
        telemetry = place.telemetry()
        place.write(exchange(), exchange())
        assert await telemetry.look()
        assert not await telemetry.look()
        assert telemetry.queued_spans == 4
        await telemetry.finish()
        await telemetry.close()
        assert [span.name for span in place.sender.spans] == ["chat gpt-4o-mini"] * 4
        told = counts(telemetry)
        assert (told["spans_total", "sent"], told["lines_total", "read"], told["calls_total", "share"]) == (4, 2, 2)
        assert told["messages_total", "traces", "sent"] == 1

    run(scenario)


def test_who_stops_reads_all_that_is_there_first(place: Place, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(following, "SLICE_LINES", 3)
    monkeypatch.setattr(following, "TAKE_BYTES", 1)

    async def scenario() -> None:
        telemetry = place.telemetry()
        place.write(*(exchange(attempts=[]) for _ in range(10)))
        await telemetry.look()
        assert telemetry.queued_spans == 3
        await telemetry.catch_up()
        assert telemetry.queued_spans == 10
        await telemetry.close()

    run(scenario)


def test_metrics_count_every_call_and_spans_a_share(place: Place):
    async def scenario() -> None:
        telemetry = place.telemetry(Otlp(endpoint="http://o:1", protocol="grpc", sample=0.0, keep=Keep(slow_s=5)))
        place.write(*(exchange() for _ in range(20)), exchange(duration_ms=9000.0))
        await telemetry.look()
        await telemetry.finish()
        await telemetry.close()
        assert len(place.sender.spans) == 2
        (message,) = [message for signal, message in place.sender.taken if signal == "metrics"]
        metrics = ExportMetricsServiceRequest.FromString(message).resource_metrics[0].scope_metrics[0].metrics
        counted = {metric.name: sum(point.count for point in metric.histogram.data_points) for metric in metrics}
        assert counted["gen_ai.server.request.duration"] == 21
        assert counts(telemetry)["calls_total", "left_out"] == 20

    run(scenario)


def test_lines_that_are_no_records_stop_nothing(place: Place):
    async def scenario() -> None:
        telemetry = place.telemetry()
        place.write(exchange())
        for line in (b"[]", b"{", b'{"id": 5}', b"\xff"):
            place.spool.append(line)
        place.write(exchange(trace_id="x" * 32, span_id="y" * 16, trace_flags=1), exchange())
        await telemetry.look()
        assert counts(telemetry)["lines_total", "unreadable"] == 5
        assert telemetry.queued_spans == 4
        await telemetry.close()

    run(scenario)


def test_a_collector_that_is_away_is_asked_again_and_nothing_is_told_twice(place: Place):
    async def scenario() -> None:
        telemetry = place.telemetry()
        place.sender.answers = [NotNow("no answer in time"), NotNow("status 503", 7.0)]
        place.write(exchange())
        await telemetry.look()
        sending = asyncio.get_running_loop().create_task(telemetry.send_spans())
        while place.sender.tried < 1:
            await asyncio.sleep(0)
        assert telemetry.told.last_error == "not taken yet: no answer in time"
        while not place.sender.taken:
            place.clock.advance(0.5)
            await asyncio.sleep(0)
        # The second pause was as long as it had asked for.
        assert place.clock.monotonic_ns() >= 7 * 10**9
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        await telemetry.close()
        assert len(place.sender.spans) == 2
        assert telemetry.told.last_error == ""
        assert counts(telemetry)["messages_total", "traces", "failed"] == 2

    run(scenario)


def test_what_is_never_taken_is_counted_and_let_go(place: Place):
    partial = ExportTraceServiceResponse(partial_success=ExportTracePartialSuccess(rejected_spans=1))

    async def scenario() -> None:
        telemetry = place.telemetry(Otlp(endpoint="http://o:1", protocol="grpc", metrics=False))
        place.sender.answers = [NeverTaken("status 400"), partial.SerializeToString()]
        for _ in range(2):
            place.write(exchange())
            await telemetry.look()
            await telemetry.finish()
        await telemetry.close()
        told = counts(telemetry)
        assert (told["spans_total", "refused"], told["spans_total", "sent"]) == (3, 1)

    run(scenario)


def test_the_queue_is_bounded_and_the_newest_stay(place: Place, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "MAX_QUEUE_BYTES", 20_000)

    async def scenario() -> None:
        telemetry = place.telemetry()
        records = [exchange(attempts=[]) for _ in range(200)]
        for record in records:
            place.write(record)
            await telemetry.look()
        assert telemetry._queue_bytes <= 20_000
        assert telemetry._queue_bytes == sum(map(len, telemetry._queue))
        dropped = counts(telemetry)["spans_total", "dropped"]
        assert dropped + telemetry.queued_spans == 200
        await telemetry.finish()
        await telemetry.close()
        told = [attributes_of(span)["weighbridge.exchange.id"] for span in place.sender.spans]
        assert told == [record.id for record in records[int(dropped) :]]

    run(scenario)


def test_who_stops_in_the_middle_of_sending_has_lost_nothing_yet(place: Place):
    async def scenario() -> None:
        telemetry = place.telemetry(Otlp(endpoint="http://o:1", protocol="grpc", metrics=False))
        gate, send = asyncio.Event(), place.sender.send

        async def slow(signal: str, message: bytes) -> bytes:
            await gate.wait()
            return await send(signal, message)

        place.sender.send = slow
        place.write(exchange())
        await telemetry.look()
        sending = asyncio.get_running_loop().create_task(telemetry.send_spans())
        await asyncio.sleep(0.01)
        assert telemetry.queued_spans == 0
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        assert telemetry.queued_spans == 2
        gate.set()
        await telemetry.finish()
        await telemetry.close()
        assert len(place.sender.spans) == 2

    run(scenario)


def test_a_spool_that_cannot_be_read_ends_nothing(place: Place):
    async def scenario() -> None:
        telemetry = place.telemetry()
        place.write(exchange())

        def broken() -> list[bytes]:
            raise OSError(5, "Input/output error")

        telemetry.follower.take, take = broken, telemetry.follower.take
        assert not await telemetry.look()
        assert "Input/output error" in telemetry.told.last_error
        telemetry.follower.take = take
        assert await telemetry.look()
        await telemetry.close()

    run(scenario)


def test_where_nothing_is_told_there_are_no_samples():
    families = otlp_families(None)
    assert len(families) == 6
    assert not any(family.samples for family in families)


@pytest.mark.integration
@pytest.mark.skipif(not HAS_COLLECTOR, reason="the collector (rotel) has no wheel for this Python")
@pytest.mark.parametrize(("protocol", "compress"), [("grpc", True), ("http", True), ("http", False)])
def test_the_real_collector_takes_what_is_sent(tmp_path: Path, protocol: Any, compress: bool):
    async def scenario() -> None:
        with collector(tmp_path) as there:
            options = Otlp(
                endpoint=there.grpc if protocol == "grpc" else there.http,
                protocol=protocol,
                compress=compress,
                resource={"deployment.environment.name": "test"},
            )
            place = Place(tmp_path)
            telemetry = open_telemetry(options, PROVIDERS, tmp_path / "spool", tmp_path, CLOCK)
            records = [exchange(guard_events=[]) for _ in range(50)]
            place.write(*records)
            await telemetry.look()
            await telemetry.finish()
            await telemetry.close()
            assert counts(telemetry)["spans_total", "sent"] == 100
            deadline = CLOCK.monotonic_ns() + 30 * 10**9
            while len(there.received.spans) < 100 or not there.received.metrics:
                assert CLOCK.monotonic_ns() < deadline
                await asyncio.sleep(0.01)
            told = {attributes_of(span).get("weighbridge.exchange.id") for span in there.received.spans}
            assert told - {None} == {record.id for record in records}
            assert there.received.resources[0]["service.name"] == "weighbridge"
            assert there.received.resources[0]["deployment.environment.name"] == "test"
            assert {metric.name for metric in there.received.metrics} >= {
                "gen_ai.client.operation.duration",
                "gen_ai.server.request.duration",
            }

    run(scenario)
