"""One call's way from deployment to deployment: who has had it, what came of that, and who gets it next."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import msgspec

from gateway.core.call import Call
from gateway.core.errors import GatewayError, Overloaded
from gateway.core.exchange import Cause
from gateway.core.ports import AttemptView
from gateway.onward import Onward
from gateway.request_facts import RequestFacts
from gateway.routing.causes import cause_of, cause_of_status
from gateway.routing.chooser import Asked, Chooser
from gateway.routing.fitness import ANYWHERE, Fit
from gateway.routing.health import CAPACITY
from gateway.routing.queue import Queue, Ticket
from gateway.way import Way
from gateway.wire.retry_after import retry_after_s

_FIRST_DELAY_S = 0.25
_MAX_DELAY_S = 8.0
# A provider that wants to be left alone for longer is not waited for: the client is told.
_MAX_AWAITED_S = 10.0


class Trip(Way, Onward):
    """Where a call has been.

    Args:
        chooser: Chooses who gets it.
        asked: The request, as far as that matters for the choice.
        random: Spreads retries over time.
        facts: The request, as far as it may go elsewhere once rules have looked at it.
        fit: Where it may go.

    Attributes:
        place: Who has it now.
        kind: Of the try that goes on now: ``first``, ``fallback`` to another deployment, ``retry`` at the same,
            ``hedge`` while another still has it, ``continue`` with a stream that was cut.
        number: Of that try, from 1.
        spent_ns: How long the tries before it took, and waiting for a slot.
        fit: Where it may go, and in which arm of a split it is.
        elsewhere: What rules made of the request sends it to another deployment than it was admitted for.
        made: How many tries there were.
        after: See :class:`gateway.core.call.TripView`.
    """

    __slots__ = (
        "_asked",
        "_began",
        "_chooser",
        "_facts",
        "_left",
        "_random",
        "_tried",
        "_under_way",
        "after",
        "elsewhere",
        "fit",
        "kind",
        "made",
        "number",
        "spent_ns",
    )

    def __init__(
        self, chooser: Chooser, asked: Asked, random: Random, facts: RequestFacts | None = None, fit: Fit = ANYWHERE
    ) -> None:
        self._chooser = chooser
        self._facts = facts
        self.fit = fit
        self.elsewhere = False
        self.after: Callable[[Call], None] | None = None
        self._asked = asked
        self._random = random
        self._left = 0 if asked.repeated else chooser.policy.retries
        self._tried: list[int] = []
        self._under_way = self._began = False
        self.kind = self._next_kind = "first"
        self.number = self.made = self.spent_ns = 0
        super().__init__(chooser.policy.continues)
        place = chooser.aim(asked, chooser.now_s())
        self.place = 0 if place is None else place
        chooser.budget.call()

    def take(self) -> bool:
        """Take a slot of the deployment that was chosen, or of another that has one; not before those who wait."""
        chooser = self._chooser
        if chooser.queue:
            return False
        place = self._seek(chooser.now_s()) if chooser.full(self.place) else self.place
        if place is None:
            return False
        self._sit(place)
        return True

    def line_up(self, called: Callable[[], None], refuse: Callable[[Overloaded], None]) -> tuple[Queue, Ticket]:
        """Wait for a slot.

        Args:
            called: The slot is taken.
            refuse: There is none.

        Raises:
            Overloaded: The call may not wait.
        """
        queue, since_s = self._chooser.queue, self._chooser.now_s()
        if queue is None:
            raise Overloaded("Every deployment of this model is busy.", retry_after_s=1.0)

        def sit(place: int) -> None:
            self._sit(place)
            # The time was the provider's, as that of a try is.
            self.spent_ns += round((self._chooser.now_s() - since_s) * 1e9)
            called()

        ticket = Ticket(self._asked.caller, self._seek, sit, refuse)
        queue.join(ticket)
        return queue, ticket

    @property
    def split(self) -> str:
        """The split that its caller is in, else empty."""
        return self.fit.split

    @property
    def arm(self) -> str:
        """The arm there, else empty."""
        return self.fit.arm

    def judge(self, score: float, verdict: str, *, tainted: bool) -> None:
        """Take in what rules made of the request, where conditions ask for that: it may have to go elsewhere.

        Args:
            score: Sum of their points.
            verdict: As the record has it.
            tainted: They taint its session.

        Raises:
            UnsupportedField: Nobody is for such a request.
            Overloaded: Nobody may be given it now.
        """
        facts, chooser = self._facts, self._chooser
        if facts is None:
            return
        # Once: rules of the next deployment send nobody back.
        self._facts = None
        facts.score, facts.verdict, facts.tainted = score, verdict, facts.tainted or tainted
        self.fit = fit = chooser.fitness.of(facts, self._random, self.fit.arm)
        if fit.error is not None:
            raise fit.error
        if fit.barred != self._asked.barred:
            self._asked = msgspec.structs.replace(self._asked, barred=fit.barred)
            place = self._next()
            if place is not None:
                self.elsewhere = place != self.place
                self.place = place

    def begin(self) -> None:
        """The call goes to its deployment."""
        self._began = False
        self.made += 1
        self.number = self.made
        self.kind = self._next_kind
        self._tried.append(self.place)

    def learning(self, sent_ns: int, head: Callable[[Call], bytes]) -> Callable[[Call], bytes]:
        """Learn from a stream's first event, which needs a head, how long it took: not only when the stream ends.

        Args:
            sent_ns: When the call went out.
            head: Gives the head.

        Returns:
            Gives the same head.
        """

        def began(call: Call) -> bytes:
            chooser = self._chooser
            now_s, self._began = chooser.now_s(), True
            chooser.healths[self.place].ttft.note(now_s - sent_ns / 1e9, now_s)
            return head(call)

        return began

    def _seek(self, now_s: float) -> int | None:
        """Find a place that has room now."""
        if self._next_kind == "retry":
            return None if self._chooser.full(self.place) else self.place
        return self._chooser.free(self._asked, now_s, self._tried)

    def end(self, attempt: AttemptView, error: GatewayError | None) -> Cause | None:
        """Note what came of a try.

        Returns:
            Why another one may help; ``None`` where none would.
        """
        if not self._under_way:
            return None
        cause = cause_of_status(attempt.status) if error is None else cause_of(error)
        now_s, health = self._chooser.now_s(), self._chooser.healths[self.place]
        if cause is not None and cause not in {"408", "409"}:
            self._under_way = False
            rest_s = retry_after_s(attempt.headers) if error is None else error.retry_after_s
            if cause not in CAPACITY:
                self._chooser.note(self.place, now_s, bad=True)
            health.fail(now_s, cause, rest_s, (attempt.ended_ns - attempt.sent_ns) / 1e9)
        elif error is None and attempt.status < 400:
            self._under_way = False
            self._chooser.note(self.place, now_s, bad=False)
            if attempt.reader is None:
                health.whole.note((attempt.ended_ns - attempt.sent_ns) / 1e9, now_s)
            else:
                first_ns = attempt.first_ns or attempt.answered_ns
                if not self._began:
                    health.ttft.note((first_ns - attempt.sent_ns) / 1e9, now_s)
                further = attempt.reader.facts.chunks - 1
                # Of a stream that was gone on with, others have sent a part.
                if further > 0 and self.kind != "continue":
                    health.tpot.note((attempt.ended_ns - first_ns) / further / 1e9, now_s)
            health.succeed(now_s)
        else:
            # The client went away, or the request itself is at fault.
            self.leave()
        return cause

    def unfit(self) -> bool:
        """Go on to the next deployment, since this one cannot carry the request; false where there is no other."""
        self.leave()
        self.made -= 1
        # It has not had the call, and never can: a retry must not come back to it.
        self._tried.remove(self.place)
        self._asked = msgspec.structs.replace(self._asked, barred=self._asked.barred | {self.place})
        place = self._next()
        if place is None:
            return False
        self.place = place
        return True

    def go_on(self, cause: Cause, wanted_s: float | None) -> float | None:
        """Choose who gets a call that has failed.

        Returns:
            Seconds to wait before that; ``None`` where the call has failed for good.
        """
        chooser = self._chooser
        if not self._left or cause not in chooser.policy.retry_on:
            return None
        self._left -= 1
        place = self._next()
        if place is not None:
            self.place, self._next_kind = place, "fallback"
            return 0.0
        now_s = chooser.now_s()
        again = [each for each in self._tried if not chooser.healths[each].rests_s(now_s)] or self._tried
        self.place, self._next_kind = again[0], "retry"
        wait_s = max(chooser.healths[self.place].rests_s(now_s), wanted_s or 0.0 if len(again) == 1 else 0.0)
        if wait_s > _MAX_AWAITED_S or not chooser.budget.take(now_s):
            return None
        # Full jitter: calls that failed together do not come back together.
        most_s = min(_MAX_DELAY_S, _FIRST_DELAY_S * 2 ** (len(self._tried) - 1))
        return max(wait_s, self._random.random() * most_s)

    def _next(self) -> int | None:
        chooser = self._chooser
        return chooser.aim(self._asked, chooser.now_s(), self._tried)
