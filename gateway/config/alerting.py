"""Notices about money, as settings: what to look for, and whom to tell."""

from __future__ import annotations

import msgspec

from gateway.config.references import Secret
from gateway.core.alerts import AlertRule


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """Whom to tell.

    Attributes:
        url: Takes messages as JSON.
        secret: Signs them; ``None`` leaves them unsigned.
        timeout_s: For one try.
        allow: Networks of private addresses that may be reached, as CIDR; no others are.
    """

    url: str
    secret: Secret | None
    timeout_s: float
    allow: tuple[str, ...] = ()


class Alerts(msgspec.Struct, frozen=True, kw_only=True):
    """The section ``alerts``. Without a webhook, what fires is shown, and told to nobody."""

    rules: tuple[AlertRule, ...]
    every_s: float
    webhook: Webhook | None = None
