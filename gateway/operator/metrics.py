"""All workers' counts added up, with the operator's own, as families of Prometheus.

Counts of a worker that is gone stay in its file and are still added, so that a sum never falls back when a deployment
shrinks; its gauges describe nothing any more and are left out once the file is older than :data:`FRESH_MS`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Protocol

import msgspec

from gateway.operator.deployment_families import deployment_families
from gateway.operator.estimate_families import estimate_families
from gateway.operator.families import Family, LabelValues
from gateway.recording import metrics as counted
from gateway.recording.metrics import Number, Snapshot, read_snapshot
from gateway.recording.process import cpu_seconds, resident_bytes

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# Workers write once a second; a file that missed five is of a worker that is gone or stuck.
FRESH_MS = 5_000
# Why a call is refused that its caller was not allowed to make, or had no room for.
REFUSALS = ("invalid_api_key", "permission_denied", "rate_limited", "budget_exceeded", "store_unavailable")


class ShipperView(Protocol):
    """What the shipper says about itself."""

    @property
    def shipped_lines(self) -> int:
        """Lines that are in the store."""
        ...

    @property
    def poison_lines(self) -> int:
        """Lines that the store will never take, put aside."""
        ...

    @property
    def torn_lines(self) -> int:
        """Lines that a killed writer left unfinished."""
        ...

    @property
    def lag_bytes(self) -> int:
        """Bytes in the spool that are not shipped yet."""
        ...

    @property
    def lag_s(self) -> float:
        """Age of the oldest line that is not shipped yet, in seconds."""
        ...

    @property
    def stuck(self) -> list[str]:
        """Segments that cannot be shipped until somebody repairs the spool."""
        ...

    @property
    def last_error(self) -> str | None:
        """Why the last slice could not be shipped, if it could not."""
        ...


class StoreHealth(msgspec.Struct):
    """The trace store as the operator sees it.

    Attributes:
        up: It is open, and its schema is in force.
        errors: Failures by operation: ``open``, ``query``.
        last_error: The latest of them, without secrets; empty while all is well.
    """

    up: bool = False
    errors: dict[str, int] = {}
    last_error: str = ""

    def failed(self, operation: str, message: str) -> None:
        """Count one failure."""
        self.errors[operation] = self.errors.get(operation, 0) + 1
        self.last_error = message


def read_workers(run_dir: Path) -> list[Snapshot]:
    """The snapshots of every worker that ever wrote one here, by index; damaged files are left out."""
    found = (read_snapshot(path) for path in run_dir.glob("worker-*.metrics.json"))
    return sorted((one for one in found if one is not None), key=lambda one: one.index)


def is_fresh(snapshot: Snapshot, now_ms: int) -> bool:
    """Whether the worker that wrote this is still there."""
    return now_ms - snapshot.written_ms <= FRESH_MS


def worker_families(snapshots: Sequence[Snapshot], now_ms: int) -> list[Family]:
    """Add workers up."""
    fresh = [one for one in snapshots if is_fresh(one, now_ms)]
    return [
        *_traffic(snapshots),
        *_times(snapshots),
        *_incidents(snapshots),
        *deployment_families(snapshots, fresh),
        *estimate_families(snapshots),
        *_gauges(fresh),
        *_processes(snapshots, fresh),
    ]


def operator_families(shipper: ShipperView | None, store: StoreHealth) -> list[Family]:
    """The operator's own counts. Without a shipper (the store was never open) its families have no samples."""
    up = Family("weighbridge_store_up", "gauge", "1 while the trace store is open.")
    up.add(int(store.up))
    errors = Family("weighbridge_store_errors_total", "counter", "Failures of the trace store.", ("operation",))
    for operation, count in sorted(store.errors.items()):
        errors.add(count, operation)
    shipped = Family("weighbridge_shipper_shipped_lines_total", "counter", "Spool lines put into the trace store.")
    poison = Family(
        "weighbridge_shipper_poison_lines_total", "counter", "Spool lines put aside because the store refuses them."
    )
    torn = Family("weighbridge_shipper_torn_lines_total", "counter", "Spool lines cut off by the death of a worker.")
    lag_bytes = Family("weighbridge_shipper_lag_bytes", "gauge", "Bytes in the spool that are not shipped yet.")
    lag_s = Family("weighbridge_shipper_lag_seconds", "gauge", "Age of the oldest line that is not shipped yet.")
    stuck = Family("weighbridge_shipper_stuck_segments", "gauge", "Segments that wait for a repair of the spool.")
    if shipper is not None:
        stuck.add(len(shipper.stuck))
        shipped.add(shipper.shipped_lines)
        poison.add(shipper.poison_lines)
        torn.add(shipper.torn_lines)
        lag_bytes.add(shipper.lag_bytes)
        lag_s.add(shipper.lag_s)
    return [up, errors, shipped, poison, torn, lag_bytes, lag_s, stuck]


