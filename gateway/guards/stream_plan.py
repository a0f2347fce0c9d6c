"""What the channels of a stream share: which rules act at once, which wait, and what must be held for them."""

from __future__ import annotations

from gateway.core.ports import Channel
from gateway.core.verdict import Thresholds
from gateway.guards.redaction import Edit
from gateway.guards.rules import Rule
from gateway.guards.screening import Screening

_NEVER = Thresholds()


class StreamPlan:
    """What all channels of one kind share under the same rules.

    Args:
        screening: The rules for the assistant's text of that kind.
        thresholds: Of the sum of points.
        shown: Where the text stands, for exclusions that ask.
    """

    __slots__ = (
        "context", "enforced", "held", "late", "matcher", "numbers", "pending", "pieces", "prompt", "screening",
        "settled", "shown", "texts", "weighing",
    )  # fmt: skip

    def __init__(self, screening: Screening, thresholds: Thresholds = _NEVER, shown: str = "") -> None:
        rules = screening.rules
        matcher = screening.matcher
        numbers = matcher.numbers
        self.screening = screening
        self.matcher = matcher
        self.shown = shown
        self.pieces = tuple(runner for runner in screening.runners if runner.piece)
        self.texts = tuple(runner for runner in screening.runners if not runner.piece)
        whole = frozenset(runner.name for runner in self.texts)
        # A sum that may block makes every rule in earnest that adds to it one that may block.
        self.weighing = thresholds.block is not None
        in_earnest = [rule for rule in rules if self._stops(rule) or rule.edits]
        self.enforced = in_earnest[0] if in_earnest else None
        self.held = any(not rule.local or rule.names & whole for rule in in_earnest)
        prompt = [rule for rule in rules if rule.local and not rule.names & whole]
        self.settled: dict[int, Edit] = screening.edits(prompt, shown)
        self.numbers = frozenset(numbers[name] for name in screening.names)
        self.pending = matcher.pending(self.numbers)
        self.context = max([matcher.context, *[runner.reach for runner in self.pieces]])
        # Rules that act on a hit at once, by detector; and those that are judged when all is said.
        self.prompt = {
            number: tuple(rule for rule in prompt if name in rule.speaking(shown)) for name, number in numbers.items()
        }
        self.late = tuple(rule for rule in rules if rule not in prompt)

    def of(self, channel: Channel) -> StreamPlan:
        """Return the plan of a channel: this one, for all."""
        del channel
        return self

    def editor(self, number: int) -> str:
        """Return the rule that edits what a detector finds."""
        rules = [rule for rule in self.prompt.get(number, ()) if rule.edits] or [self.enforced]
        return rules[0].spec.id if rules[0] is not None else ""

    def acts(self, name: str) -> bool:
        """Whether a rule in earnest asks a detector."""
        return any(rule.acts and name in rule.names for rule in self.screening.rules)

    def _stops(self, rule: Rule) -> bool:
        return rule.blocks or (self.weighing and rule.acts and rule.points > 0)
