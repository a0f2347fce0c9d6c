"""What a session needs of the rooms that every call passes."""

from __future__ import annotations

from typing import Protocol

from gateway.accounting.ledger import Ledger
from gateway.course import Courses
from gateway.guards.sessions import Sessions
from gateway.recording.journal import Journal
from gateway.upstream.dispatch import Dispatcher
from gateway.wire.answer_head import AnswerHead


class Rooms(Protocol):
    """What a session needs of the pipeline, which is one."""

    @property
    def courses(self) -> Courses:
        """Finds where calls go."""
        ...

    @property
    def ledger(self) -> Ledger:
        """Charges and prices."""
        ...

    @property
    def dispatcher(self) -> Dispatcher:
        """Reaches providers."""
        ...

    @property
    def journal(self) -> Journal:
        """Keeps the record."""
        ...

    @property
    def head(self) -> AnswerHead:
        """Writes our header lines."""
        ...

    @property
    def sessions(self) -> Sessions:
        """What guards keep."""
        ...
