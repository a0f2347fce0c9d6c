"""A chat template as somebody wrote it: how a model without a chat interface is spoken to, in Jinja."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

# The longest that model makers publish are a quarter of this.
MAX_TEMPLATE_CHARS = 131_072


class TemplateSource(msgspec.Struct, frozen=True, kw_only=True):
    """A template and what belongs to it.

    Attributes:
        text: In Jinja, as model makers publish it.
        bos_token: The mark at the beginning of a conversation; empty where the server's tokenizer writes it.
        eos_token: The mark at the end of what a model says.
        stop: Marks at which the model is to stop, besides ``eos_token``.
        unix_ms: Tells the time to templates that ask for it.
    """

    text: str
    bos_token: str = ""
    eos_token: str = ""
    stop: tuple[str, ...] = ()
    unix_ms: Callable[[], int] | None = None
