"""What the operator knows at the moment; the process keeps it up to date, the API reads it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from gateway.clients.clock import Clock
from gateway.core.errors import StoreUnavailable
from gateway.operator.alert_view import AlertView
from gateway.operator.audit import AuditLog
from gateway.operator.metrics import ShipperView, StoreHealth
from gateway.operator.queries import TraceQueries
from gateway.operator.store import TraceStore


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
        audit: Where changes are written down.
    """

    run_dir: Path
    clock: Clock
    health: StoreHealth = field(default_factory=StoreHealth)
    open_store: OpenStore | None = None
    shipper: ShipperView | None = None
    alerts: AlertView | None = None
    audit: AuditLog = field(init=False)

    def __post_init__(self) -> None:
        self.audit = AuditLog(self.run_dir.parent, self.clock)

    @property
    def store(self) -> OpenStore:
        """The open store.

        Raises:
            StoreUnavailable: It is not open.
        """
        if self.open_store is None:
            raise StoreUnavailable("The trace store is not open yet.", retry_after_s=2)
        return self.open_store
