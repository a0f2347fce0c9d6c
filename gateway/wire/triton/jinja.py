"""Chat templates in Jinja, as model makers publish them, in a sandbox: text in, text out.

The variables are those of Hugging Face's libraries: ``messages``, ``tools``, ``add_generation_prompt``, ``bos_token``,
``eos_token``; ``raise_exception`` and ``strftime_now``; the filter ``tojson`` without escapes for HTML; ``break`` and
``continue``; blocks ``generation``, which mark what a model is trained on and mean nothing here.

A template is the operator's and is trusted; what it works on is a caller's. So its cost is bounded, by the turns of all
its loops and by the length of the text, and what it takes for a mark is plain text in a message: see :func:`marks_in`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib import import_module
from typing import Any

from gateway.core.chat_template import TemplateSource
from gateway.core.errors import MalformedRequest, Misconfigured
from gateway.wire.triton.templates import ChatTemplate, Said

# Writes a blank behind each comma and colon, as models have seen it; orjson does not.
_JSON: Any = import_module("json")
EXTRA = "pip install 'weighbridge[triton]'"
# Some 20 ms; a conversation of a thousand messages takes a tenth of it.
MAX_TURNS = 50_000
MAX_CHARS = 8_388_608
# What a text may be multiplied to.
MAX_REPEATED = 65_536
_BUDGET = "weighbridge_budget"
_COUNTED = "weighbridge_counted"
_MARK = re.compile(r"<[|｜/]?[^\s<>{}]{1,40}>|\[/?[A-Z_]{2,24}\]")
# What templates write and read inside of turns: whoever writes them ends nobody's turn.
_HARMLESS = re.compile(r"</?(?:think|tools?|tool_calls?|tool_response|function|parameter|documents?|param|name)>")
# What a template can stumble over in a conversation that its author did not think of.
_STUMBLES = (TypeError, ValueError, KeyError, IndexError, AttributeError, ArithmeticError, RecursionError)


class _TooMuch(Exception):
    """A template has used up what it may."""


class _Budget:
    """The turns that the loops of one rendering have left."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = MAX_TURNS

    def counted(self, values: Iterable[Any]) -> Generator[Any, None, None]:
        for value in values:
            self.left -= 1
            if self.left < 0:
                raise _TooMuch
            yield value


@cache
def compiled(source: TemplateSource) -> ChatTemplate:
    """Compile a template.

    Raises:
        Misconfigured: It is no template, or Jinja is not installed.
    """
    try:
        jinja2: Any = import_module("jinja2")
        environment: Any = _environment(source.unix_ms)
    except ImportError:
        raise Misconfigured(f"chat templates need a package that is not installed: {EXTRA}") from None
    try:
        tree = environment.parse(source.text)
        names: set[str] = import_module("jinja2.meta").find_undeclared_variables(tree)
        _count_loops(tree, import_module("jinja2.nodes"))
        # A tree is all that is needed; its text is for messages.
        template: Any = environment.from_string(tree)
    except jinja2.TemplateError as error:
        line = getattr(error, "lineno", 0)
        raise Misconfigured(f"the chat template cannot be compiled: {error.message} (line {line} of it)") from None
    stop = tuple(dict.fromkeys(mark for mark in (source.eos_token, *source.stop) if mark))
    given = {"bos_token": source.bos_token, "eos_token": source.eos_token, "add_generation_prompt": True}

    def render(messages: Sequence[Said], tools: Sequence[Any]) -> str:
        said = {"messages": [_message(each) for each in messages], "tools": list(tools) or None}
        try:
            return _bounded(template, {**given, **said, _BUDGET: _Budget()})
        except _TooMuch:
            raise MalformedRequest("The conversation is too much for the model's chat template.") from None
        except jinja2.TemplateError as error:
            raise MalformedRequest(f"The model's chat template refuses this conversation: {error.message}.") from None
        except _STUMBLES:
            raise MalformedRequest("The model's chat template cannot write this conversation.") from None

    marks = marks_in(source, environment)
    return ChatTemplate(name="", render=render, stop=stop, marks=marks, takes_tools="tools" in names)


