"""Chat templates: a conversation as the one text that a model without a chat interface continues.

Three are built in, in the form in which the models' makers publish them, but for the mark at the very beginning: the
server's tokenizer writes that one. What a template uses as a mark is defused where a message holds it, so that nobody
can end their own turn and begin somebody else's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from gateway.core.chat import ToolCall
from gateway.core.errors import Misconfigured
from gateway.wire.shapes import is_array, is_object, is_text


class Said(msgspec.Struct, frozen=True):
    """One message as templates see it: ``system``, ``user``, ``assistant`` or ``tool``, and its text.

    Attributes:
        calls: What the model asked of tools.
        call_id: Of the call that a tool's result answers; and the tool's name.
    """

    role: str
    text: str
    calls: tuple[ToolCall, ...] = ()
    call_id: str = ""
    name: str = ""


class ChatTemplate(msgspec.Struct, frozen=True, kw_only=True):
    """How a family of models is spoken to.

    Attributes:
        name: As configurations name it.
        render: Makes the text, of messages and tools.
        stop: Marks at which the model is to stop, besides what the caller wants.
        marks: What must not stand in a message.
        takes_tools: It tells the model of tools, in OpenAI's form, and writes calls itself.
    """

    name: str
    render: Callable[[Sequence[Said], Sequence[Any]], str]
    stop: tuple[str, ...]
    marks: re.Pattern[str]
    takes_tools: bool = False

    def text(self, messages: Sequence[Said], tools: Sequence[Any] = ()) -> str:
        """Render messages whose marks are defused.

        Raises:
            MalformedRequest: The template cannot write this conversation.
        """
        return self.render([self._plain(each) for each in messages], self._plain_tools([*tools]))

    def _plain(self, said: Said) -> Said:
        calls = tuple(
            msgspec.structs.replace(
                call, name=defused(call.name, self.marks), arguments=defused(call.arguments, self.marks)
            )
            for call in said.calls
        )
        text = defused(said.text, self.marks)
        return Said(said.role, text, calls, defused(said.call_id, self.marks), defused(said.name, self.marks))

    def _plain_tools(self, value: Any) -> Any:
        if is_text(value):
            return defused(value, self.marks)
        if is_object(value):
            return {defused(name, self.marks): self._plain_tools(each) for name, each in value.items()}
        return [self._plain_tools(each) for each in value] if is_array(value) else value


# A blank behind the first sign makes a mark plain text for every tokenizer.
def defused(text: str, marks: re.Pattern[str]) -> str:
    """Return a text in which no mark is left."""
    return marks.sub(lambda found: f"{found.group()[0]} {found.group()[1:]}", text)


def _chatml(messages: Sequence[Said], _tools: Sequence[Any]) -> str:
    turns = "".join([f"<|im_start|>{each.role}\n{each.text}<|im_end|>\n" for each in messages])
    return f"{turns}<|im_start|>assistant\n"


def _llama_3(messages: Sequence[Said], _tools: Sequence[Any]) -> str:
    turns: list[str] = []
    for each in messages:
        role = "ipython" if each.role == "tool" else each.role
        turns.append(f"<|start_header_id|>{role}<|end_header_id|>\n\n{each.text.strip()}<|eot_id|>")
    return "".join(turns) + "<|start_header_id|>assistant<|end_header_id|>\n\n"


def _mistral(messages: Sequence[Said], _tools: Sequence[Any]) -> str:
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
