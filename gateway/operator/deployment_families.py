"""What workers know of deployments and of the ways to them, as families of metrics."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.core.deployment_health import DeploymentHealth, added_up
from gateway.core.hint import hints_added_up
from gateway.core.queue_told import queues_added_up
from gateway.core.state_counts import states_added_up
from gateway.operator.cache_families import cache_families
from gateway.operator.families import Family, LabelValues
from gateway.operator.mirror_families import mirror_families
from gateway.recording.metrics import Snapshot


def deployment_families(snapshots: Sequence[Snapshot], fresh: Sequence[Snapshot]) -> list[Family]:
    """Tries, health, load, queues, hints, shared limits, probes and mirrors.

    Args:
        snapshots: Of all workers that ever were.
        fresh: Of those that are there.
    """
    return [
        *_fares(snapshots, fresh),
        *_queues(snapshots, fresh),
        *_hints(snapshots, fresh),
        *_state(snapshots, fresh),
        *_probes(snapshots),
        *mirror_families(snapshots, fresh),
        *cache_families(snapshots, fresh),
    ]


def _fares(snapshots: Sequence[Snapshot], fresh: Sequence[Snapshot]) -> list[Family]:
    tries = Family(
        "weighbridge_attempts_total",
        "counter",
        "Tries at providers, by what came of them.",
        ("provider", "kind", "outcome"),
    )
    counts: dict[LabelValues, int] = {}
    for snapshot in snapshots:
        for key, count in snapshot.tries:
            counts[key] = counts.get(key, 0) + count
    for key, count in sorted(counts.items()):
        tries.add(count, *key)
    pair = ("provider", "model")
    in_flight = Family("weighbridge_deployment_in_flight", "gauge", "Calls on their way to a deployment.", pair)
    left_alone = Family(
        "weighbridge_deployment_open", "gauge", "1 while a worker's breaker keeps calls from a deployment.", pair
    )
    ejected = Family(
        "weighbridge_deployment_ejected",
        "gauge",
        "1 while a deployment gets no calls since it fails more often than its peers.",
        pair,
    )
    told = added_up(one.deployments for one in fresh)
    for each in told:
        if each.in_flight is not None:
            in_flight.add(each.in_flight, each.provider, each.model)
        left_alone.add(int(each.breaker != "closed"), each.provider, each.model)
        ejected.add(int(each.ejected_s > 0), each.provider, each.model)
    return [tries, in_flight, left_alone, ejected, *_loads(snapshots, told)]


def _queues(snapshots: Sequence[Snapshot], fresh: Sequence[Snapshot]) -> list[Family]:
    waiting = Family("weighbridge_queue_waiting", "gauge", "Calls that wait for a deployment to have room.", ("alias",))
    for each in queues_added_up(one.queues for one in fresh):
        waiting.add(each.waiting, each.alias)
    calls = Family(
        "weighbridge_queue_calls_total",
        "counter",
        "Calls that found every deployment full, by what came of that.",
        ("alias", "outcome"),
    )
    seconds = Family(
        "weighbridge_queue_wait_seconds_total", "counter", "Time that calls waited which then got room.", ("alias",)
    )
    for each in queues_added_up(one.queues for one in snapshots):
        for outcome in ("served", "turned_away", "late", "left"):
            calls.add(getattr(each, outcome), each.alias, outcome)
        seconds.add(each.waited_s, each.alias)
    return [waiting, calls, seconds]


def _loads(snapshots: Sequence[Snapshot], told: Sequence[DeploymentHealth]) -> list[Family]:
    """What servers say of themselves, as long as that is news."""
    pair = ("provider", "model")
    load = Family("weighbridge_deployment_load", "gauge", "How full a deployment's server says it is, 0 to 1.", pair)
    queue = Family("weighbridge_deployment_queue", "gauge", "Calls that wait at a deployment's server.", pair)
    running = Family("weighbridge_deployment_running", "gauge", "Calls that a deployment's server answers.", pair)
    for each in told:
        for family, value in ((load, each.load), (queue, each.queue), (running, each.running)):
            if value is not None:
                family.add(value, each.provider, each.model)
    reads = Family(
        "weighbridge_load_reads_total",
        "counter",
        "Readings of what servers say of their load, by what came of them.",
        ("provider", "outcome"),
    )
    counts: dict[LabelValues, int] = {}
    for snapshot in snapshots:
        for key, count in snapshot.load_reads:
            counts[key] = counts.get(key, 0) + count
    for key, count in sorted(counts.items()):
        reads.add(count, *key)
    return [load, queue, running, reads]


def _hints(snapshots: Sequence[Snapshot], fresh: Sequence[Snapshot]) -> list[Family]:
    connected = Family("weighbridge_hints_connected", "gauge", "1 while the store of hints answers every worker.")
    exchanged = Family(
        "weighbridge_hints_total",
        "counter",
        "Breakers told of to other gateways, opened since theirs were, and times when the store did not answer.",
        ("event",),
    )
    now = hints_added_up(one.hints for one in fresh)
    if now is not None:
        connected.add(int(now.connected))
    ever = hints_added_up(one.hints for one in snapshots)
    if ever is not None:
        for event in ("told", "believed", "failed"):
            exchanged.add(getattr(ever, event), event)
    return [connected, exchanged]


def _state(snapshots: Sequence[Snapshot], fresh: Sequence[Snapshot]) -> list[Family]:
    connected = Family("weighbridge_state_connected", "gauge", "1 while the store of limits answers every worker.")
    workers = Family("weighbridge_state_workers", "gauge", "Workers of all gateways that count in the store of limits.")
    waiting = Family(
        "weighbridge_state_settlements", "gauge", "Settlements that the store of limits has not taken yet."
    )
    events = Family(
        "weighbridge_state_total",
        "counter",
        "Calls counted in the store of limits or decided without it, late answers, settlements given up, all lost.",
        ("event",),
    )
    now = states_added_up(one.state for one in fresh)
    if now is not None:
        connected.add(int(now.connected))
        workers.add(now.workers)
        waiting.add(now.waiting)
    ever = states_added_up(one.state for one in snapshots)
    if ever is not None:
        for event in ("asked", "late", "without", "dropped", "emptied"):
            events.add(getattr(ever, event), event)
    return [connected, workers, waiting, events]


def _probes(snapshots: Sequence[Snapshot]) -> list[Family]:
    cost = Family(
        "weighbridge_probe_cost_nanousd_total",
        "counter",
        "Cost of probes in billionths of a US dollar, estimated where no provider said it.",
        ("alias",),
    )
    held_back = Family(
        "weighbridge_probes_held_back_total",
        "counter",
        "Probes that were due and not made, since they may cost no more today.",
        ("alias",),
    )
    totals: dict[str, tuple[int, int]] = {}
    for snapshot in snapshots:
        for each in snapshot.probes:
            spent, held = totals.get(each.alias, (0, 0))
            totals[each.alias] = spent + each.total_nanousd, held + each.held_back
    for alias, (spent, held) in sorted(totals.items()):
        cost.add(spent, alias)
        held_back.add(held, alias)
    return [cost, held_back]
