"""What a call is likely to use, before it is made: at most so much, as far as its request and its model's past tell."""

from __future__ import annotations

from collections import OrderedDict
from math import ceil, log2
from typing import Final

from gateway.core.exchange import Deployment, Request
from gateway.core.usage import Usage

# Reserved for an answer whose length the client left open, of a model that nothing is known of yet.
_USUAL_OUTPUT_TOKENS: Final = 512
# Tokens in a thousand bytes of a request: the same.
_USUAL_DENSITY: Final = 250
_WRITES: Final = frozenset(("chat", "text_completion"))
# What is asked of a model and costs nothing.
_COUNTS: Final = frozenset(("anthropic_count_tokens", "gemini_tokens"))
_QUANTILE: Final = 0.95
_STEPS_AN_OCTAVE: Final = 4
_BUCKETS: Final = 24 * _STEPS_AN_OCTAVE
_FEW: Final = 20
# A sketch that has seen so many forgets half of each: models change, and so do those who ask them.
_MANY: Final = 512
_EVERY: Final = 8
_MAX_MODELS: Final = 1024
_MAX_NAME_CHARS: Final = 200


class Sketch:
    """A quantile of numbers that come one by one, within a fifth, in bounded memory; the latest count most."""

    __slots__ = ("_counts", "_seen", "_since", "known")

    def __init__(self) -> None:
        self._counts = [0] * _BUCKETS
        self._seen = 0
        self._since = 0
        # 95 of 100 do not exceed it; ``None`` when too few have come.
        self.known: int | None = None

    def add(self, number: int) -> None:
        """Take in a number."""
        place = 0 if number < 1 else min(ceil(log2(number) * _STEPS_AN_OCTAVE), _BUCKETS - 1)
        self._counts[place] += 1
        self._seen += 1
        self._since += 1
        if self._seen >= _MANY:
            self._counts = [count // 2 for count in self._counts]
            self._seen = sum(self._counts)
        if self._since >= _EVERY:
            self._since = 0
            self.known = self._found() if self._seen >= _FEW else None

    def _found(self) -> int:
        left = self._seen * _QUANTILE
        for place, count in enumerate(self._counts):
            left -= count
            if left <= 0:
                return round(2 ** (place / _STEPS_AN_OCTAVE))
        return round(2 ** ((_BUCKETS - 1) / _STEPS_AN_OCTAVE))


class Expected:
    """Learns from what calls used how much others will.

    An answer is as long as ``max_tokens`` allows where the client said so, else as 95 of 100 of its model were, times
    the choices that were asked for. A request is as dense as 95 of 100 were: so many tokens in a thousand bytes.
    """

    __slots__ = ("_models",)

    def __init__(self) -> None:
        self._models: OrderedDict[tuple[str, str], tuple[Sketch, Sketch]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._models)

    def tokens(self, request: Request, deployment: Deployment) -> tuple[int, int, bool] | None:
        """Say what a call is likely to use at most; ``None`` of one that nobody pays for: a list, a count of tokens.

        Returns:
            Tokens that go in, tokens that come out, and whether these are a mere guess: the length of its answer is
            neither asked for nor known from others of its model.
        """
        if request.duplex:
            # What will be said is not known; each answer is reserved for on its own.
            return 0, _USUAL_OUTPUT_TOKENS, True
        if not request.body or request.describes or request.dialect in _COUNTS:
            return None
        known = self._models.get((deployment.provider, (deployment.model or request.model)[:_MAX_NAME_CHARS]))
        density = length = None
        if known is not None:
            density, length = known[0].known, known[1].known
        output, asked = 0, request.max_output_tokens
        guessed = asked is None and length is None
        if asked is not None or request.operation in _WRITES:
            if asked is not None:
                length = max(0, asked)
            output = _USUAL_OUTPUT_TOKENS if length is None else length
            if request.choices > 1:
                output *= request.choices
        # Rounded up.
        return -(len(request.body) * (density or _USUAL_DENSITY) // -1000), output, guessed

    def usage(self, request: Request, deployment: Deployment) -> Usage | None:
        """As :meth:`tokens`, as usage."""
        tokens = self.tokens(request, deployment)
        if tokens is None:
            return None
        return Usage(input_fresh_tokens=tokens[0], output_text_tokens=tokens[1], source="estimated")

    def learn(self, request: Request, deployment: Deployment, usage: Usage) -> None:
        """Take in what a call has used, as its provider reported it."""
        if usage.source != "reported" or not request.body or request.operation not in _WRITES:
            return
        name = _name(request, deployment)
        known = self._models.get(name)
        if known is None:
            if len(self._models) >= _MAX_MODELS:
                self._models.popitem(last=False)
            known = self._models[name] = (Sketch(), Sketch())
        else:
            self._models.move_to_end(name)
        known[0].add(usage.input_tokens * 1000 // len(request.body))
        if request.max_output_tokens is None:
            known[1].add(usage.output_tokens // max(request.choices, 1))


def _name(request: Request, deployment: Deployment) -> tuple[str, str]:
    return deployment.provider, (deployment.model or request.model)[:_MAX_NAME_CHARS]
