"""Alerts as others see them: metrics, and a list for the API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from gateway.core.alerts import AlertRule, Reading, Standing
from gateway.operator.families import Family
from gateway.operator.outbox import Outbox


class AlertView(Protocol):
    """What alerting says about itself; see :class:`gateway.operator.alerts.Alerting`."""

    @property
    def rules(self) -> tuple[AlertRule, ...]:
        """What is looked for."""
        ...

    @property
    def standings(self) -> Mapping[str, Standing]:
        """Where rules stand that ever held."""
        ...

    @property
    def readings(self) -> Mapping[str, Reading]:
        """What the last look at each rule saw."""
        ...

    @property
    def looks(self) -> Mapping[str, int]:
        """How many looks went well, and how many did not."""
        ...

    @property
    def outbox(self) -> Outbox | None:
        """Who tells; ``None`` where nobody is told."""
        ...


def alert_families(alerting: AlertView | None) -> list[Family]:
    """What alerts say of themselves; without any the families have no samples."""
    firing = Family("weighbridge_alert_firing", "gauge", "1 while a rule of alerts fires.", ("rule",))
    looks = Family("weighbridge_alert_looks_total", "counter", "Looks at a rule of alerts.", ("result",))
    messages = Family("weighbridge_alert_messages_total", "counter", "Messages of alerts by outcome.", ("outcome",))
    waiting = Family("weighbridge_alert_messages_waiting", "gauge", "Messages of alerts that were not delivered yet.")
    if alerting is not None:
        for rule in alerting.rules:
            firing.add(int(_standing(alerting, rule).firing), rule.id)
        for result, count in sorted(alerting.looks.items()):
            looks.add(count, result)
        if alerting.outbox is not None:
            for outcome, count in sorted(alerting.outbox.results.items()):
                messages.add(count, outcome)
            waiting.add(len(alerting.outbox.waiting))
    return [firing, looks, messages, waiting]


def alerts_now(alerting: AlertView | None) -> list[dict[str, Any]]:
    """Every rule: where it stands, and what the last look saw."""
    return [] if alerting is None else [_listed(alerting, rule) for rule in alerting.rules]


def _listed(alerting: AlertView, rule: AlertRule) -> dict[str, Any]:
    standing, reading = _standing(alerting, rule), alerting.readings.get(rule.id)
    return {
        "rule": rule.id,
        "state": "unknown" if reading is None else "firing" if standing.firing else "quiet",
        "since_s": standing.since_s or None,
        "summary": reading.summary if reading is not None else "Not looked at since the start.",
        "facts": reading.facts if reading is not None else {},
        "match": rule.match,
        "tags": rule.tags,
    }


def _standing(alerting: AlertView, rule: AlertRule) -> Standing:
    return alerting.standings.get(rule.id, Standing())
