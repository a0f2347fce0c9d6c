"""Every family is there, also while nobody has anything to tell; counts outlive their worker."""

from __future__ import annotations

from pathlib import Path

from gateway.core.record import AttemptRecord
from gateway.core.state_counts import StateCounts
from gateway.operator.deployment_families import deployment_families
from gateway.recording.metrics import Metrics, Snapshot, read_snapshot
from gateway.recording.tries import PROBE
from tests.support.clock import ManualClock


def test_names_are_there_from_the_start_and_only_once():
    names = [family.name for family in deployment_families([], [])]
    assert len(names) == len(set(names)) >= 10
    assert all(not family.samples for family in deployment_families([], []))


def samples(snapshots: list[Snapshot], name: str) -> dict[tuple[str, ...], float]:
    (family,) = [each for each in deployment_families(snapshots, []) if each.name == name]
    return {labels: value for _, labels, value in family.samples}


def test_limits_counted_together_are_told_of_where_that_is_done():
    counts = StateCounts(connected=True, asked=3, late=1, without=2, dropped=4, emptied=5, waiting=6, workers=7)
    snapshot = Snapshot(state=counts)
    assert samples([Snapshot()], "weighbridge_state_total") == {}
    told = {("asked",): 3, ("late",): 1, ("without",): 2, ("dropped",): 4, ("emptied",): 5}
    assert samples([snapshot], "weighbridge_state_total") == told
    now = {each.name: [value for _, _, value in each.samples] for each in deployment_families([], [snapshot])}
    gauges = ("connected", "workers", "settlements")
    assert [now[f"weighbridge_state_{name}"] for name in gauges] == [[1], [7], [6]]


def test_probes_are_tries_of_their_own_and_what_they_cost_outlives_a_worker(tmp_path: Path) -> None:
    clock = ManualClock()
    path = tmp_path / "worker-0.metrics.json"
    first = Metrics(0, clock.unix_ms)
    spend = first.spend("m")
    assert first.spend("m") is spend
    assert spend.hold(clock.unix_us(), 70, 100, 0)
    spend.settle(70, 40)
    assert not spend.hold(clock.unix_us(), 70, 100, 0)
    first.aside([AttemptRecord(provider="p", status=200), AttemptRecord(provider="p", status=503)], PROBE)
    first.write_snapshot(path)
    second = Metrics(0, clock.unix_ms)
    assert second.resume(path)
    assert second.spend("m").spent_nanousd == 40
    assert second.spend("m").hold(clock.unix_us(), 60, 100, 0)
    second.aside([AttemptRecord(provider="p", status=200)], PROBE)
    second.write_snapshot(path)
    found = read_snapshot(path)
    assert found is not None
    both = [found, Snapshot(index=1, probes=[found.probes[0]])]
    assert samples(both, "weighbridge_probe_cost_nanousd_total") == {("m",): 200}
    assert samples(both, "weighbridge_probes_held_back_total") == {("m",): 2}
    assert samples(both, "weighbridge_attempts_total") == {("p", "probe", "ok"): 2, ("p", "probe", "5xx"): 1}
    assert found.cells == []
