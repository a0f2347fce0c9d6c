"""One question in the words of every dialect: whose, for which model, under which rules, with which tools."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import orjson

from gateway.core.exchange import Incoming
from tests.support.incoming import json_incoming

CONVERSATIONS = ("openai_chat", "openai_responses", "anthropic_messages", "gemini", "bedrock_converse")
DIALECTS = (*CONVERSATIONS, "openai_completions")
# Of two tenants that call their teams alike, and of two teams of one.
KEYS = {"wb-1": ("a", "x"), "wb-2": ("b", "x"), "wb-3": ("a", "y"), "wb-4": ("", "x")}
ALIASES, REVISIONS = ("m", "n"), ("0123456789ab", "0123456789ac")
SYSTEMS = ("", "Be brief.", "Be brief. ", "be brief.", "Sé breve.", "Answer for the bank alone.")
TURNS: tuple[tuple[tuple[str, str], ...], ...] = (
    (),
    (("What is the weather?", "It rains."),),
    (("What is the weather?", "It snows."),),
    (("What is the weather?", "It rains."), ("Still?", "Yes.")),
)
_SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
_OTHER = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}
TOOLS: tuple[tuple[tuple[str, str, Any], ...], ...] = (
    (),
    (("wx", "the weather", _SCHEMA),),
    (("wx", "the weather", _OTHER),),
    (("wx", "the weather of a city", _SCHEMA),),
    (("wx", "the weather", _SCHEMA), ("mail", "send a mail", {"type": "object"})),
)
FORMATS: tuple[Any, ...] = (None, _SCHEMA, _OTHER)
# Temperatures of different classes.
SAMPLINGS: tuple[tuple[float | None, float | None, int], ...] = (
    (None, None, 50),
    (0, None, 50),
    (0.3, None, 50),
    (0.3, 0.5, 50),
    (None, None, 60),
)
WORDS = ("How do I reset my password?", "What must I do so that my password is reset?")


class Asking(msgspec.Struct, frozen=True, kw_only=True):
    """A request, whatever its dialect. ``mark`` tells it apart from those that have nothing to do with it."""

    key: str
    revision: str
    alias: str
    system: str
    turns: tuple[tuple[str, str], ...]
    tools: tuple[tuple[str, str, Any], ...]
    form: Any
    sampling: tuple[float | None, float | None, int]
    text: str
    dialect: str
    mark: int


APART: dict[str, tuple[Any, ...]] = {
    "key": tuple(KEYS),
    "revision": REVISIONS,
    "alias": ALIASES,
    "system": SYSTEMS,
    "turns": TURNS,
    "tools": TOOLS,
    "form": FORMATS,
    "sampling": SAMPLINGS,
}
_COMPLETIONS_HAVE_NO = ("tools", "form")


def drawn(chance: random.Random, mark: int) -> Asking:
    """Draw a request."""
    fields = {name: chance.choice(values) for name, values in APART.items()}
    return plainer(Asking(**fields, text=chance.choice(WORDS), dialect=chance.choice(DIALECTS), mark=mark))


def plainer(asking: Asking) -> Asking:
    """Leave out what the dialect has no words for."""
    if asking.dialect != "openai_completions":
        return asking
    return msgspec.structs.replace(asking, tools=(), form=None)


def differing(asking: Asking, chance: random.Random) -> tuple[Asking, list[str]]:
    """Change one to three of the things that tell requests apart, and say which."""
    able = [name for name in APART if asking.dialect != "openai_completions" or name not in _COMPLETIONS_HAVE_NO]
    names = chance.sample(able, chance.choice((1, 1, 1, 2, 3)))
    changed = {name: chance.choice([each for each in APART[name] if each != getattr(asking, name)]) for name in names}
    return msgspec.structs.replace(asking, **changed), names


def written(asking: Asking) -> Incoming:
    """Write it as a client of its dialect does, key and all."""
    path, document = _DOCUMENTS[asking.dialect](asking)
    made = json_incoming(path, document)
    secret = asking.key.encode()
    made.headers |= _CARRIERS.get(asking.dialect, {b"authorization": b"Bearer %b"})
    made.headers = {name: value.replace(b"%b", secret) for name, value in made.headers.items()}
    return made


_CARRIERS = {
    "anthropic_messages": {b"x-api-key": b"%b"},
    "gemini": {b"x-goog-api-key": b"%b"},
    "bedrock_converse": {b"authorization": b"AWS4-HMAC-SHA256 Credential=%b/20261126/us-east-1/bedrock/aws4_request"},
}


def _said(asking: Asking) -> list[tuple[str, str]]:
    """All turns; the first has the mark."""
    earlier = ((f"Ticket {asking.mark}", "Yes?"), *asking.turns)
    turns = [turn for asked, told in earlier for turn in (("user", asked), ("assistant", told))]
    return [*turns, ("user", asking.text)]


def _drawing(asking: Asking, temperature: str, top_p: str, most: str) -> dict[str, Any]:
    said = zip((temperature, top_p, most), asking.sampling, strict=True)
    return {name: value for name, value in said if value is not None}


def _without(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if value not in (None, "", [], {})}


def _chat(asking: Asking) -> tuple[str, Any]:
    system = [{"role": "system", "content": asking.system}] if asking.system else []
    tools = [
        {"type": "function", "function": {"name": name, "description": about, "parameters": schema}}
        for name, about, schema in asking.tools
    ]
    form = asking.form and {"type": "json_schema", "json_schema": {"name": "s", "schema": asking.form}}
    document = {
        "model": asking.alias,
        "messages": [*system, *({"role": role, "content": text} for role, text in _said(asking))],
        "tools": tools,
        "response_format": form,
        **_drawing(asking, "temperature", "top_p", "max_tokens"),
    }
    return "/v1/chat/completions", _without(document)


def _responses(asking: Asking) -> tuple[str, Any]:
    document = {
        "model": asking.alias,
        "store": False,
        "instructions": asking.system,
        "input": [{"role": role, "content": text} for role, text in _said(asking)],
        "tools": [
            {"type": "function", "name": name, "description": about, "parameters": schema}
            for name, about, schema in asking.tools
        ],
        "text": asking.form and {"format": {"type": "json_schema", "name": "s", "schema": asking.form}},
        **_drawing(asking, "temperature", "top_p", "max_output_tokens"),
    }
    return "/v1/responses", _without(document)


def _messages(asking: Asking) -> tuple[str, Any]:
    document = {
        "model": asking.alias,
        "system": asking.system,
        "messages": [{"role": role, "content": text} for role, text in _said(asking)],
        "tools": [{"name": name, "description": about, "input_schema": schema} for name, about, schema in asking.tools],
        "output_config": asking.form and {"format": {"type": "json_schema", "schema": asking.form}},
        **_drawing(asking, "temperature", "top_p", "max_tokens"),
    }
    return "/v1/messages", _without(document)


def _gemini(asking: Asking) -> tuple[str, Any]:
    form = {"responseMimeType": "application/json", "responseJsonSchema": asking.form} if asking.form else {}
    functions = [
        {"name": name, "description": about, "parametersJsonSchema": schema} for name, about, schema in asking.tools
    ]
    document = {
        "systemInstruction": asking.system and {"parts": [{"text": asking.system}]},
        "contents": [
            {"role": "model" if role == "assistant" else role, "parts": [{"text": text}]}
            for role, text in _said(asking)
        ],
        "tools": [{"functionDeclarations": functions}] if functions else [],
        "generationConfig": {**form, **_drawing(asking, "temperature", "topP", "maxOutputTokens")},
    }
    return f"/v1beta/models/{asking.alias}:generateContent", _without(document)


def _converse(asking: Asking) -> tuple[str, Any]:
    tools = [
        {"toolSpec": {"name": name, "description": about, "inputSchema": {"json": schema}}}
        for name, about, schema in asking.tools
    ]
    schema = asking.form and {"jsonSchema": {"name": "s", "schema": orjson.dumps(asking.form).decode()}}
    document = {
        "system": [{"text": asking.system}] if asking.system else [],
        "messages": [{"role": role, "content": [{"text": text}]} for role, text in _said(asking)],
        "inferenceConfig": _drawing(asking, "temperature", "topP", "maxTokens"),
        "toolConfig": {"tools": tools} if tools else {},
        "outputConfig": asking.form and {"textFormat": {"type": "json_schema", "structure": schema}},
    }
    return f"/model/{asking.alias}/converse", _without(document)


def _completions(asking: Asking) -> tuple[str, Any]:
    prompt = "\n".join(f"{role}: {text}" for role, text in (("system", asking.system), *_said(asking)))
    drawing = _drawing(asking, "temperature", "top_p", "max_tokens")
    return "/v1/completions", {"model": asking.alias, "prompt": prompt, **drawing}


_DOCUMENTS = {
    "openai_chat": _chat,
    "openai_responses": _responses,
    "anthropic_messages": _messages,
    "gemini": _gemini,
    "bedrock_converse": _converse,
    "openai_completions": _completions,
}
