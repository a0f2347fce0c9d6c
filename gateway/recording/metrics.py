"""A worker's own counts: plain integers, one call an exchange, one small file a second.

The operator adds the files of all workers up and renders them (``gateway.operator.metrics``); nothing here knows
Prometheus. One *cell* holds everything that is counted for one set of labels, so that an exchange costs one look-up.
Cells are bounded: model names come from clients, and a client must not be able to fill the memory with them.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from gateway.core.cache_told import CacheCounts, cache_added_up
from gateway.core.deployment_health import DeploymentHealth
from gateway.core.hint import HintCounts, hints_added_up
from gateway.core.mirror_told import MirrorCounts
from gateway.core.probe_spend import ProbeSpend
from gateway.core.queue_told import QueueCounts, queues_added_up
from gateway.core.record import AttemptRecord, ExchangeRecord, GuardEvent
from gateway.core.state_counts import StateCounts
from gateway.recording.estimate_errors import ErrorCounts, ErrorKey, EstimateErrors, errors_added_up
from gateway.recording.overhead import OVERHEAD_BOUNDS_MS, Overhead
from gateway.recording.process import cpu_seconds, resident_bytes
from gateway.recording.tries import FIRST, OK, Tries, TryKey, added, outcome

# The layout of a snapshot; a file of another layout is not resumed and not added up.
VERSION = 1
# Label sets a family may have before further ones are counted under OTHER.
MAX_LABEL_SETS = 500
# Models of providers that have histograms of their own, each of which is dozens of series.
MAX_MODELS = 100
OTHER = "other"
# Rows of a cell that wait to be added up.
BATCH = 64

Number = int | float
# dialect, provider, model, status, error_code
CellKey = tuple[str, str, str, int, str]
# Tokens in, out, cached and of reasoning; the cost, and 1 where something was used and nobody knows it; duration, time
# to the first token where there was one, overhead.
Row = tuple[int, int, int, int, int, int, float, float | None, float]
# rule, action, mode
GuardKey = tuple[str, str, str]

# Upper bounds in milliseconds; an observation above the last lands in one more bucket.
DURATION_BOUNDS_MS: tuple[float, ...] = tuple(10.0 * 2**power for power in range(17))
TTFT_BOUNDS_MS: tuple[float, ...] = tuple(5.0 * 2**power for power in range(15))

# Where a cell keeps what.
EXCHANGES, UNPRICED, INPUT, OUTPUT, CACHED_INPUT, REASONING, COST, UNMEASURED, DURATION_SUM, TTFT_SUM = range(10)
DURATION_AT = TTFT_SUM + 1
TTFT_AT = DURATION_AT + len(DURATION_BOUNDS_MS) + 1
CELL_SIZE = TTFT_AT + len(TTFT_BOUNDS_MS) + 1

# Why a cost is not known: what was used has no price, or nobody knows what was used.
NOT_PRICED, NOT_MEASURED = 1, 2


class Snapshot(msgspec.Struct, kw_only=True):
    """One worker's counts and gauges, as they lie in ``worker-<index>.metrics.json``.

    Attributes:
        written_ms: Wall clock of the writing, milliseconds since 1970; gauges of an old file no longer count.
        cells: What is counted for each set of labels; the constants above say which count lies where.
        overhead: Bucket counts of the overhead histogram, one more than there are bounds.
        tries: Tries at providers, by what came of them.
        probes: What probes have cost, by alias.
        mirrors: What came of copies of calls, by alias and deployment.
        deployments: How those fare whose health is watched, as this worker knows it.
        queues: What came of waiting in front of full deployments, by alias.
        load_reads: How often servers' own load was read, by provider and what came of it.
        estimate_errors: How far estimates of tokens were from what was reported.
        hints: What came of telling other gateways and listening to them; ``None`` where there is no place for that.
        state: What came of counting limits together; ``None`` where that is not done.
        cache: What came of answers that are kept; ``None`` where none are.
    """

    v: int = VERSION
    index: int = 0
    pid: int = 0
    written_ms: int = 0
    started_ms: int = 0
    cells: list[tuple[CellKey, list[Number]]] = []
    overhead: list[Number] = []
    overhead_sum_ms: float = 0.0
    guard_events: list[tuple[GuardKey, int]] = []
    tries: list[tuple[TryKey, int]] = []
    probes: list[ProbeSpend] = []
    mirrors: list[MirrorCounts] = []
    deployments: list[DeploymentHealth] = []
    queues: list[QueueCounts] = []
    load_reads: list[tuple[tuple[str, str], int]] = []
    estimate_errors: list[tuple[ErrorKey, ErrorCounts]] = []
    hints: HintCounts | None = None
    state: StateCounts | None = None
    cache: CacheCounts | None = None
    spool_dropped_lines: int = 0
    spool_dropped_bodies: int = 0
    config_reloads: dict[str, int] = {}
    last_reload_ok: bool = True
    cpu_s: float = 0.0
    in_flight: int = 0
    client_connections: int = 0
    tasks: int = 0
    upstream_connections: dict[str, int] = {}
    config_hash: str = ""
    policy_revision: str = ""
    resident_bytes: int | None = None


_decoder = msgspec.json.Decoder(Snapshot)
_encoder = msgspec.json.Encoder()


def read_snapshot(path: Path) -> Snapshot | None:
    """Read one worker's file; ``None`` when it is absent, damaged or of another layout."""
    try:
        snapshot = _decoder.decode(path.read_bytes())
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    sound = (
        snapshot.v == VERSION
        and len(snapshot.overhead) == len(OVERHEAD_BOUNDS_MS) + 1
        and all(len(counts) == CELL_SIZE for _, counts in snapshot.cells)
    )
    return snapshot if sound else None


