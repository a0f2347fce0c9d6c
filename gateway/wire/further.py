"""The request by which the next deployment is asked to go on with an answer that was cut, in the client's dialect."""

from __future__ import annotations

import re
from typing import Any, Literal

from gateway.core.chat import ChatRequest
from gateway.core.exchange import ContinueRule
from gateway.wire.joint import Continuing, Joint, Repeating, anchor
from gateway.wire.shapes import is_array, is_integer, is_object, is_text

# How the next deployment is asked: the partial answer as the beginning of its own; an order to go on with it; or one
# text that simply ends there.
Way = Literal["prefill", "instruct", "prompt"]
_ORDER = (
    "Your last answer was cut off while it was sent to me. Go on with it from exactly where it ends. Begin by repeating"
    " its last words, which are, letter for letter:\n\n{anchor}\n\nThen continue as if nothing had happened: no"
    " preface, no apology, no remark about the interruption."
)
# Of Anthropic's models, those that take the beginning of an answer: all up to 4.5.
_PREFILLED = re.compile(
    r"claude-(?:instant|v?[123](?!\d)|(?:opus|sonnet|haiku)-[34](?!\d)(?:[-.@][0-5](?!\d))?(?:[-@]\d{8}|[-:@]v\d|\Z))"
)
_ANTHROPIC = ("anthropic_messages", "bedrock_converse")
_PROMPTS = {"openai_completions": "prompt", "triton": "text_input"}


def way_of(rule: ContinueRule, dialect: str, target: str, model: str, chat: ChatRequest | None) -> Way:
    """Choose how a deployment is asked.

    Args:
        rule: Of the alias.
        dialect: The client's.
        target: The deployment's.
        model: As the provider knows it.
        chat: What was asked.
    """
    if dialect in _PROMPTS:
        return "prompt"
    if rule.by != "auto":
        return rule.by
    if target == "triton":
        return "prefill"
    thinks = chat is not None and chat.thinking is not None and chat.thinking.budget_tokens != 0
    return "prefill" if target in _ANTHROPIC and _PREFILLED.search(model) and not thinks else "instruct"


def further(document: dict[str, Any], dialect: str, said: str, way: Way, used: int) -> dict[str, Any]:
    """Write the request for the rest of an answer.

    Args:
        document: As admitted. Not changed.
        dialect: Its own.
        said: The answer so far.
        way: How to ask.
        used: Tokens that the answer has so far, which its limit is lowered by.
    """
    document = _less(document, dialect, used)
    if dialect in _PROMPTS:
        name = _PROMPTS[dialect]
        return {**document, name: document[name] + said}
    name, turns = "messages", document.get("messages")
    if dialect == "gemini":
        name, turns = "contents", document.get("contents")
    elif dialect == "openai_responses":
        name, turns = "input", document.get("input")
    if is_text(turns):
        turns = [_turn(dialect, "user", turns)]
    elif not is_array(turns):
        turns = [] if turns is None else [turns]
    return {**document, name: [*turns, *_turns(dialect, said, way)]}


def added(dialect: str, said: str, way: Way) -> dict[str, Any]:
    """Write what :func:`further` adds to a request as a request of its own, for those who judge it."""
    if dialect in _PROMPTS:
        return {_PROMPTS[dialect]: said}
    return further({}, dialect, said, way, 0)


def prefilled(document: dict[str, Any]) -> dict[str, Any]:
    """Tell a server of OpenAI's interface that its template leaves the last message open (vLLM, SGLang)."""
    return {**document, "add_generation_prompt": False, "continue_final_message": True}


def joint_of(said: str, way: Way) -> Joint:
    """Give what joins the next text to this one."""
    if way == "instruct":
        return Repeating(said)
    return Continuing(said[len(said.rstrip()) :] if way == "prefill" else "")


def _turns(dialect: str, said: str, way: Way) -> list[dict[str, Any]]:
    # Anthropic's models take no blanks at the end of a beginning.
    turns = [_turn(dialect, "assistant", said.rstrip())]
    if way == "instruct":
        turns.append(_turn(dialect, "user", _ORDER.format(anchor=anchor(said))))
    return turns


def _turn(dialect: str, role: str, text: str) -> dict[str, Any]:
    if dialect == "gemini":
        return {"role": "model" if role == "assistant" else role, "parts": [{"text": text}]}
    if dialect == "bedrock_converse":
        return {"role": role, "content": [{"text": text}]}
    if dialect == "openai_responses" and role == "assistant":
        return {"type": "message", "role": role, "content": [{"type": "output_text", "text": text}]}
    return {"role": role, "content": text}


_LIMITS: dict[str, tuple[str, ...]] = {
    "gemini": ("generationConfig", "generation_config"),
    "bedrock_converse": ("inferenceConfig",),
}
_NAMES = ("max_tokens", "max_completion_tokens", "max_output_tokens", "maxOutputTokens", "maxTokens")


def _less(document: dict[str, Any], dialect: str, used: int) -> dict[str, Any]:
    """Lower the limits on the answer by what it has already; one token is always left."""
    if used <= 0:
        return document
    changes: dict[str, Any] = {}
    for name in _LIMITS.get(dialect, ()):
        if is_object(held := document.get(name)):
            changes[name] = {**held, **_lowered(held, used)}
    return {**document, **_lowered(document, used), **changes}


def _lowered(holder: dict[str, Any], used: int) -> dict[str, Any]:
    return {name: max(1, most - used) for name in _NAMES if is_integer(most := holder.get(name)) and most > 0}
