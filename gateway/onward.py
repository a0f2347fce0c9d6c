"""Who goes on with a stream that was cut: the part of a call's way that begins after its first byte."""

from __future__ import annotations

from gateway.core.exchange import Cause, ContinueRule
from gateway.routing.chooser import Asked, Chooser


class Onward:
    """What a trip can do for a stream that was cut.

    Args:
        rule: Of the alias; ``None`` where nothing is gone on with.

    Attributes:
        code: Our code of what came of the try under way, where the call as a whole ends with another one.
        continues: How often a stream that is cut may be gone on with yet.
    """

    __slots__ = ("_next_kind", "_outrun", "_passed", "_rule", "code", "continues", "place")

    _asked: Asked
    _chooser: Chooser
    _next_kind: str
    _tried: list[int]
    place: int

    def __init__(self, rule: ContinueRule | None) -> None:
        self._rule = rule
        # Who was chosen to go on with a stream, and could not.
        self._passed: list[int] = []
        # Who was stopped since another one was sooner: slow, and not at fault.
        self._outrun: list[int] = []
        self.code = ""
        self.continues = 0 if rule is None else rule.times

    def begin(self) -> None:
        """The call goes to its deployment."""
        raise NotImplementedError

    def _sit(self, place: int) -> None:
        """Take a place."""
        raise NotImplementedError

    def carry_on(self) -> bool:
        """Choose who goes on with a stream that was cut: somebody else, or who had it if there is nobody else.

        Of those who had it, who was only too slow comes before who failed. A client that has half an answer waits in
        no queue.

        Returns:
            Whether there is anybody who has room. Each choice counts against how often that may be.
        """
        chooser = self._chooser
        if not self.continues:
            return False
        self.continues -= 1
        self._next_kind, now_s = "continue", chooser.now_s()
        place = chooser.free(self._asked, now_s, self._tried)
        if place is None and self._outrun:
            place = chooser.free(self._asked, now_s, [each for each in self._tried if each not in self._outrun])
        if place is None:
            had = [each for each in self._tried if each not in self._passed]
            again = [each for each in had if not chooser.healths[each].rests_s(now_s) and not chooser.full(each)]
            if not again or not chooser.budget.take(now_s):
                return False
            place = again[0]
        self.place = place
        return True

    def resume(self) -> None:
        """The rest of a stream goes to whom :meth:`carry_on` has chosen."""
        if self.place in self._outrun:
            self._outrun.remove(self.place)
        self._sit(self.place)
        self.begin()

    def pass_over(self) -> None:
        """Who was chosen is not to be asked after all, nor chosen again."""
        self._tried.append(self.place)
        self._passed.append(self.place)
        if self.place in self._outrun:
            self._outrun.remove(self.place)
        self.continues += 1

    def tries_again(self, cause: Cause) -> bool:
        """Whether the policy takes a cause for something that another deployment may mend."""
        return cause in self._chooser.policy.retry_on

    @property
    def continue_rule(self) -> ContinueRule:
        """How a deployment is asked to go on with a stream."""
        return self._rule or ContinueRule()