def _refusals(snapshots: Sequence[Snapshot]) -> Family:
    refused = dict.fromkeys(REFUSALS, 0)
    for snapshot in snapshots:
        for (_, _, _, _, code), counts in snapshot.cells:
            if code in refused:
                refused[code] += int(counts[counted.EXCHANGES])
    family = Family("weighbridge_refusals_total", "counter", "Calls that were refused to their callers.", ("reason",))
    for reason, count in refused.items():
        family.add(count, reason)
    return family


def _traffic(snapshots: Sequence[Snapshot]) -> list[Family]:
    exchanges: dict[LabelValues, Number] = {}
    by_model: dict[LabelValues, list[Number]] = {}
    for snapshot in snapshots:
        for (dialect, provider, model, status, code), counts in snapshot.cells:
            key = (dialect, provider, model, str(status), code)
            exchanges[key] = exchanges.get(key, 0) + counts[counted.EXCHANGES]
            total = by_model.setdefault((provider, model), [0] * counted.DURATION_AT)
            for at in range(counted.DURATION_AT):
                total[at] += counts[at]
    served = Family(
        "weighbridge_exchanges_total",
        "counter",
        "Requests of clients that were answered, by what came of them.",
        ("dialect", "provider", "model", "status", "error_code"),
        [("", key, count) for key, count in sorted(exchanges.items())],
    )
    pair = ("provider", "model")
    tokens = Family(
        "weighbridge_tokens_total",
        "counter",
        "Tokens by kind; input includes cached_input, output includes reasoning.",
        (*pair, "kind"),
    )
    cost = Family(
        "weighbridge_cost_nanousd_total", "counter", "Known cost of exchanges in billionths of a US dollar.", pair
    )
    unpriced = Family(
        "weighbridge_unpriced_exchanges_total",
        "counter",
        "Exchanges that used something whose cost is unknown.",
        (*pair, "reason"),
    )
    kinds = (
        ("input", counted.INPUT),
        ("output", counted.OUTPUT),
        ("cached_input", counted.CACHED_INPUT),
        ("reasoning", counted.REASONING),
    )
    for key, total in sorted(by_model.items()):
        for kind, at in kinds:
            tokens.add(total[at], *key, kind)
        cost.add(total[counted.COST], *key)
        unpriced.add(total[counted.UNPRICED] - total[counted.UNMEASURED], *key, "price")
        unpriced.add(total[counted.UNMEASURED], *key, "usage")
    return [served, _refusals(snapshots), tokens, cost, unpriced]


def _times(snapshots: Sequence[Snapshot]) -> list[Family]:
    pair = ("provider", "model")
    duration = Family(
        "weighbridge_exchange_duration_seconds", "histogram", "From the first byte in to the last byte out.", pair
    )
    ttft = Family("weighbridge_ttft_seconds", "histogram", "Time to the first token of an answer.", pair)
    by_model: dict[LabelValues, list[Number]] = {}
    for snapshot in snapshots:
        for (_, provider, model, _, _), counts in snapshot.cells:
            total = by_model.setdefault((provider, model), [0] * counted.CELL_SIZE)
            for at in range(counted.DURATION_SUM, counted.CELL_SIZE):
                total[at] += counts[at]
    for key, total in sorted(by_model.items()):
        buckets = total[counted.DURATION_AT : counted.TTFT_AT]
        _fill(duration, key, counted.DURATION_BOUNDS_MS, buckets, total[counted.DURATION_SUM])
        _fill(ttft, key, counted.TTFT_BOUNDS_MS, total[counted.TTFT_AT :], total[counted.TTFT_SUM])
    overhead = Family("weighbridge_overhead_seconds", "histogram", "Time an exchange spent in the gateway itself.")
    if snapshots:
        buckets = [sum(column) for column in zip(*(one.overhead for one in snapshots), strict=True)]
        _fill(overhead, (), counted.OVERHEAD_BOUNDS_MS, buckets, sum(one.overhead_sum_ms for one in snapshots))
    return [duration, ttft, overhead]


