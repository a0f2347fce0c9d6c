"""The virtual keys that the file itself declares."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.config.references import References
from gateway.config.schema import KeySpec
from gateway.config.settings import KeyEntry
from gateway.config.source import Document, Problem

_PLAIN = ("team", "tenant", "name", "tags", "models", "budget", "capture")


def key_entries(
    specs: Iterable[KeySpec], references: References, document: Document
) -> tuple[tuple[KeyEntry, ...], list[Problem]]:
    """Look their secrets up; and say what is wrong with them."""
    entries: list[KeyEntry] = []
    problems: list[Problem] = []
    for index, spec in enumerate(specs):
        path = ("identity", "keys", index)
        secret = references.resolve(spec.key, document, (*path, "key"))
        if secret is None:
            continue
        if any(entry.secret == secret for entry in entries):
            problems.append(document.problem((*path, "key"), "the same secret as another key"))
        entries.append(
            KeyEntry(
                id=spec.id,
                secret=secret,
                **{name: getattr(spec, name) for name in _PLAIN},
                operations=spec.endpoints,
                settable=spec.may_tag,
                strict="strict" in spec.policies,
                expires_s=spec.expires_s,
            )
        )
    return tuple(entries), problems
