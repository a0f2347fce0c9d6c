"""What it costs to write a record down, to ship it, and to have a process that does.

python -m loadtests.shipping [worker|shipper|operator …] [--lines 200000]

``worker``: CPU time an exchange, of a call that goes the ordinary way and of one with a record, a write each.
``shipper``: lines a second of CPU time through all views of the embedded engine, its threads included.
``operator``: resident memory of the operator of a gateway, as a user starts it, over a ClickHouse server elsewhere.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import msgspec

from gateway.clients.chdb import ChdbClient
from gateway.clients.clock import SystemClock
from gateway.core.record import AttemptRecord, ExchangeRecord
from gateway.operator.process import EMBEDDED_SLICE_BYTES
from gateway.operator.shipper import Shipper, ShipperLimits
from gateway.operator.store import TraceStore
from gateway.recording.metrics import Metrics
from gateway.recording.ordinary import Ordinary, Outcome, Try
from gateway.recording.recorder import Recorder
from gateway.recording.spool import SpoolWriter
from tests.support.clickhouse_shim import ClickHouseShim
from tests.support.engine import fresh_database
from tests.support.gateway_run import Gateway, resident_kb, running_anew, until
from tests.support.records import record

ROUNDS = 5
CALLS = 20_000
DEPLOYMENTS, TEAMS, KEYS = 8, 20, 200
FOUND = "SELECT count(), (SELECT sum(calls) FROM spend_by_minute) FROM exchanges"
OTLP = "telemetry: {{otlp: {{endpoint: 'http://127.0.0.1:{port}', protocol: {protocol}}}}}"


def spool(folder: Path) -> SpoolWriter:
    """A writer in a folder of its own."""
    return SpoolWriter(folder, name="worker-0", clock=SystemClock(), max_bytes=16 << 30)


def cpu_us(work: int, began_s: float) -> float:
    """CPU time since then, in microseconds for each piece of work."""
    return (time.process_time() - began_s) * 1e6 / work


def ordinary(folder: Path, calls: int) -> float:
    """Write and count calls of the ordinary way, each with a write of its own."""
    encoder = msgspec.json.Encoder()
    metrics = Metrics(0, SystemClock().unix_ms)
    template = record(attempts=[], guard_events=[])
    cell = metrics.cell(template.dialect, template.provider, template.model_requested, 200, "")
    lines = Ordinary(template, encoder.encode, cell)
    recorder = Recorder(spool(folder), encoder)
    began_s = time.process_time()
    for number in range(calls):
        outcome = Outcome(
            template.id, template.started_us + number, "gpt-1", "stop", 100, 20, 0, 0, 1_500, 250.0, 0.25, 800, 1_200
        )
        recorder.append_line(lines.line(outcome, Try(outcome.started_us, 12.5, 240.0, 100, 20, 1_500)))
        recorder.commit()
        lines.count(outcome)
    return cpu_us(calls, began_s)


def with_record(folder: Path, calls: int) -> float:
    """Write and count calls that each have a record, with a try and a hit of a rule."""
    metrics = Metrics(0, SystemClock().unix_ms)
    template = record()
    recorder = Recorder(spool(folder), msgspec.json.Encoder())
    began_s = time.process_time()
    for number in range(calls):
        one = msgspec.structs.replace(template, started_us=template.started_us + number)
        one.attempts = [AttemptRecord(number=1, provider="openai", deployment="openai/gpt", status=200)]
        recorder.append(one)
        recorder.commit()
        metrics.observe(one)
    return cpu_us(calls, began_s)


def worker() -> None:
    """Print what recording costs a worker."""
    for name, measure in (("the ordinary way", ordinary), ("with a record", with_record)):
        found: list[float] = []
        for _ in range(ROUNDS):
            with tempfile.TemporaryDirectory() as folder:
                found.append(measure(Path(folder), CALLS))
        print(f"recording, {name}: {min(found):.1f} to {max(found):.1f} us CPU an exchange")


def traffic(number: int) -> ExchangeRecord:
    """Records of many keys, teams and deployments; one call in ten is hit by a rule, half have two tags."""
    at = number % DEPLOYMENTS
    changes = {
        "team": f"team-{number % TEAMS}",
        "key_id": f"key-{number % KEYS}",
        "deployment": f"p/m-{at}",
        "model_served": f"m-{at}",
        "duration_ms": float(number % 3_000),
        "tags": {"app": f"a{number % 5}", "env": "prod"} if number % 2 else {},
    }
    return record(**changes) if number % 10 == 0 else record(**changes, guard_events=[])


def fill(folder: Path, lines: int) -> int:
    """Fill a spool; gives its size."""
    encode = msgspec.json.Encoder().encode
    into = spool(folder)
    for number in range(lines):
        into.append(encode(traffic(number)))
    into.close()
    return sum(path.stat().st_size for path in folder.glob("*.ndjson"))


async def ship(folder: Path, lines: int) -> None:
    """Print how many lines a second the shipper puts into the embedded engine."""
    size = fill(folder / "spool", lines)
    store = TraceStore(ChdbClient(folder / "traces"))
    await store.start()
    limits = ShipperLimits(slice_bytes=EMBEDDED_SLICE_BYTES)
    shipper = Shipper(folder / "spool", store, SystemClock(), limits=limits)
    began_s, wall_s = time.process_time(), time.perf_counter()
    count = await shipper.ship()
    cpu_s, wall_s = time.process_time() - began_s, time.perf_counter() - wall_s
    shipper.close()
    found = await store.driver.query(FOUND, fmt="TSVRaw")
    await store.close()
    if count != lines or found.split() != [b"%d" % lines] * 2:
        sys.exit(f"{lines} lines were written, {count} shipped, {found!r} found")
    rates = f"{lines / cpu_s:,.0f} a second of CPU, {lines / wall_s:,.0f} a second"
    print(f"shipped {lines} lines of {size // lines} bytes: {rates}")


def shipped(gateway: Gateway, lines: int) -> bool:
    """Whether so many lines are in the store."""
    return gateway.metric("weighbridge_shipper_shipped_lines_total") >= lines


def operator() -> None:
    """Print what the operator holds in memory over a server elsewhere."""
    server = ClickHouseShim()
    server.start()
    for name, otlp in (("alone", ""), ("OTLP over HTTP", "http"), ("OTLP over gRPC", "grpc")):
        told = OTLP.format(port=9, protocol=otlp) if otlp else ""
        config = f'version: 1\nstores: {{traces: "{server.url(fresh_database())}"}}\n{told}\n'
        with (
            tempfile.TemporaryDirectory() as folder,
            running_anew(Path(folder), operator=True, config=config) as gateway,
        ):
            for number in range(1_000):
                gateway.chat(text=f"words {number}")
            until(partial(shipped, gateway, 1_000))
            print(f"operator, {name}: {resident_kb(gateway.operator['pid']) / 1024:.0f} MiB resident")
    server.close()


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    all_of_it = ("worker", "shipper", "operator")
    parser.add_argument("what", nargs="*", choices=all_of_it, default=list(all_of_it))
    parser.add_argument("--lines", type=int, default=200_000)
    args = parser.parse_args()
    # One core, as it is promised.
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    if "worker" in args.what:
        worker()
    if "shipper" in args.what:
        with tempfile.TemporaryDirectory() as folder:
            asyncio.run(ship(Path(folder), args.lines))
    if "operator" in args.what:
        operator()


if __name__ == "__main__":
    main()
