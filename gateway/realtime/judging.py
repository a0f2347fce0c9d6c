"""Rules over a session: each client event is judged as a request is, what the server says as a stream is."""

from __future__ import annotations

from typing import Any

from gateway.core.errors import Blocked, NotAvailable
from gateway.core.exchange import Request
from gateway.core.ports import StreamVerdicts
from gateway.core.record import ExchangeRecord
from gateway.core.segments import Direction
from gateway.guards import gate
from gateway.guards.plan import GuardPlan
from gateway.guards.sessions import Sessions
from gateway.wire.openai_realtime.dialect import OpenAIRealtime
from gateway.wire.openai_realtime.events import SOUND_OUT, called, carries_sound, kind_of
from gateway.wire.openai_realtime.screened import ScreenedEvents

_DONE = "response.done"
# Calls of tools that are remembered, so that their results can be told apart.
MAX_CALLS = 1_024


def check_ready(plan: GuardPlan) -> None:
    """Make sure that every rule which may end or change what a session says can be held in one.

    Raises:
        NotAvailable: One cannot, so there is no session.
    """
    if plan.judged:
        raise NotAvailable("A policy asks a judge about these calls, which is not yet available for sessions.")
    if plan.clauses is not None or plan.gathers == "hold":
        raise NotAvailable("A policy judges answers by clause or as a whole, which is not yet available for sessions.")


class SessionJudge:
    """The rules over one session.

    Args:
        plan: The rules; :func:`check_ready` has passed them.
        record: Gets what they say.
        request: The handshake.
        sessions: Know vaults, tainted sessions, and the thread for what takes long.

    Attributes:
        listens: A rule may apply to what the server says.
    """

    def __init__(self, plan: GuardPlan, record: ExchangeRecord, request: Request, sessions: Sessions) -> None:
        self._plan = plan
        self._record = record
        self._request = request
        self._sessions = sessions
        self._calls: dict[str, str] = {}
        self._dialect = OpenAIRealtime(self._calls)
        self.listens = plan.response_active
        self._screened = ScreenedEvents(plan.stream_screen, self._note_screen) if self.listens else None

    async def ask(self, event: dict[str, Any], payload: bytes) -> dict[str, Any]:
        """Judge a client's event, and give it as it may go on.

        Raises:
            Blocked: A rule turns it back.
            NotAvailable: A rule sends it elsewhere, where a session that is open cannot go.
        """
        plan = self._plan
        if not plan.request_active:
            return event
        if carries_sound(event):
            self.unread("request")
        asked = Request(
            dialect=self._request.dialect,
            operation=self._request.operation,
            route=self._request.route,
            upstream_path="",
            document=event,
            body=payload,
            model=self._request.model,
            stream=True,
        )
        admitted = await gate.admit(self._record, plan, self._dialect, asked, self._sessions)
        if admitted.taint:
            self._sessions.taint(self._record)
        if admitted.route:
            raise NotAvailable("A rule sends this to another model, where a session that is open cannot go.")
        if plan.request.late:
            gate.note(self._record, await plan.observe("request", self._dialect, event))
        return admitted.document

    def say(self, event: dict[str, Any], size: int) -> list[dict[str, Any]]:
        """Judge a server's event, and give those that the client may have.

        Raises:
            Blocked: A rule ends the session.
            InvalidAnswer: There is more to remember than is remembered.
        """
        if (call := called(event)) is not None and len(self._calls) < MAX_CALLS:
            self._calls[call[0]] = call[1]
        if self._screened is None:
            return [event]
        if kind_of(event) in SOUND_OUT:
            self.unread("response")
        return self._screened.take(event, size)

    async def reflect(self, event: dict[str, Any]) -> None:
        """Let rules that only observe look at an answer that is whole."""
        plan = self._plan
        if kind_of(event) != _DONE:
            return
        if plan.gathers == "watch":
            opinions = await plan.ask_stream(self._dialect, event) if plan.response_asks else None
            gate.note(self._record, plan.judge_stream(self._dialect, event, opinions=opinions))
        if plan.response.late:
            gate.note(self._record, await plan.observe("response", self._dialect, event, streamed=True))

    def unread(self, direction: Direction) -> None:
        """Take what nobody here can read: sound.

        Raises:
            Blocked: It may not pass.
        """
        found = self._plan.screen_opaque(direction)
        gate.note(self._record, found)
        if found.rule:
            raise Blocked(found.rule)

    def close(self) -> None:
        """The session is over."""
        if self._screened is not None:
            self._screened.close()

    def _note_screen(self, screen: StreamVerdicts) -> None:
        gate.note_stream(self._record, screen)
        if screen.taint:
            self._sessions.taint(self._record)