def _fill(
    family: Family, labels: LabelValues, bounds_ms: Sequence[float], buckets: Sequence[Number], sum_ms: Number
) -> None:
    running = list(accumulate(buckets))
    for bound_ms, count in zip(bounds_ms, running, strict=False):
        family.samples.append(("_bucket", (*labels, repr(bound_ms / 1000)), count))
    family.samples.append(("_bucket", (*labels, "+Inf"), running[-1]))
    family.samples.append(("_sum", labels, sum_ms / 1000))
    family.samples.append(("_count", labels, running[-1]))


def _incidents(snapshots: Sequence[Snapshot]) -> list[Family]:
    hits = Family(
        "weighbridge_guard_events_total",
        "counter",
        "Hits of policy rules.",
        ("rule", "action", "mode"),
    )
    reloads = Family("weighbridge_config_reloads_total", "counter", "Reloads of the configuration.", ("result",))
    guard_events: dict[LabelValues, int] = {}
    results: dict[str, int] = {}
    for snapshot in snapshots:
        for key, count in snapshot.guard_events:
            guard_events[key] = guard_events.get(key, 0) + count
        for result, count in snapshot.config_reloads.items():
            results[result] = results.get(result, 0) + count
    for key, count in sorted(guard_events.items()):
        hits.add(count, *key)
    for result, count in sorted(results.items()):
        reloads.add(count, result)
    lines = Family(
        "weighbridge_spool_dropped_lines_total", "counter", "Records lost because the spool was full or broken."
    )
    lines.add(sum(one.spool_dropped_lines for one in snapshots))
    bodies = Family("weighbridge_spool_dropped_bodies_total", "counter", "Captured bodies left out to save the record.")
    bodies.add(sum(one.spool_dropped_bodies for one in snapshots))
    return [hits, reloads, lines, bodies]


def _gauges(fresh: Sequence[Snapshot]) -> list[Family]:
    in_flight = Family("weighbridge_in_flight_exchanges", "gauge", "Exchanges being served now.")
    in_flight.add(sum(one.in_flight for one in fresh))
    clients = Family("weighbridge_client_connections", "gauge", "Open connections of clients.")
    clients.add(sum(one.client_connections for one in fresh))
    tasks = Family("weighbridge_tasks", "gauge", "Tasks that workers have under way.")
    tasks.add(sum(one.tasks for one in fresh))
    upstream = Family("weighbridge_upstream_connections", "gauge", "Open connections to providers.", ("state",))
    states: dict[str, int] = {}
    for snapshot in fresh:
        for state, count in snapshot.upstream_connections.items():
            states[state] = states.get(state, 0) + count
    for state, count in sorted(states.items()):
        upstream.add(count, state)
    info = Family(
        "weighbridge_config_info",
        "gauge",
        "1 for each configuration in force; more than one only while a reload is under way.",
        ("hash", "policy_revision"),
    )
    for pair in sorted({(one.config_hash, one.policy_revision) for one in fresh}):
        info.add(1, *pair)
    sound = Family(
        "weighbridge_config_last_reload_ok",
        "gauge",
        "0 while a worker runs the last good configuration or policies because newer ones were rejected.",
    )
    sound.add(int(all(one.last_reload_ok for one in fresh)))
    return [in_flight, clients, tasks, upstream, info, sound]


def _processes(snapshots: Sequence[Snapshot], fresh: Sequence[Snapshot]) -> list[Family]:
    up = Family("weighbridge_worker_up", "gauge", "1 while a worker writes its counts every second.", ("worker",))
    memory = Family("weighbridge_process_resident_memory_bytes", "gauge", "Resident memory of a process.", ("process",))
    cpu = Family("weighbridge_process_cpu_seconds_total", "counter", "CPU time of a process.", ("process",))
    for snapshot in snapshots:
        up.add(int(snapshot in fresh), str(snapshot.index))
        cpu.add(snapshot.cpu_s, f"worker-{snapshot.index}")
    for snapshot in fresh:
        if snapshot.resident_bytes is not None:
            memory.add(snapshot.resident_bytes, f"worker-{snapshot.index}")
    own = resident_bytes()
    if own is not None:
        memory.add(own, "operator")
    cpu.add(cpu_seconds(), "operator")
    return [up, memory, cpu]
