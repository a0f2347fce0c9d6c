"""Chat templates that a configuration brings: read, and compiled once to see that they can be."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from gateway.config.source import read_text
from gateway.config.validation import Many, Strict
from gateway.core.chat_template import MAX_TEMPLATE_CHARS, TemplateSource
from gateway.core.errors import Misconfigured
from gateway.wire.triton.jinja import compiled

_Mark = Annotated[str, Field(max_length=100)]


class ChatTemplateSpec(Strict):
    """How models are spoken to, in Jinja: written here, or a file."""

    text: Annotated[str, Field(min_length=1, max_length=MAX_TEMPLATE_CHARS)] | None = None
    file: Annotated[str, Field(min_length=1, max_length=1000)] | None = None
    bos_token: _Mark = ""
    eos_token: _Mark = ""
    stop: Many[_Mark] = ()

    @model_validator(mode="after")
    def _is_somewhere(self) -> ChatTemplateSpec:
        if (self.text is None) == (self.file is None):
            raise ValueError("takes text, the template itself, or file, where it is")
        return self


def load_template(spec: ChatTemplateSpec, base: Path) -> tuple[TemplateSource, str]:
    """Read a template.

    Args:
        spec: As written.
        base: The folder that a relative path starts from.

    Returns:
        The template, and what is wrong with it; empty when it can be used.
    """
    text, fault = (spec.text or "", None) if spec.file is None else read_text(base / spec.file, spec.file)
    problem = "" if fault is None else fault.message
    source = TemplateSource(text=text, bos_token=spec.bos_token, eos_token=spec.eos_token, stop=spec.stop)
    if not problem and not 0 < len(text) <= MAX_TEMPLATE_CHARS:
        problem = f"should have between 1 and {MAX_TEMPLATE_CHARS} characters"
    if not problem:
        try:
            compiled(source)
        except Misconfigured as error:
            problem = error.public_message
    return source, problem