class Cell:
    """What is counted for one set of labels.

    Rows wait until there are enough of them to be added up column by column: one by one costs three times as much.

    Attributes:
        first_tries: Those that went well and are counted nowhere else yet.
    """

    __slots__ = ("_overhead", "_rows", "counts", "first_tries")

    def __init__(self, counts: list[Number], overhead: Overhead) -> None:
        self.counts = counts
        self._overhead = overhead
        self._rows: list[Row] = []
        self.first_tries = 0

    def add(self, row: Row) -> None:
        """Count one exchange."""
        rows = self._rows
        rows.append(row)
        if len(rows) >= BATCH:
            self.settle()

    def settle(self) -> None:
        """Add up what waits."""
        rows, self._rows = self._rows, []
        if not rows:
            return
        inputs, outputs, cached, reasoning, costs, unpriced, durations, ttfts, overheads = zip(*rows, strict=True)
        counts = self.counts
        counts[EXCHANGES] += len(rows)
        counts[INPUT] += sum(inputs)
        counts[OUTPUT] += sum(outputs)
        counts[CACHED_INPUT] += sum(cached)
        counts[REASONING] += sum(reasoning)
        counts[COST] += sum(costs)
        not_measured = unpriced.count(NOT_MEASURED)
        counts[UNPRICED] += sum(unpriced) - not_measured
        counts[UNMEASURED] += not_measured
        counts[DURATION_SUM] += sum(durations)
        _fill(counts, DURATION_AT, DURATION_BOUNDS_MS, durations)
        if ttfts.count(None) < len(ttfts):
            known = [ttft for ttft in ttfts if ttft is not None]
            counts[TTFT_SUM] += sum(known)
            _fill(counts, TTFT_AT, TTFT_BOUNDS_MS, known)
        self._overhead.sum_ms += sum(overheads)
        _fill(self._overhead.counts, 0, OVERHEAD_BOUNDS_MS, overheads)


def _fill(counts: list[Number], at: int, bounds: Sequence[float], values: Sequence[float]) -> None:
    """Count values into the buckets of a histogram that starts at an index."""
    ordered = sorted(values)
    start, size = 0, len(ordered)
    for bound in bounds:
        end = bisect_right(ordered, bound, start)
        counts[at] += end - start
        at += 1
        start = end
        if start == size:
            return
    counts[at] += size - start


