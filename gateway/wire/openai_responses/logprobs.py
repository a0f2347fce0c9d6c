"""Log probabilities of a streamed text: tokens that spell it out once more."""

from __future__ import annotations

from typing import Any

from gateway.wire.shapes import is_array, is_integer, is_object


def without_logprobs(document: dict[str, Any], shown: str, *, touched: bool) -> dict[str, Any]:
    """Return a delta, or a whole part, without log probabilities that would tell more than its text.

    Args:
        document: The event or part.
        shown: The text that the client gets of it.
        touched: Something was edited or held back in this text so far.
    """
    logprobs = document.get("logprobs")
    if not logprobs or (not touched and shown.encode() == _spelled(logprobs)):
        return document
    return {**document, "logprobs": []}


def _spelled(logprobs: Any) -> bytes:
    return b"".join([_token(token) for token in logprobs]) if is_array(logprobs) else b""


def _token(token: Any) -> bytes:
    if not is_object(token):
        return str(token).encode()
    numbers = token.get("bytes")
    if is_array(numbers) and all(is_integer(number) and 0 <= number < 256 for number in numbers):
        # A token may end in the middle of a character: its bytes tell then, its text does not.
        return bytes(numbers)
    return str(token.get("token")).encode()
