"""The dialect ``openai_responses``: ``/v1/responses``, whole and streamed, and the answers that a provider keeps."""

from __future__ import annotations

from gateway.wire.openai_responses.dialect import DIALECT, STORED, dialect_of
from gateway.wire.openai_responses.ending import next_event
from gateway.wire.openai_responses.names import sealed
from gateway.wire.openai_responses.request import CREATE, from_the_start

__all__ = ["CREATE", "DIALECT", "STORED", "dialect_of", "from_the_start", "next_event", "sealed"]
