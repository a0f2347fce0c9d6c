"""Secrets by reference: ``env:NAME`` and ``file:PATH``. A configuration never holds a secret itself."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

from gateway.config.source import Document, Problem, read_text

_ENV = re.compile(r"env:([A-Za-z_][A-Za-z0-9_]*)")
_FILE = re.compile(r"file:(.+)")
_MAX_CHARS = 64 * 1024


class Secret:
    """A secret that does not show itself: its text, and everything that prints it, is ``***``."""

    __slots__ = ("_value", "reference")

    def __init__(self, value: str, reference: str) -> None:
        self._value = value
        # Where it came from; not secret, and what configuration hashes and messages name instead.
        self.reference = reference

    def reveal(self) -> str:
        """Return the secret itself, for the one place that needs it."""
        return self._value

    def __repr__(self) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)


def _reference(value: object) -> str:
    if isinstance(value, str) and (_ENV.fullmatch(value) or _FILE.fullmatch(value)):
        return value
    raise ValueError("a secret is not written here but referred to: env:NAME or file:/path")


SecretReference = Annotated[
    str, BeforeValidator(_reference), WithJsonSchema({"type": "string", "pattern": r"^(env:[A-Za-z_]\w*|file:.+)$"})
]


class References:
    """Resolves references, and keeps what went wrong.

    Args:
        environ: The process's environment.
        base: The folder that relative ``file:`` paths start from.
    """

    def __init__(self, environ: Mapping[str, str], base: Path) -> None:
        self._environ = environ
        self._base = base
        self.problems: list[Problem] = []

    def resolve(
        self, reference: str | None, document: Document, path: Iterable[str | int], *, in_header: bool = True
    ) -> Secret | None:
        """Look a reference up.

        Args:
            reference: As written, already checked for its form.
            document: Where it stands.
            path: Where in it.
            in_header: It will stand in an HTTP header; a key file does not.

        Returns:
            The secret; ``None`` when there is no reference or no secret behind it, and then a problem is kept.
        """
        if reference is None:
            return None
        value, wrong = self._look_up(reference)
        wrong = wrong or (secret_fault(value) if in_header else "" if value else "the secret is empty")
        if wrong:
            self.problems.append(document.problem(path, wrong))
            return None
        return Secret(value, reference)

    def _look_up(self, reference: str) -> tuple[str, str]:
        variable = _ENV.fullmatch(reference)
        if variable:
            value = self._environ.get(variable[1])
            return (value, "") if value is not None else ("", f"environment variable {variable[1]} is not set")
        name = reference.removeprefix("file:")
        text, problem = read_text(self._base / name, name)
        # Editors and `echo` end a file with a newline that is no part of the secret.
        return text.rstrip("\r\n"), f"secret file {problem}" if problem else ""


def secret_fault(value: str) -> str:
    """Say why a text cannot be a secret; nothing when it can."""
    if not value:
        return "the secret is empty"
    if len(value) > _MAX_CHARS:
        return "the secret is too long"
    # It will stand in an HTTP header; a line break there would be a second header.
    if not value.isascii() or not value.isprintable():
        return "the secret has characters that no HTTP header can carry"
    return ""
