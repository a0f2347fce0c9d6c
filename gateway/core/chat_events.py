"""A streamed answer as events that belong to no dialect: what a reader of one dialect tells a writer of another.

For each choice: any number of :class:`Said`, :class:`Thought`, :class:`Refused`, :class:`Called` and :class:`Argued`,
then one :class:`Finished`. One :class:`Began` comes before all of them, and one :class:`Ended` after. A stream that
breaks has no :class:`Ended`; whoever reads it raises instead.
"""

from __future__ import annotations

import msgspec

from gateway.core.chat import Citation, Finish, Opaque, TokenLogprob
from gateway.core.usage import Usage


class Began(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The answer begins. ``usage``: what is known so far, the input mostly."""

    id: str
    model: str
    created_s: int = 0
    usage: Usage | None = None
    service_tier: str = ""
    fingerprint: str = ""


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """More of a choice's text. ``block``: pieces with one number belong to one block where dialects have blocks."""

    choice: int
    text: str
    block: int = 0
    logprobs: tuple[TokenLogprob, ...] | None = None
    citations: tuple[Citation, ...] = ()


class Thought(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """More of a choice's reasoning. ``signature`` and ``encrypted`` come whole, once for a block."""

    choice: int
    text: str = ""
    block: int = 0
    signature: str = ""
    encrypted: str = ""
    summary: bool = False
    origin: str = ""


class Refused(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """More of a choice's refusal."""

    choice: int
    text: str


class Called(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A call of a tool begins. ``call`` numbers the calls of one choice from 0."""

    choice: int
    call: int
    id: str
    name: str
    custom: bool = False
    signature: str = ""
    origin: str = ""


class Argued(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """More of a call's arguments, cut anywhere."""

    choice: int
    call: int
    arguments: str


class Foreign(msgspec.Struct, frozen=True, kw_only=True):
    """Something that only its own dialect knows. ``media``: what kind of media it is, where it is any."""

    choice: int
    piece: Opaque
    media: str = ""


class Finished(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A choice is whole."""

    choice: int
    finish: Finish
    stop_sequence: str | None = None


class Ended(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The answer is whole. ``usage``: of the whole call; ``None`` when the provider reported none."""

    usage: Usage | None = None


ChatEvent = Began | Said | Thought | Refused | Called | Argued | Foreign | Finished | Ended
