"""How many tokens a piece of a stream holds, roughly, by its bytes: nothing is parsed.

A text that is cut in the middle of an event is counted as far as the first piece has it.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Callable
from typing import Final

_BYTES_A_TOKEN: Final = 4
# Names of the members that hold what a model says, in the events that carry a little of it. Those of other events
# repeat what was said before.
_MEMBERS: Final = {
    "openai_chat": "content|reasoning_content|reasoning|refusal|arguments",
    "openai_completions": "text",
    "openai_responses": "delta",
    "anthropic_messages": "text|thinking|partial_json",
    "gemini": "text",
    "bedrock_converse": "text|input",
    "triton": "text_output",
}
_ANY: Final = "content|text|thinking|partial_json|generation|outputText|completion|delta"
_FRAMED: Final = re.compile(rb'"bytes"\s*:\s*"([A-Za-z0-9+/=]*)"')


def counter(dialect: str) -> Callable[[bytes], int]:
    """Give what counts the tokens in a piece of a stream of this dialect."""
    return _COUNTERS.get(dialect, _framed if dialect == "bedrock_invoke" else _COUNTERS[""])


def _counting(members: str) -> Callable[[bytes], int]:
    texts = re.compile(rb'"(?:%b)"\s*:\s*"([^"\\]+(?:\\.[^"\\]*)*|(?:\\.[^"\\]*)+)' % members.encode()).findall

    def count(data: bytes) -> int:
        said = texts(data)
        # However short, a text is a token at least.
        return max(len(said), sum(map(len, said)) // _BYTES_A_TOKEN)

    return count


_COUNTERS: Final = {name: _counting(members) for name, members in {**_MEMBERS, "": _ANY}.items()}


def _framed(data: bytes) -> int:
    """Count in events that stand in base64 within frames; what is cut is left out."""
    whole = [text for text in _FRAMED.findall(data) if len(text) % 4 == 0]
    return sum(_COUNTERS[""](b64decode(text)) for text in whole)
