"""What a dialect cannot carry: refused with the field's name, or left out and said so."""

from __future__ import annotations

from typing import Literal

from gateway.core.errors import UnsupportedField

OnUnsupported = Literal["reject", "drop"]
# Names that are told in a header; a request made of odd fields must not make it grow without bound.
_MAX_NAMED = 32


class Losses:
    """Collects what is left out of one request.

    Args:
        names: What the client calls the fields, where that differs from ours.
        target: The dialect that is written, for the message.
        policy: ``reject`` raises at the first loss, ``drop`` notes it.
    """

    __slots__ = ("_fields", "_names", "_policy", "_target")

    def __init__(self, names: dict[str, str], target: str, policy: OnUnsupported = "reject") -> None:
        self._names = names
        self._target = target
        self._policy = policy
        self._fields: dict[str, None] = {}

    def lose(self, field: str, why: str = "") -> None:
        """Leave a field out.

        Args:
            field: Its name in :mod:`gateway.core.chat` (``sampling.seed``), or the client's own (of ``extras``).
            why: What is wrong with it, when it is not the field as such; a public sentence without its value.

        Raises:
            UnsupportedField: Nothing may be left out.
        """
        name = self._names.get(field, field.rpartition(".")[2])
        if self._policy == "reject":
            reason = why or f"it cannot be carried to a provider that speaks {self._target}"
            raise UnsupportedField(f"'{name}' is not supported here: {reason}.", param=name)
        if len(self._fields) < _MAX_NAMED:
            self._fields[name] = None

    def always(self, field: str) -> None:
        """Note a loss that harms nobody and is never a reason to refuse (a cache mark, a label)."""
        if len(self._fields) < _MAX_NAMED:
            self._fields[self._names.get(field, field.rpartition(".")[2])] = None

    @property
    def fields(self) -> tuple[str, ...]:
        """The client's names of what was left out, in order."""
        return tuple(self._fields)
