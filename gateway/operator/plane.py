"""What the operator knows at the moment; the process keeps it up to date, the API reads it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gateway.clients.clock import Clock
from gateway.clients.key_file import KeyFile
from gateway.core.errors import StoreUnavailable
from gateway.core.keys import Grant
from gateway.core.limits import LimitRule
from gateway.operator.alert_view import AlertView
from gateway.operator.audit import AuditLog
from gateway.operator.cache_admin import Answers, CacheAdmin
from gateway.operator.drift_families import DriftView
from gateway.operator.erasing import Erasing
from gateway.operator.keys import KeyAdmin
from gateway.operator.metrics import ShipperView, StoreHealth
from gateway.operator.queries import TraceQueries
from gateway.operator.recorded import RecordedUse
from gateway.operator.store import TraceStore
from gateway.operator.telemetry import Telemetry
from gateway.plugin.keys import KeyStore


@dataclass(frozen=True)
class OpenStore:
    """A trace store that was opened: what asks it and what writes to it."""

    traces: TraceStore
    queries: TraceQueries


@dataclass
class Plane:
    """The state behind the API.

    Attributes:
        run_dir: Where workers leave their counts.
        open_store: ``None`` until the store is open.
        shipper: ``None`` until there is one.
        alerts: ``None`` where the configuration has none.
        drift: ``None`` where nothing is compared.
        recorded: ``None`` until there is one.
        erasing: ``None`` until there is a shipper.
        telemetry: ``None`` where nothing is told to a collector.
        key_store: Where virtual keys are; ``None`` for the data home.
        budgets: Keys may have budgets of their own.
        declared: Gives the virtual keys of the configuration.
        limits: Gives its limits.
        answers: Makes the store of answers; ``None`` where there is none to be reached.
        audit: Where changes are written down.
        keys: What can be done with virtual keys.
        cache: What can be done with kept answers.
    """

    run_dir: Path
    clock: Clock
    health: StoreHealth = field(default_factory=StoreHealth)
    open_store: OpenStore | None = None
    shipper: ShipperView | None = None
    alerts: AlertView | None = None
    drift: DriftView | None = None
    recorded: RecordedUse | None = None
    erasing: Erasing | None = None
    telemetry: Telemetry | None = None
    key_store: KeyStore | None = None
    budgets: bool = True
    declared: Callable[[], Sequence[Grant]] = tuple
    limits: Callable[[], Sequence[LimitRule]] = tuple
    answers: Callable[[], Answers | None] = field(default=lambda: None)
    audit: AuditLog = field(init=False)
    keys: KeyAdmin = field(init=False)
    cache: CacheAdmin = field(init=False)

    def __post_init__(self) -> None:
        home = self.run_dir.parent
        self.audit = AuditLog(home, self.clock)
        self.keys = KeyAdmin(
            self.key_store or KeyFile(home), self.audit, self.declared, self.clock, budgets=self.budgets
        )
        self.cache = CacheAdmin(self.answers, self.audit, self.clock)

    @property
    def store(self) -> OpenStore:
        """The open store.

        Raises:
            StoreUnavailable: It is not open.
        """
        if self.open_store is None:
            raise StoreUnavailable("The trace store is not open yet.", retry_after_s=2)
        return self.open_store
