"""SPIFFE ids, and patterns over them.

https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE-ID.md
"""

from __future__ import annotations

import re

MAX_ID_CHARS = 2048
_DOMAIN = r"[a-z0-9._-]{1,255}"
_SEGMENT = r"[A-Za-z0-9._-]+"
_ID = re.compile(rf"spiffe://{_DOMAIN}((?:/{_SEGMENT})*)")
_PART = re.compile(r"\{([a-z_][a-z0-9_]*)\}|([^{}*]+)|(\*)")
_REST = r"[A-Za-z0-9._/-]*"


def is_spiffe_id(text: str) -> bool:
    """Whether a text is a SPIFFE id."""
    match = _ID.fullmatch(text) if len(text) <= MAX_ID_CHARS else None
    return match is not None and not any(step in {".", ".."} for step in match[1].split("/"))


class SpiffePattern:
    """A pattern over SPIFFE ids.

    Args:
        written: ``spiffe://acme.example/ns/{team}/*``: a name in braces stands for a part without a slash, a star at
            the end for any rest.

    Raises:
        ValueError: It is no such pattern.
    """

    def __init__(self, written: str) -> None:
        if not written.startswith("spiffe://"):
            raise ValueError("should begin with spiffe://")
        parts = _PART.findall(written)
        if sum(len(name) + 2 if name else len(plain) + len(star) for name, plain, star in parts) != len(written):
            raise ValueError("should be a SPIFFE id with names in braces, and a star at the end at most")
        self.names = tuple(name for name, _, _ in parts if name)
        if len(set(self.names)) != len(self.names):
            raise ValueError("has the same name in braces twice")
        if "*" in written[:-1]:
            raise ValueError("can have a star at the end only")
        self._expression = re.compile(
            "".join(
                f"(?P<{name}>{_SEGMENT})" if name else re.escape(plain) if plain else _REST for name, plain, _ in parts
            )
        )

    def match(self, spiffe_id: str) -> dict[str, str] | None:
        """What the names in braces stand for in an id; ``None`` when it does not match."""
        found = self._expression.fullmatch(spiffe_id)
        return None if found is None else found.groupdict()


def fill(template: str, parts: dict[str, str]) -> str:
    """Put parts in the place of their names in braces; a name that is none stays as it is."""
    return re.sub(r"\{([a-z_][a-z0-9_]*)\}", lambda name: parts.get(name[1], name[0]), template)


def named_in(template: str) -> tuple[str, ...]:
    """The names in braces of a template."""
    return tuple(re.findall(r"\{([a-z_][a-z0-9_]*)\}", template))
