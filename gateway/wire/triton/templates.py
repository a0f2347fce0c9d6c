"""Chat templates: a conversation as the one text that a model without a chat interface continues.

Three are built in, in the form in which the models' makers publish them, but for the mark at the very beginning: the
server's tokenizer writes that one. What a template uses as a mark is defused where a message holds it, so that nobody
can end their own turn and begin somebody else's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import msgspec

from gateway.core.errors import Misconfigured


class Said(msgspec.Struct, frozen=True):
    """One message as templates see it: ``system``, ``user``, ``assistant`` or ``tool``, and its text."""

    role: str
    text: str


class ChatTemplate(msgspec.Struct, frozen=True, kw_only=True):
    """How a family of models is spoken to.

    Attributes:
        name: As configurations name it.
        render: Makes the text.
        stop: Marks at which the model is to stop, besides what the caller wants.
        marks: What must not stand in a message.
    """

    name: str
    render: Callable[[Sequence[Said]], str]
    stop: tuple[str, ...]
    marks: re.Pattern[str]

    def text(self, messages: Sequence[Said]) -> str:
        """Render messages whose marks are defused."""
        return self.render([Said(each.role, defused(each.text, self.marks)) for each in messages])


# A blank behind the first sign makes a mark plain text for every tokenizer.
def defused(text: str, marks: re.Pattern[str]) -> str:
    """Return a text in which no mark is left."""
    return marks.sub(lambda found: f"{found.group()[0]} {found.group()[1:]}", text)


def _chatml(messages: Sequence[Said]) -> str:
    turns = "".join([f"<|im_start|>{each.role}\n{each.text}<|im_end|>\n" for each in messages])
    return f"{turns}<|im_start|>assistant\n"


def _llama_3(messages: Sequence[Said]) -> str:
    turns: list[str] = []
    for each in messages:
        role = "ipython" if each.role == "tool" else each.role
        turns.append(f"<|start_header_id|>{role}<|end_header_id|>\n\n{each.text.strip()}<|eot_id|>")
    return "".join(turns) + "<|start_header_id|>assistant<|end_header_id|>\n\n"


def _mistral(messages: Sequence[Said]) -> str:
    """Turns of users stand in brackets; what the system says stands before the last of them."""
    system = "\n\n".join([each.text for each in messages if each.role == "system"])
    said = [each for each in messages if each.role != "system"]
    last = max((at for at, each in enumerate(said) if each.role != "assistant"), default=-1)
    turns: list[str] = []
    for at, each in enumerate(said):
        if each.role == "assistant":
            turns.append(f" {each.text}</s>")
        else:
            before = f"{system}\n\n" if system and at == last else ""
            turns.append(f"[INST] {before}{each.text}[/INST]")
    return "".join(turns) or f"[INST] {system}[/INST]"


_SPECIAL = re.compile(r"<\|[a-zA-Z0-9_]{1,32}\|>")
_TEMPLATES = {
    each.name: each
    for each in (
        ChatTemplate(name="chatml", render=_chatml, stop=("<|im_end|>",), marks=_SPECIAL),
        ChatTemplate(name="llama-3", render=_llama_3, stop=("<|eot_id|>",), marks=_SPECIAL),
        ChatTemplate(
            name="mistral", render=_mistral, stop=("</s>",), marks=re.compile(r"</?s>|\[/?[A-Z_]{1,24}\]")
        ),
    )
}  # fmt: skip
NAMES = tuple(_TEMPLATES)


def built_in(name: str) -> ChatTemplate:
    """Return a template by its name.

    Raises:
        Misconfigured: There is none of this name.
    """
    found = _TEMPLATES.get(name)
    if found is None:
        raise Misconfigured(f"no chat template is called '{name}'; there are {', '.join(NAMES)}")
    return found
