"""What is told to a collector, and what is not, as families of metrics."""

from __future__ import annotations

from gateway.operator.families import Family
from gateway.operator.tail_sampling import REASONS
from gateway.operator.telemetry import LEFT_OUT, Telemetry


def otlp_families(telemetry: Telemetry | None) -> list[Family]:
    """Lines, calls, spans and messages, by what came of them; without samples where nothing is told."""
    lines = Family(
        "weighbridge_otlp_lines_total", "counter", "Records that were to be told to a collector.", ("outcome",)
    )
    calls = Family(
        "weighbridge_otlp_calls_total",
        "counter",
        "Calls by why their spans are sent to a collector, or that they are left out.",
        ("reason",),
    )
    spans = Family("weighbridge_otlp_spans_total", "counter", "Spans by what became of them.", ("outcome",))
    messages = Family(
        "weighbridge_otlp_messages_total",
        "counter",
        "Messages to a collector by what became of them; those that failed are sent again.",
        ("signal", "outcome"),
    )
    queue = Family("weighbridge_otlp_queue_spans", "gauge", "Spans that wait to be sent to a collector.")
    behind = Family("weighbridge_otlp_behind_bytes", "gauge", "Bytes of the spool that no spans were made of yet.")
    if telemetry is not None:
        told, follower = telemetry.told, telemetry.follower
        lines.add(told.lines["read"], "read")
        lines.add(told.lines["unreadable"], "unreadable")
        lines.add(follower.skipped_lines, "skipped")
        for reason in (*REASONS, LEFT_OUT):
            calls.add(told.calls[reason], reason)
        for outcome in ("sent", "dropped", "refused"):
            spans.add(told.spans[outcome], outcome)
        for (signal, outcome), count in sorted(told.messages.items()):
            messages.add(count, signal, outcome)
        queue.add(telemetry.queued_spans)
        behind.add(follower.behind_bytes)
    return [lines, calls, spans, messages, queue, behind]
