"""What a client of a server wants to be told besides the text of an answer, and how that is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from gateway.core.chat import Choice, Finish, TokenLogprob
from gateway.core.usage import Usage
from gateway.wire.shapes import is_array

FINISH, READ, WROTE = "finish_reason", "num_input_tokens", "num_output_tokens"
LIKELY, LIKELY_ALL = "output_log_probs", "cum_log_probs"
# The flag of a request → the tensors that it asks for.
FLAGS = {
    "return_finish_reason": (FINISH,),
    "return_num_input_tokens": (READ,),
    "return_num_output_tokens": (WROTE,),
    "return_log_probs": (LIKELY, LIKELY_ALL),
}
TELLABLE = frozenset(name for names in FLAGS.values() for name in names)
LOG_PROBS = frozenset((LIKELY, LIKELY_ALL))
_WORDS: dict[Finish, str] = {"length": "length", "context": "length", "content_filter": "content_filter"}


class Wanted(msgspec.Struct, frozen=True):
    """What is wanted.

    Attributes:
        names: Tensors besides the text.
        accumulates: Each event of a stream is to say the whole text again.
        id: The client's own name for its call; empty for none.
    """

    names: frozenset[str] = frozenset()
    accumulates: bool = False
    id: str = ""


NOTHING = Wanted()


def wanted_by(given: Mapping[str, Any], identity: Any) -> Wanted:
    """Read the flags of a request."""
    names = frozenset(name for flag, told in FLAGS.items() if _is_set(given.get(flag)) for name in told)
    return Wanted(names, _is_set(given.get("accumulate_tokens")), identity if isinstance(identity, str) else "")


def told_of(choices: Sequence[Choice], usage: Usage | None, names: frozenset[str]) -> dict[str, Any]:
    """Give the fields of a whole answer: one value, or one for each text."""
    told: dict[str, Any] = {}
    if FINISH in names:
        told[FINISH] = _one([word_of(choice.finish) for choice in choices])
    told |= counted(usage, names)
    if names & LOG_PROBS and all(choice.logprobs is not None for choice in choices):
        likely = [likelihoods(choice.logprobs) for choice in choices]
        told |= {LIKELY: _one(likely), LIKELY_ALL: _one([sum(each) for each in likely])}
    return {name: value for name, value in told.items() if name in names}


def counted(usage: Usage | None, names: frozenset[str]) -> dict[str, Any]:
    """Give the tokens that a provider counted, as far as they are wanted."""
    if usage is None:
        return {}
    counts = {READ: usage.input_tokens, WROTE: usage.output_tokens}
    return {name: value for name, value in counts.items() if name in names}


def likelihoods(logprobs: Sequence[TokenLogprob] | None) -> list[float]:
    """Give the logarithms alone: a server names no tokens."""
    return [float(each.logprob) for each in logprobs or ()]


def word_of(finish: Finish | None) -> str:
    """Say why an answer ended as servers do."""
    return _WORDS.get(finish, "stop") if finish is not None else "stop"


def _one(values: list[Any]) -> Any:
    return values[0] if len(values) == 1 else values


def _is_set(value: Any) -> bool:
    while is_array(value) and value:
        value = value[0]
    return value is True
