"""``use: plugin:tickets``: ticket numbers of one's own projects, such as ``SEC-4312``.

The smallest plugin that is of use: one kind of detector, which works piece by piece, so that a stream is not held.
"""

from __future__ import annotations

import re

import msgspec

from gateway.plugin import API_VERSION, DetectorKind, Finding, Plugin

_PROJECT = re.compile(r"[A-Z][A-Z0-9]{0,15}")
# No number has more digits; what is longer is something else.
_MAX_DIGITS = 7


class TicketOptions(msgspec.Struct, frozen=True):
    """What a policy says beside ``use``.

    Attributes:
        projects: The words before the hyphen.
    """

    projects: tuple[str, ...]


class TicketDetector:
    """Finds ticket numbers; a piece detector.

    Args:
        name: As rules call it.
        projects: The words before the hyphen.
    """

    # Whether a number stands alone is told by the one character before it.
    reach = 1

    def __init__(self, name: str, projects: tuple[str, ...]) -> None:
        self.name = name
        words = "|".join(projects)
        self._ticket = re.compile(rf"(?<![\w-])(?:{words})-[0-9]{{1,{_MAX_DIGITS}}}(?![\w-])")
        begun = "|".join([f"{word}-[0-9]{{0,{_MAX_DIGITS}}}" for word in projects])
        parts = "|".join(sorted({re.escape(word[:end]) for word in projects for end in range(1, len(word) + 1)}))
        self._begun = re.compile(rf"(?<![\w-])(?:{begun}|{parts})\Z")

    def find(self, text: str) -> list[Finding]:
        """Return the ticket numbers of a text."""
        return [
            Finding(kind="ticket", start=found.start(), end=found.end(), label="TICKET")
            for found in self._ticket.finditer(text)
        ]

    def pending(self, text: str, at: int) -> int:
        """Return where the text's end may be the beginning of a ticket number."""
        found = self._begun.search(text, at)
        return found.start() if found else len(text)


def _build(name: str, options: TicketOptions) -> TicketDetector:
    for project in options.projects:
        if not _PROJECT.fullmatch(project):
            raise ValueError("projects are words of capitals and digits")
    if not options.projects:
        raise ValueError("name at least one project")
    return TicketDetector(name, options.projects)


PLUGIN = Plugin(
    name="tickets",
    api=API_VERSION,
    detectors=(DetectorKind(name="tickets", build=_build, options=TicketOptions),),
)
