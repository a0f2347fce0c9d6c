"""A conversation with a model in a form of its own: what every dialect's requests and answers are read into.

A dialect reads its documents into these values and writes them out of these values; no dialect knows another one. What
a value has no place for is kept by name (``extras``) or as it stands (:class:`Opaque`), so that whoever writes can say
what is lost. Texts of arguments, signatures and data stay the bytes that came: nothing here is parsed to be printed
again.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from gateway.core.usage import Usage

Role = Literal["system", "developer", "user", "assistant", "tool"]
MediaKind = Literal["image", "audio", "document", "video"]
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
# Why an answer ended. ``stop``: the model was done; ``stop_sequence``: it wrote one of the caller's; ``length``: the
# limit on tokens; ``context``: the model's window is full; ``content_filter``: cut by a filter; ``refusal``: the model
# would not; ``pause``: it waits for the provider's own tool and wants to be asked to go on.
Finish = Literal[
    "stop", "stop_sequence", "length", "context", "tool_calls", "content_filter", "refusal", "pause", "error"
]  # fmt: skip


class CacheMark(msgspec.Struct, frozen=True, kw_only=True):
    """The caller asks the provider to remember everything up to here. ``ttl``: as written, e.g. ``5m``; or empty."""

    ttl: str = ""


class Citation(msgspec.Struct, frozen=True, kw_only=True):
    """Where a piece of an answer's text is from.

    Attributes:
        kind: ``url``, ``document``, ``file``, or what the dialect calls it.
        start: First character of the text it belongs to; ``None`` when the dialect does not say.
        end: Character after the last.
        url: Address, for ``url``.
        title: Of the source.
        quote: What is quoted there.
        document: As it came, for who writes the same dialect.
        dialect: Whose form ``document`` has.
    """

    kind: str
    start: int | None = None
    end: int | None = None
    url: str = ""
    title: str = ""
    quote: str = ""
    document: Any = None
    dialect: str = ""


class Text(msgspec.Struct, frozen=True, kw_only=True):
    """Words."""

    text: str
    cache: CacheMark | None = None
    citations: tuple[Citation, ...] = ()


class Media(msgspec.Struct, frozen=True, kw_only=True):
    """An image, a sound, a document: one of ``data``, ``url`` and ``file_id`` is set; ``text`` for a plain document.

    Attributes:
        kind: What it is.
        media_type: ``image/png``; empty when nobody said.
        data: Base64, without a ``data:`` prefix.
        url: Where the provider is to fetch it.
        file_id: The provider's own name for an uploaded file.
        text: The content of a document that is text.
        name: File name or title.
        detail: ``low``, ``high``, ``auto``, or empty.
        context: What the caller says about a document.
        citations: The caller wants citations from it.
        cache: See :class:`CacheMark`.
    """

    kind: MediaKind
    media_type: str = ""
    data: str = ""
    url: str = ""
    file_id: str = ""
    text: str = ""
    name: str = ""
    detail: str = ""
    context: str = ""
    citations: bool = False
    cache: CacheMark | None = None


class Reasoning(msgspec.Struct, frozen=True, kw_only=True):
    """What a model thought before it answered.

    Attributes:
        text: The thought, or its summary; empty where it is hidden.
        signature: By which its provider knows it again; byte for byte.
        encrypted: The thought itself, sealed by the provider; byte for byte.
        id: The provider's name for it.
        summary: ``text`` is a summary.
        origin: The dialect whose provider made signature or seal: worth nothing to any other one.
    """

    text: str = ""
    signature: str = ""
    encrypted: str = ""
    id: str = ""
    summary: bool = False
    origin: str = ""


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """The model's words for why it will not."""

    text: str


class ToolCall(msgspec.Struct, frozen=True, kw_only=True):
    """The model asks for a tool.

    Attributes:
        id: By which the result refers to it; empty in dialects without one.
        name: Of the tool.
        arguments: JSON text as it came, or free text when ``custom``.
        custom: The tool takes free text.
        signature: A provider's seal on the call (Gemini); byte for byte.
        origin: The dialect that made the signature.
        cache: See :class:`CacheMark`.
    """

    id: str
    name: str
    arguments: str
    custom: bool = False
    signature: str = ""
    origin: str = ""
    cache: CacheMark | None = None


class ToolResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a tool gave back.

    Attributes:
        call_id: Of the call it answers.
        name: Of the tool, where the dialect says so or the call is in the same request.
        parts: Text and media.
        is_error: The tool failed.
        document: A result that is JSON and not text (Gemini), else ``None``.
        cache: See :class:`CacheMark`.
    """

    call_id: str
    parts: tuple[Text | Media, ...]
    name: str = ""
    is_error: bool = False
    document: Any = None
    cache: CacheMark | None = None


class Opaque(msgspec.Struct, frozen=True, kw_only=True):
    """A piece that only its own dialect knows (a provider's own tool at work, say).

    Attributes:
        dialect: Whose.
        kind: What that dialect calls it.
        document: As it came.
    """

    dialect: str
    kind: str
    document: Any


Part = Text | Media | Reasoning | Refusal | ToolCall | ToolResult | Opaque


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """One message. System and developer messages stand where the caller put them; a dialect without such moves them."""

    role: Role
    parts: tuple[Part, ...]
    name: str = ""


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """A tool that the model may ask for.

    Attributes:
        name: Empty for a provider's own tool.
        description: Empty for none.
        schema: JSON Schema of its arguments; ``None`` when it has none.
        strict: Arguments must follow the schema; ``None`` when nobody said.
        custom: It takes free text.
        format: Grammar of that text, as the dialect writes it.
        opaque: A provider's own tool (web search, …), as it came.
        cache: See :class:`CacheMark`.
    """

    name: str = ""
    description: str = ""
    schema: Any = None
    strict: bool | None = None
    custom: bool = False
    format: Any = None
    opaque: Opaque | None = None
    cache: CacheMark | None = None


class ToolChoice(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the model must use tools. ``names``: it may use these only; one name with ``required`` names the tool."""

    mode: Literal["auto", "none", "required"] = "auto"
    names: tuple[str, ...] = ()


class OutputFormat(msgspec.Struct, frozen=True, kw_only=True):
    """What the answer's text must look like."""

    kind: Literal["text", "json", "schema"] = "text"
    name: str = ""
    description: str = ""
    schema: Any = None
    strict: bool | None = None


class Thinking(msgspec.Struct, frozen=True, kw_only=True):
    """How much the model is to think. ``None`` and empty: nobody said.

    Attributes:
        effort: In words.
        budget_tokens: In tokens; 0 forbids it, -1 leaves it to the model.
        visible: Thoughts, or their summaries, are wanted in the answer.
        summary: ``auto``, ``concise``, ``detailed``.
    """

    effort: Effort | None = None
    budget_tokens: int | None = None
    visible: bool | None = None
    summary: str = ""


class Sampling(msgspec.Struct, frozen=True, kw_only=True):
    """How tokens are drawn; ``None``: nobody said."""

    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    repetition_penalty: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    logprobs: bool | None = None
    top_logprobs: int | None = None
    logit_bias: dict[str, float] | None = None


class ChatRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation to be continued.

    Attributes:
        dialect: In which it came.
        model: As the client wrote it.
        turns: What was said so far.
        stream: The answer is wanted piece by piece.
        choices: How many answers (``n``).
        tools: That the model may use.
        tool_choice: ``None`` when nobody said.
        parallel_tools: Several calls in one turn may be made; ``None`` when nobody said.
        format: ``None`` when nobody said.
        sampling: How tokens are drawn.
        thinking: ``None`` when nobody said.
        user: Who the caller's own user is.
        metadata: The caller's labels.
        service_tier: As written.
        store: The provider is to keep the answer; ``None`` when nobody said.
        modalities: What kinds of answer are wanted; empty when nobody said.
        previous: Id of a stored answer that this one continues.
        extras: Every other field at the top, by the client's name for it.
        names: What the client calls a field here, where it differs: ``{"sampling.max_tokens": "max_output_tokens"}``.
        told_as: How the client wants its answer told, for the writer of its own dialect alone.
        prefilled: The last turn is the beginning of the answer, to be gone on with.
    """

    dialect: str
    model: str
    turns: tuple[Turn, ...]
    stream: bool = False
    choices: int = 1
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tools: bool | None = None
    format: OutputFormat | None = None
    sampling: Sampling = Sampling()
    thinking: Thinking | None = None
    user: str = ""
    metadata: dict[str, Any] = {}
    service_tier: str = ""
    store: bool | None = None
    modalities: tuple[str, ...] = ()
    previous: str = ""
    extras: dict[str, Any] = {}
    names: dict[str, str] = {}
    told_as: Any = None
    prefilled: bool = False


class TokenLogprob(msgspec.Struct, frozen=True, kw_only=True):
    """How likely a token was. ``top``: others that might have stood there."""

    token: str
    logprob: float
    bytes_: tuple[int, ...] | None = None
    top: tuple[TokenLogprob, ...] = ()


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """One of the answers.

    Attributes:
        index: Which.
        parts: What it is made of, in order.
        finish: Why it ended; ``None`` when the provider did not say.
        stop_sequence: Which of the caller's it wrote.
        logprobs: Of its text's tokens; ``None`` when there are none.
    """

    index: int
    parts: tuple[Part, ...]
    finish: Finish | None = None
    stop_sequence: str | None = None
    logprobs: tuple[TokenLogprob, ...] | None = None


class ChatAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A whole answer.

    Attributes:
        id: The provider's.
        model: That answered.
        choices: By index.
        usage: ``None`` when the provider reported none.
        created_s: Unix time; 0 when the provider did not say.
        service_tier: That served it.
        fingerprint: Of the provider's system.
    """

    id: str
    model: str
    choices: tuple[Choice, ...]
    usage: Usage | None = None
    created_s: int = 0
    service_tier: str = ""
    fingerprint: str = ""
