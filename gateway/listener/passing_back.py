"""How an answer goes back through Envoy, by how its filter is configured to send bodies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from gateway.wire.ext_proc import asked, told
from gateway.wire.ext_proc.asked import Modes
from gateway.wire.ext_proc.told import NOTHING, Changes

_CUT = 502


class Back(Protocol):
    """One answer's way back. What Envoy sends comes first in each pair, what the client gets second."""

    def headed(self, *, last: bool) -> None:
        """The provider's head is in; ``last``: there is no body."""
        ...

    def came(self, data: bytes) -> None:
        """A piece of the provider's body is in."""
        ...

    def trailed(self, names: list[bytes]) -> None:
        """The provider's trailers are in, of these names; the client gets none."""
        ...

    def answered(self, *, last: bool) -> None:
        """The pipeline has seen a piece, or trailers."""
        ...

    def start(self, changes: Changes) -> None:
        """The client's head."""
        ...

    def write(self, data: bytes) -> None:
        """A piece of the client's body."""
        ...

    def finish(self, tail: bytes) -> None:
        """The last piece of the client's body."""
        ...


def back_for(modes: Modes, emit: Callable[..., None]) -> Back:
    """Give the way for a filter's configuration."""
    if modes.answer == asked.FULL_DUPLEX:
        return Duplex(emit)
    return Gathered(emit) if modes.answer == asked.BUFFERED else Piecewise(emit)


class Duplex:
    """What comes and what goes have nothing to do with each other, but that both have an end."""

    def __init__(self, emit: Callable[..., None]) -> None:
        self._emit = emit
        self._bodiless = False
        self._names: list[bytes] | None = None

    def headed(self, *, last: bool) -> None:
        """Whether there will be a body."""
        self._bodiless = last

    def came(self, data: bytes) -> None:
        """It is with the pipeline."""

    def trailed(self, names: list[bytes]) -> None:
        """They end the answer, behind its body."""
        self._names = names

    def answered(self, *, last: bool) -> None:
        """Nothing is owed."""

    def start(self, changes: Changes) -> None:
        """Send the head."""
        self._emit(told.head(told.ANSWER_HEAD, changes))

    def write(self, data: bytes) -> None:
        """Send a piece."""
        if not self._bodiless:
            self._emit(*told.pieces(told.ANSWER_BODY, data, last=False))

    def finish(self, tail: bytes) -> None:
        """Send the end."""
        if self._names is not None:
            self.write(tail)
            self._emit(told.trailers(told.ANSWER_TRAILERS, self._names))
        elif not self._bodiless:
            self._emit(*told.pieces(told.ANSWER_BODY, tail, last=True))


class Gathered:
    """Envoy gathers the answer, and waits with its head as well."""

    def __init__(self, emit: Callable[..., None]) -> None:
        self._emit = emit
        self._bodiless = False
        self._changes = NOTHING
        self._came: list[bytes] = []
        self._body: list[bytes] = []

    def headed(self, *, last: bool) -> None:
        """Ask for the body."""
        self._bodiless = last
        if not last:
            self._emit(told.head(told.ANSWER_HEAD))

    def came(self, data: bytes) -> None:
        """Know it, to tell whether anything was changed."""
        self._came.append(data)

    def trailed(self, names: list[bytes]) -> None:
        """They follow what was gathered."""
        self._emit(told.trailers(told.ANSWER_TRAILERS, names))

    def answered(self, *, last: bool) -> None:
        """The answer waits for the pipeline."""

    def start(self, changes: Changes) -> None:
        """Keep the head."""
        self._changes = changes

    def write(self, data: bytes) -> None:
        """Keep a piece."""
        self._body.append(data)

    def finish(self, tail: bytes) -> None:
        """Send all."""
        self._body.append(tail)
        if self._bodiless:
            self._emit(told.head(told.ANSWER_HEAD, self._changes))
            return
        body = b"".join(self._body)
        changed = None if body == b"".join(self._came) else body
        if changed is not None:
            self._changes.put.append((b"content-length", b"%d" % len(body)))
        self._emit(told.whole_body(told.ANSWER_BODY, self._changes, changed))


class Piecewise:
    """Each piece that comes is answered by one, in its place, once the head is."""

    def __init__(self, emit: Callable[..., None]) -> None:
        self._emit = emit
        self._bodiless = self._headed = self._ended = False
        self._owed = 0
        self._awaits_end = False
        self._due: list[bytes] = []
        self._names: list[bytes] | None = None

    def headed(self, *, last: bool) -> None:
        """Whether there will be a body."""
        self._bodiless = last

    def came(self, data: bytes) -> None:
        """It is with the pipeline."""

    def trailed(self, names: list[bytes]) -> None:
        """They end the answer, when the pipeline has said all."""
        self._names = names
        if self._ended:
            self._end()

    def answered(self, *, last: bool) -> None:
        """Owe a piece for it; for the last one when the pipeline has said all."""
        self._owed += 1
        self._awaits_end = last and not self._ended
        self._flush()

    def start(self, changes: Changes) -> None:
        """Send the head, and what has waited for it."""
        self._headed = True
        self._emit(told.head(told.ANSWER_HEAD, changes))

    def write(self, data: bytes) -> None:
        """Keep a piece until one is owed."""
        self._due.append(data)

    def finish(self, tail: bytes) -> None:
        """Send the rest."""
        self._due.append(tail)
        self._ended = True
        self._awaits_end = False
        self._flush()
        self._end()

    def _end(self) -> None:
        if self._names is None:
            return
        if any(self._due):
            # There is no piece left in whose place the rest could go: what the client has is not the whole.
            self._emit(told.at_once(_CUT, [], b"", "weighbridge"))
        else:
            self._emit(told.trailers(told.ANSWER_TRAILERS, self._names))

    def _flush(self) -> None:
        if not self._headed or self._bodiless:
            return
        while self._owed > int(self._awaits_end):
            self._owed -= 1
            body = b"".join(self._due)
            self._due.clear()
            self._emit(told.piece_for(told.ANSWER_BODY, body))