class Metrics:
    """What one worker counts.

    The plain attributes are the owner's to set: gauges hold the present value, the ``spool_dropped_*`` counters what
    this process has dropped so far.

    Args:
        index: The worker's number; its successor carries the same one.
        unix_ms: Gives the present in milliseconds since 1970.
        max_label_sets: Label sets kept apart before further ones are counted under ``other``.
    """

    def __init__(self, index: int, unix_ms: Callable[[], int], max_label_sets: int = MAX_LABEL_SETS) -> None:
        self.in_flight = self.client_connections = self.tasks = 0
        self.upstream_connections: dict[str, int] = {}
        self.spool_dropped_lines = self.spool_dropped_bodies = 0
        self.config_hash = self.policy_revision = ""
        self.deployments: list[DeploymentHealth] = []
        self.queues: list[QueueCounts] = []
        self.load_reads: dict[tuple[str, str], int] = {}
        self.hints: HintCounts | None = None
        self.estimate_errors = EstimateErrors()
        self.state: StateCounts | None = None
        self.cache: CacheCounts | None = None
        self._tries = Tries(max_label_sets)
        self._probes: dict[str, ProbeSpend] = {}
        self._mirrors: dict[tuple[str, str], MirrorCounts] = {}
        self._index = index
        self._unix_ms = unix_ms
        self._max_label_sets = max_label_sets
        self._started_ms = unix_ms()
        self._cells: dict[CellKey, Cell] = {}
        self._models: set[tuple[str, str]] = set()
        self._overhead = Overhead()
        self._guard_events: dict[GuardKey, int] = {}
        self._config_reloads: dict[str, int] = {}
        self._last_reload_ok = True
        self._before = Snapshot()

    def observe(self, record: ExchangeRecord) -> None:
        """Count one finished exchange; at the latest when the next snapshot is made."""
        provider, status = record.provider, record.status
        # What no provider was chosen for has a model name straight from the client: only the alias is bounded.
        model = record.model_requested if provider else record.alias
        tokens, cost = record.input_tokens, record.cost_nanousd
        used = tokens is not None or (status < 400 and model != "")
        self.cell(record.dialect, provider, model, status, record.error_code).add(
            (
                tokens or 0,
                0 if tokens is None else record.output_tokens or 0,
                0 if tokens is None else record.cached_input_tokens or 0,
                0 if tokens is None else record.reasoning_tokens or 0,
                cost or 0,
                0 if cost is not None or not used else NOT_PRICED if tokens is not None else NOT_MEASURED,
                record.duration_ms,
                record.ttft_ms,
                record.overhead_ms,
            )
        )
        if record.attempts:
            self._tries.observe(record.attempts)
        if record.guard_events:
            self._count_guard_events(record.guard_events)

    def aside(self, attempts: list[AttemptRecord], kind: str) -> None:
        """Count tries that no client asked for, so that they are no exchanges: of a probe, of a copy of a call."""
        for each in attempts:
            self._tries.add((each.provider, kind, outcome(each.status, each.error_code)), 1)

    def spend(self, alias: str) -> ProbeSpend:
        """Give the account of an alias' probes; the configuration bounds their number."""
        return self._probes.setdefault(alias, ProbeSpend(alias=alias))

    def mirror(self, alias: str, to: str) -> MirrorCounts:
        """Give where copies of an alias' calls are counted; the configuration bounds their number."""
        return self._mirrors.setdefault((alias, to), MirrorCounts(alias=alias, to=to))

    def cell(self, dialect: str, provider: str, model: str, status: int, code: str) -> Cell:
        """Where exchanges with these labels are counted; for good, so that it may be remembered."""
        key = (dialect, provider, model, status, code)
        cell = self._cells.get(key)
        return self._new_cell(key) if cell is None else cell

    def cells(self) -> list[tuple[CellKey, list[Number]]]:
        """The present counts of every set of labels."""
        for cell in self._cells.values():
            cell.settle()
        return [(key, cell.counts) for key, cell in self._cells.items()]

    def reloaded(self, result: str) -> None:
        """Count one reload of the configuration; ``result`` is ``applied`` or ``rejected``."""
        self._config_reloads[result] = self._config_reloads.get(result, 0) + 1
        self._last_reload_ok = result == "applied"

    def resume(self, path: Path) -> bool:
        """Go on counting where the predecessor's last snapshot stopped, so that no sum ever falls back.

        Call it once, before the first exchange.

        Returns:
            False when there is no sound snapshot; counting starts at zero then.
        """
        before = read_snapshot(path)
        if before is None:
            return False
        for key, counts in before.cells:
            self._cells[key] = Cell(counts, self._overhead)
            self._models.add(key[1:3])
        self._overhead.counts[:] = before.overhead
        self._overhead.sum_ms = before.overhead_sum_ms
        self._guard_events = dict(before.guard_events)
        self._tries.counts = dict(before.tries)
        self.estimate_errors.counts = errors_added_up([before.estimate_errors])
        self._probes = {each.alias: each for each in before.probes}
        self._mirrors = {(each.alias, each.to): each.resumed() for each in before.mirrors}
        self._config_reloads = dict(before.config_reloads)
        self._before = before
        self.state = before.state
        for each in before.queues:
            # Who waited there has gone.
            each.waiting = 0
        if before.hints is not None:
            before.hints.connected = True
        return True

    def snapshot(self) -> Snapshot:
        """The present counts and gauges, predecessors' included."""
        for (_, provider, *_), cell in self._cells.items():
            cell.settle()
            if cell.first_tries:
                self._tries.add((provider, FIRST, OK), cell.first_tries)
                cell.first_tries = 0
        before = self._before
        return Snapshot(
            index=self._index,
            pid=os.getpid(),
            written_ms=self._unix_ms(),
            started_ms=self._started_ms,
            cells=[(key, cell.counts) for key, cell in self._cells.items()],
            overhead=self._overhead.counts,
            overhead_sum_ms=self._overhead.sum_ms,
            guard_events=list(self._guard_events.items()),
            tries=list(self._tries.counts.items()),
            probes=list(self._probes.values()),
            mirrors=list(self._mirrors.values()),
            deployments=self.deployments,
            queues=queues_added_up((before.queues, self.queues)),
            load_reads=list(added(before.load_reads, self.load_reads).items()),
            estimate_errors=list(self.estimate_errors.counts.items()),
            hints=self.hints and hints_added_up((before.hints, self.hints)),
            state=self.state,
            cache=cache_added_up((before.cache and before.cache.resumed(), self.cache)),
            spool_dropped_lines=before.spool_dropped_lines + self.spool_dropped_lines,
            spool_dropped_bodies=before.spool_dropped_bodies + self.spool_dropped_bodies,
            config_reloads=self._config_reloads,
            last_reload_ok=self._last_reload_ok,
            cpu_s=before.cpu_s + cpu_seconds(),
            in_flight=self.in_flight,
            client_connections=self.client_connections,
            tasks=self.tasks,
            upstream_connections=self.upstream_connections,
            config_hash=self.config_hash,
            policy_revision=self.policy_revision,
            resident_bytes=resident_bytes(),
        )

    def write_snapshot(self, path: Path) -> bool:
        """Replace the worker's file in one step; a reader sees the old one or the new one, never a part.

        Returns:
            False when the disk would not take it. The counts are kept, and the next call tries again.
        """
        draft = path.with_name(path.name + ".new")
        try:
            draft.write_bytes(_encoder.encode(self.snapshot()))
            draft.replace(path)
        except OSError:
            return False
        return True

    def _new_cell(self, key: CellKey) -> Cell:
        cells, models = self._cells, self._models
        dialect, provider, model, status, code = key
        if len(models) >= MAX_MODELS and (provider, model) not in models:
            key = (dialect, provider, OTHER, status, code)
        if len(cells) >= self._max_label_sets:
            key = (dialect, provider, OTHER, status, code)
            # Statuses and codes come from providers; once they too run away, one cell takes the rest.
            if key not in cells and len(cells) >= 2 * self._max_label_sets:
                key = (OTHER, OTHER, OTHER, 0, OTHER)
        cell = cells.get(key)
        if cell is None:
            cell = cells[key] = Cell([0] * CELL_SIZE, self._overhead)
            models.add(key[1:3])
        return cell

    def _count_guard_events(self, events: list[GuardEvent]) -> None:
        counts = self._guard_events
        for event in events:
            key = (event.rule, event.action, event.mode)
            if key not in counts and len(counts) >= self._max_label_sets:
                key = (OTHER, OTHER, OTHER)
            counts[key] = counts.get(key, 0) + 1