def marks_in(source: TemplateSource, environment: Any) -> re.Pattern[str]:
    """Find what a template uses as marks: whatever looks like one in the texts that it writes itself."""
    found = {source.bos_token, source.eos_token, *source.stop}
    for _, kind, value in environment.lex(source.text):
        if kind in ("data", "string"):
            found |= {mark for mark in _MARK.findall(value) if not _HARMLESS.fullmatch(mark)}
    longest_first = sorted(filter(None, found), key=len, reverse=True)
    return re.compile("|".join([r"<\|[a-zA-Z0-9_]{1,32}\|>", *map(re.escape, longest_first)]))


def _bounded(template: Any, variables: dict[str, Any]) -> str:
    pieces: list[str] = []
    size = 0
    for piece in template.generate(variables):
        size += len(piece)
        if size > MAX_CHARS:
            raise _TooMuch
        pieces.append(piece)
    return "".join(pieces)


def _message(said: Said) -> dict[str, Any]:
    told: dict[str, Any] = {"role": said.role, "content": said.text}
    if said.calls:
        told["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": _arguments(call.arguments)},
            }
            for call in said.calls
        ]
    if said.role == "tool":
        told |= {"tool_call_id": said.call_id, "name": said.name}
    return told


def _arguments(text: str) -> Any:
    """Templates write arguments as JSON themselves."""
    try:
        return _JSON.loads(text) if text else {}
    except ValueError:
        return text


def _environment(unix_ms: Callable[[], int] | None) -> Any:
    """Make the sandbox; two options and three names more than Jinja's own, as Hugging Face's libraries have it."""
    environment: Any = _sandbox()(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols", _generation()]
    )

    def strftime_now(form: str) -> str:
        if unix_ms is None:
            raise import_module("jinja2").TemplateRuntimeError("nobody tells the time here")
        return datetime.fromtimestamp(unix_ms() / 1000, UTC).strftime(form)

    environment.globals |= {"raise_exception": _raise_exception, "strftime_now": strftime_now}
    environment.filters |= {"tojson": _to_json, _COUNTED: _counted()}
    return environment


def _raise_exception(message: str) -> None:
    raise import_module("jinja2").TemplateRuntimeError(message)


def _to_json(value: Any, *, ensure_ascii: bool = False, indent: int | None = None, sort_keys: bool = False) -> str:
    return str(_JSON.dumps(value, ensure_ascii=ensure_ascii, indent=indent, sort_keys=sort_keys))


@cache
def _counted() -> Any:
    def counted(context: Any, values: Any) -> Any:
        return context[_BUDGET].counted(values)

    return import_module("jinja2").pass_context(counted)


def _count_loops(tree: Any, nodes: Any) -> None:
    """Let every loop count its turns."""
    for loop in tree.find_all(nodes.For):
        loop.iter = nodes.Filter(loop.iter, _COUNTED, [], [], None, None, lineno=loop.lineno)


@cache
def _sandbox() -> Any:
    sandbox: Any = import_module("jinja2.sandbox")

    class Sandbox(sandbox.ImmutableSandboxedEnvironment):
        """Multiplies nothing into what no memory holds."""

        intercepted_binops = frozenset(("*", "**"))

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            long = any(hasattr(value, "__len__") for value in (left, right))
            size = max([abs(value) for value in (left, right) if isinstance(value, int | float)], default=0)
            if operator == "**" or (long and size > MAX_REPEATED):
                raise _TooMuch
            base: Any = super()
            return base.call_binop(context, operator, left, right)

    return Sandbox


@cache
def _generation() -> Any:
    class Generation(import_module("jinja2.ext").Extension):
        """Shows what stands between ``generation`` and ``endgeneration``."""

        tags = frozenset(("generation",))

        def parse(self, parser: Any) -> Any:
            next(parser.stream)
            return parser.parse_statements(("name:endgeneration",), drop_needle=True)

    return Generation
