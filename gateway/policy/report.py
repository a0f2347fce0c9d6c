"""What the compiler has to say: problems by file and line, and where each name was given first."""

from __future__ import annotations

from gateway.config.source import NodePath, Problem
from gateway.policy.sources import PolicyFile


class Report:
    """Collects problems, and keeps names apart.

    Attributes:
        problems: Everything that is wrong.
        places: Where a name was given first, by kind and name; the message is empty.
    """

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.places: dict[tuple[str, str], Problem] = {}

    def problem(self, file: PolicyFile, path: NodePath, message: str) -> None:
        """Say that something is wrong."""
        self.problems.append(file.document.problem(path, message))

    def first(self, file: PolicyFile, kind: str, name: str, path: NodePath) -> bool:
        """Give a name to a thing; says no, and reports it, when another thing of this kind has it."""
        place = self.places.get((kind, name))
        if place is None:
            self.places[kind, name] = Problem(file.document.name, file.document.line(path), "")
            return True
        self.problem(file, path, f"{kind} '{name}' is there already, at {place.file}:{place.line}")
        return False
