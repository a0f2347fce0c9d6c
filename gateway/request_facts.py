"""What the conditions of a route may ask of a request. Each is found out when somebody asks, and once."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import orjson

from gateway.core.chat import ChatRequest, Media
from gateway.core.errors import GatewayError
from gateway.core.exchange import Labels, Principal, Request
from gateway.core.language import detect
from gateway.core.ports import Dialect
from gateway.core.segments import Segment
from gateway.wire.bridge import CODECS
from gateway.wire.shapes import is_object

BYTES_A_TOKEN = 4
# What chat formats put around each message.
_MESSAGE_TOKENS = 4
# Text that a model reads; descriptions of tools count with their tools.
_READ = frozenset(("text", "reasoning", "refusal", "tool_argument", "tool_result"))
_TOOLS = ("tools", "toolConfig", "functions")
_SPEAKERS = frozenset(("user", "assistant", "tool"))
# So much of a text says in which language it is; more of it costs more.
_TOLD_CHARS = 300
_UNLABELLED = Labels()
# Whose answers take room beside what is asked.
_ANSWERED = frozenset(("chat", "generate_content", "text_completion"))
# Of a request that did not come as JSON.
_ANY_SIZE = 1 << 62


class RequestFacts:
    """Facts of one request; see :class:`gateway.core.route_rules.RouteMatch` for what each is.

    Args:
        dialect: Reads the document.
        request: As the client sent it: what rules edit in it changes no fact.
        principal: Who calls.
        labels: What the request says of itself in its headers.
        path: Path and query as the client wrote them.

    Attributes:
        score, verdict, tainted: What rules made of the request; set once they have.
    """

    def __init__(
        self, dialect: Dialect, request: Request, principal: Principal, labels: Labels | None, path: str
    ) -> None:
        labels = labels or _UNLABELLED
        self._dialect = dialect
        self._request = request
        self._path = path
        self.stream = request.stream
        self.model, self.route, self.dialect = request.model, request.route, request.dialect
        self.key, self.team, self.tenant = principal.key_id, principal.team, principal.tenant
        self.session = labels.session_id
        self.tags = {**labels.tags, **principal.tags} if labels.tags else principal.tags
        self.max_output_tokens = request.max_output_tokens
        self.score, self.verdict, self.tainted = 0.0, "allow", False

    @cached_property
    def user(self) -> str:
        """The caller's own user, under the names that dialects have for it."""
        document = self._request.document
        if not is_object(document):
            return ""
        metadata = document.get("metadata")
        named = document.get("user") or document.get("safety_identifier")
        if not named and is_object(metadata):
            named = metadata.get("user_id")
        return named if isinstance(named, str) else ""

    @cached_property
    def tools(self) -> bool:
        """Tools are offered."""
        return bool(self.tool)

    @cached_property
    def tool(self) -> tuple[str, ...]:
        """Names of the tools; of a provider's own, its kind."""
        chat = self._chat
        if chat is None:
            return ()
        return tuple(each.name or (each.opaque.kind if each.opaque is not None else "") for each in chat.tools)

    @cached_property
    def media(self) -> tuple[str, ...]:
        """Kinds of media."""
        chat = self._chat
        if chat is None:
            return ()
        kinds = (part.kind for turn in chat.turns for part in turn.parts if isinstance(part, Media))
        return tuple(dict.fromkeys(kinds))

    @cached_property
    def json(self) -> bool:
        """The answer must be JSON."""
        chat = self._chat
        return chat is not None and chat.format is not None and chat.format.kind != "text"

    @cached_property
    def input_tokens(self) -> int:
        """The size of what a model reads, as tokens."""
        size = sum(_size(each.text) for each in self._texts) + self._tools_bytes()
        return size // BYTES_A_TOKEN + self.turns * _MESSAGE_TOKENS

    @property
    def most_tokens(self) -> int:
        """No fewer tokens than :attr:`tokens_needed`, told without reading anything; 0 where it is not a matter of it.

        Every message is more bytes of JSON than what it counts for besides its text.
        """
        request = self._request
        if request.document is None or request.operation not in _ANSWERED:
            return 0
        return (len(request.body) // BYTES_A_TOKEN if request.body else _ANY_SIZE) + (self.max_output_tokens or 0)

    @property
    def tokens_needed(self) -> int:
        """The size of the request and of the longest answer that it asks for, as tokens."""
        return self.input_tokens + (self.max_output_tokens or 0)

    @cached_property
    def chars(self) -> int:
        """Characters of what a model reads, tools not counted."""
        return sum(len(each.text) for each in self._texts)

    @cached_property
    def turns(self) -> int:
        """Messages."""
        return len({each.path[:2] for each in self._texts if each.role in _SPEAKERS})

    @cached_property
    def language(self) -> str:
        """Of the last text of the user's."""
        said = [each for each in self._texts if each.role in ("user", "") and each.kind == "text"]
        found = detect(said[-1].text[:_TOLD_CHARS]) if said else None
        return "" if found is None else found[0]

    @cached_property
    def _texts(self) -> list[Segment]:
        document = self._request.document
        if document is None:
            return []
        return [each for each in self._dialect.segments(document) if each.kind in _READ]

    @cached_property
    def _chat(self) -> ChatRequest | None:
        codec = CODECS.get(self.dialect)
        if codec is None or self._request.document is None:
            return None
        try:
            return codec.read_request(self._request.document, self._path)
        except GatewayError:
            # Its own provider will say what is wrong with it.
            return None

    def _tools_bytes(self) -> int:
        document: Any = self._request.document
        if not is_object(document):
            return 0
        return sum(len(orjson.dumps(document[name])) for name in _TOOLS if document.get(name))


def _size(text: str) -> int:
    """Bytes in UTF-8: what tokens go by in every script, more or less."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
