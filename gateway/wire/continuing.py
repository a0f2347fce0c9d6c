"""A plain text stream that was cut, and how another deployment goes on with it: what is asked, and what is shown of it.

The client's stream is read into events up to its last whole one, and its dialect's writer takes these as if it had
written them, so that ids, numbers and blocks go on where they stood. What the next deployment says passes that writer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from gateway.core.chat import ChatRequest
from gateway.core.chat_events import Began, ChatEvent, Ended, Finished, Refused, Said, Thought
from gateway.core.codec import EventReader, EventWriter, WireRequest
from gateway.core.errors import GatewayError, InvalidAnswer, ProviderAnswered
from gateway.core.exchange import Headers, Request
from gateway.core.usage import Usage, total
from gateway.wire.aws_eventstream import FrameSplitter
from gateway.wire.bridge import CODECS, EVENTS, Crossing, Spare, Splitter, StreamCrossing, splitter
from gateway.wire.joint import Joint
from gateway.wire.openai_completions.chat_stream import TextEventReader, TextEventWriter
from gateway.wire.openai_responses.chat_stream_writer import ResponseEventWriter
from gateway.wire.shapes import is_object, is_text
from gateway.wire.sse import EventSplitter, parse_event

_COMPLETIONS = "openai_completions"
_BEDROCK = "bedrock_converse"
# Dialects whose text stands in blocks, which begin and end with events of their own.
_BLOCKS = frozenset(("anthropic_messages", _BEDROCK, "openai_responses"))
_MAX_EVENT_BYTES = 33_554_432
_PING = re.compile(rb"\Aevent: ping\b")
# Requests for one text, in which nothing else is asked for.
_PLAIN_PROMPT = ("echo", "suffix", "logprobs", "best_of")
_PLAIN_GENERATE = ("accumulate_tokens", "return_log_probs", "return_context_logits", "return_generation_logits")


class Seam(msgspec.Struct, frozen=True):
    """Where a stream was cut.

    Attributes:
        clean: The whole events so far, as they came.
        said: The text in them.
        chat: What was asked; ``None`` in dialects that only know one text.
        writer: Of the client's dialect, as if it had written them.
        block: The block of text that is open.
    """

    clean: bytes
    said: str
    chat: ChatRequest | None
    writer: EventWriter
    block: int


def can_go_on(request: Request, path: str) -> bool:
    """Whether a stream is asked for that could be gone on with, should it be cut."""
    return _plain_prompt(request) or _plain(request, path) is not None


def find_seam(request: Request, path: str, data: bytes) -> Seam | None:
    """Find out where a stream was cut, and get ready to go on with it.

    Args:
        request: What the client asked.
        path: Path and query as it wrote them.
        data: The stream in the client's dialect, as it came.

    Returns:
        ``None`` where it cannot be gone on with: more than one plain text was asked for, or has come; or nothing of the
        text has come, or all of it.
    """
    codec, chat = CODECS.get(request.dialect), _plain(request, path)
    if chat is None and not _plain_prompt(request):
        return None
    reader = TextEventReader() if codec is None else codec.reader()
    events, clean = _events(request.dialect, reader, data)
    last = events[-1] if events else None
    kinds = (Began, Said, Thought)
    if not isinstance(last, Said) or not all(isinstance(each, kinds) and _first(each) for each in events):
        return None
    writer = TextEventWriter() if codec is None or chat is None else codec.writer(chat)
    writer.write(events)
    if isinstance(writer, ResponseEventWriter):
        writer.take_over(clean)
    said = "".join([each.text for each in events if isinstance(each, Said)])
    return Seam(clean, said, chat, writer, last.block) if said.strip() else None


def _first(event: ChatEvent) -> bool:
    return not isinstance(event, (Said, Thought)) or event.choice == 0


def _free(request: Request) -> bool:
    """Whether a stream of one text was asked for, which any deployment may make."""
    bound = request.stored or request.bound or request.detached or request.after is not None
    return request.stream and request.choices == 1 and not bound and is_object(request.document)


def _plain_prompt(request: Request) -> bool:
    """Whether a request of a dialect that joins no other one asks for one plain text."""
    if request.dialect != _COMPLETIONS or not _free(request):
        return False
    document = request.document
    return is_text(document.get("prompt")) and not any(document.get(name) for name in _PLAIN_PROMPT)


def _plain(request: Request, path: str) -> ChatRequest | None:
    """Read a request that asks for one plain text; ``None`` when it asks for anything else."""
    codec = CODECS.get(request.dialect)
    if codec is None or not _free(request) or (request.dialect == "triton" and not _generates(request.document)):
        return None
    try:
        chat = codec.read_request(request.document, path)
    except GatewayError:
        return None
    if request.dialect == "openai_responses" and chat.store is not False:
        # A provider keeps it under the name that the client has, and would keep a part of it.
        return None
    shaped = chat.format is not None and chat.format.kind != "text"
    likely = chat.sampling.logprobs or chat.sampling.top_logprobs
    other = chat.modalities and chat.modalities != ("text",)
    return None if chat.tools or shaped or likely or other or chat.previous or chat.choices != 1 else chat


def _generates(document: Any) -> bool:
    """Whether events of a generate stream are pieces of one text, and nothing else."""
    odd = any(document.get(name) for name in _PLAIN_GENERATE)
    return not odd and is_text(document.get("text_input")) and document.get("exclude_input_in_output") is not False


def _events(dialect: str, reader: EventReader, data: bytes) -> tuple[list[ChatEvent], bytes]:
    """Read a stream up to its last whole event; gives nothing where that one ends a block."""
    pieces: Splitter = FrameSplitter() if dialect == _BEDROCK else EventSplitter(max_event_bytes=_MAX_EVENT_BYTES)
    events: list[ChatEvent] = []
    clean: list[bytes] = []
    inside = True
    try:
        for raw in pieces.feed(data):
            told = reader.feed(raw)
            clean.append(raw)
            events += told
            if told:
                inside = True
            elif dialect in _BLOCKS and not _silent(dialect, raw):
                inside = False
    except GatewayError:
        # The provider's own error, or what is no event: all that came before it counts.
        pass
    return (events, b"".join(clean)) if inside else ([], b"")


def _silent(dialect: str, raw: bytes) -> bool:
    return dialect != _BEDROCK and (parse_event(raw) is None or _PING.match(raw) is not None)


# --- what the client sees of the next deployment


class SeamWriter:
    """Writes what the next deployment says behind what was said: see :class:`gateway.core.codec.EventWriter`.

    Args:
        seam: Where the stream was cut.
        joint: Joins the texts.
        before: What was used so far: the client is told of all.

    Attributes:
        model: That goes on.
    """

    __slots__ = ("_before", "_joint", "_pieces", "_seam", "model")

    def __init__(self, seam: Seam, joint: Joint, before: Usage | None) -> None:
        self._seam = seam
        self._joint = joint
        self._before = before
        self._pieces: list[str] = []
        self.model = ""

    @property
    def text(self) -> str:
        """All that it said, as it came."""
        return "".join(self._pieces)

    def write(self, events: Sequence[ChatEvent]) -> bytes:
        """Write events; thoughts and what only the other dialect knows have no place in the middle of a text."""
        out: list[ChatEvent] = []
        for event in events:
            if isinstance(event, Began):
                self.model = event.model
            elif isinstance(event, Ended):
                out.append(Ended(usage=total(self._before, event.usage)))
            elif event.choice != 0:
                continue
            elif isinstance(event, Said | Refused):
                self._pieces.append(event.text)
                self._say(self._joint.feed(event.text), out)
            elif isinstance(event, Finished):
                self._say(self._joint.finish(), out)
                out.append(event)
        return self._seam.writer.write(out) if out else b""

    def _say(self, text: str, out: list[ChatEvent]) -> None:
        if text:
            out.append(Said(choice=0, text=text, block=self._seam.block))


class Continuation(Crossing):
    """One part of an answer on its way: from the next deployment's dialect into the client's stream.

    Args:
        reader: Makes a reader of the deployment's stream.
        writer: Of the client's.
        wire: What the deployment is asked, where it speaks another dialect than the client.
        document: The same in the client's dialect.
        spare: Stands in where the provider names no id.
        dropped: What was left out of the request.
    """

    __slots__ = ("_reader", "_writer", "document")

    def __init__(
        self,
        reader: Callable[[], EventReader],
        writer: SeamWriter,
        wire: WireRequest,
        document: Any,
        spare: Spare,
        dropped: Sequence[str] = (),
    ) -> None:
        self._reader = reader
        self._writer = writer
        self.wire = wire
        self.document = document
        self.spare = spare
        self.dropped = list(dropped)
        self.usage: Usage | None = None
        self.headers: Headers = {}

    @property
    def speaks(self) -> str:
        """Nobody's errors: of an answer that is none the client sees nothing."""
        return ""

    @property
    def text(self) -> str:
        """All that it said, as it came."""
        return self._writer.text

    @property
    def model(self) -> str:
        """That said it."""
        return self._writer.model

    def stream(self, media_type: bytes = EVENTS) -> StreamCrossing:
        """Begin to turn its stream into the rest of the client's."""
        return StreamCrossing(self, self._reader(), self._writer, splitter(media_type))

    def answer(self, body: bytes) -> bytes:
        """Refuse a whole answer: a stream was asked for."""
        raise InvalidAnswer("The provider did not answer with a stream.")

    def error(self, status: int, headers: Headers, body: bytes) -> GatewayError:
        """Take an error answer, of which the client sees nothing."""
        return ProviderAnswered(f"The provider answered with status {status}.", status=status)

    def lost(self, kind: str) -> None:
        """Media have no place in the middle of a text."""

    def began(self, event: Began) -> Began:
        """The client knows of the beginning already."""
        return event


def reader_of(dialect: str) -> Callable[[], EventReader]:
    """Give what makes readers of a dialect's streams, for a deployment that speaks the client's own."""
    codec = CODECS.get(dialect)
    return TextEventReader if codec is None else codec.reader
