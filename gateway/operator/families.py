"""Families of metrics, and Prometheus's text format 0.0.4."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from gateway.recording.metrics import Number

LabelValues = tuple[str, ...]


class Family(msgspec.Struct):
    """One metric with all its samples.

    Attributes:
        samples: Suffix of the name, label values (``le`` included, last), value.
    """

    name: str
    kind: str
    help: str
    labels: LabelValues = ()
    samples: list[tuple[str, LabelValues, Number]] = []

    def add(self, value: Number, *labels: str) -> None:
        """Append one plain sample."""
        self.samples.append(("", labels, value))


def render(families: Iterable[Family]) -> str:
    """Write families down in the text format, each with HELP and TYPE."""
    lines: list[str] = []
    for family in families:
        help_text = family.help.replace("\\", "\\\\").replace("\n", "\\n")
        lines.append(f"# HELP {family.name} {help_text}")
        lines.append(f"# TYPE {family.name} {family.kind}")
        for suffix, values, value in family.samples:
            names = (*family.labels, "le") if suffix == "_bucket" else family.labels
            pairs = ",".join(f'{name}="{_escape(text)}"' for name, text in zip(names, values, strict=True))
            lines.append(f"{family.name}{suffix}{{{pairs}}} {value}" if pairs else f"{family.name}{suffix} {value}")
    lines.append("")
    return "\n".join(lines)


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
