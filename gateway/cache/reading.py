"""Reads requests as questions whose answers may be kept, and remembers what it has read."""

from __future__ import annotations

from collections import OrderedDict
from hashlib import blake2b
from typing import Any

import msgspec

from gateway.cache.canonical import Canonical, canonical
from gateway.core.cache_rules import ExactRule
from gateway.core.call import Call
from gateway.core.exchange import Request

# Requests that came byte for byte before are not read again; each takes some 200 bytes here.
MOST_READ = 8192
_BETA = b"anthropic-beta"


class Reading:
    """Reads requests.

    Args:
        rule: Says which answers are kept.
    """

    def __init__(self, rule: ExactRule) -> None:
        self._rule = rule
        self._read: OrderedDict[tuple[bytes, str], Canonical] = OrderedDict()

    def __len__(self) -> int:
        """How many are remembered."""
        return len(self._read)

    def question(self, call: Call, request: Request, document: Any, *, alike: bool) -> Canonical:
        """Read a request; one that came before, byte for byte, is known."""
        incoming, plain = call.incoming, document is request.document and not alike
        path = _path(call)
        if not plain:
            return canonical(request, document, path, incoming.headers, self._rule)
        said = blake2b(request.body, digest_size=16).digest()
        at = (said, f"{request.dialect} {request.wants_usage} {incoming.headers.get(_BETA)!r} {path}")
        known = self._read.get(at)
        if known is None:
            known = canonical(request, document, path, incoming.headers, self._rule)
            if len(self._read) >= MOST_READ:
                self._read.popitem(last=False)
            self._read[at] = msgspec.structs.replace(known, chat=None)
        return known

    def chat(self, call: Call, request: Request, document: Any, question: Canonical, dialect: str) -> Any:
        """Give the conversation, where it is needed to write an answer of another dialect."""
        if dialect == request.dialect or question.chat is not None:
            return question.chat
        return canonical(request, document, _path(call), call.incoming.headers, self._rule).chat


def _path(call: Call) -> str:
    incoming = call.incoming
    return f"{incoming.path}?{incoming.query}" if incoming.query else incoming.path
