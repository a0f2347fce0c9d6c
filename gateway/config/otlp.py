"""Where spans and metrics are sent to by OpenTelemetry's protocol, as settings."""

from __future__ import annotations

from typing import Literal

import msgspec

from gateway.config.references import Secret


class Keep(msgspec.Struct, frozen=True, kw_only=True):
    """Which calls are told of whatever the share of the others.

    Attributes:
        errors: Those that failed, or of which a try did.
        blocks: Those that a rule has blocked.
        slow_s: Those that took at least so long; ``None`` for none.
        costly_nanousd: Those that cost at least so much; ``None`` for none.
    """

    errors: bool = True
    blocks: bool = True
    slow_s: float | None = None
    costly_nanousd: int | None = None


class ServedBy(msgspec.Struct, frozen=True):
    """A provider, as conventions name it: by what it is, and where it is."""

    kind: str
    host: str = ""
    port: int = 0


class Otlp(msgspec.Struct, frozen=True, kw_only=True):
    """The section ``telemetry.otlp``.

    Attributes:
        endpoint: Without a trailing slash. Of HTTP, the paths of the protocol follow it; of gRPC, it is host and port.
        headers: Sent with each message; the names are lower-case.
        timeout_s: For one message.
        traces: Spans are sent.
        metrics: Metrics are sent, every ``every_s``.
        resource: What the gateway says of itself besides its name and version.
        sample: The share of ordinary calls whose spans are sent, of traces that begin here.
    """

    endpoint: str
    protocol: Literal["grpc", "http"]
    headers: dict[str, Secret] = {}
    timeout_s: float = 10.0
    compress: bool = True
    traces: bool = True
    metrics: bool = True
    every_s: float = 60.0
    resource: dict[str, str] = {}
    sample: float = 1.0
    keep: Keep = Keep()
