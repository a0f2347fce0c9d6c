from __future__ import annotations

from gateway.config.alerting import Alerts, Webhook
from gateway.config.references import Secret


def test_no_secret_is_shown() -> None:
    webhook = Webhook(url="https://h", secret=Secret("shared-secret", "env:X"), timeout_s=1.0)
    assert "shared-secret" not in repr(Alerts(rules=(), every_s=60.0, webhook=webhook))
