"""What stands around the texts of a conversation, in tokens, by model and by the API that is asked.

Nothing of it is published but for OpenAI's open models (https://github.com/openai/harmony), whose marks are also those
of its reasoning models. The rest was inferred from the prompt tokens that the API reported for public requests:
``python -m loadtests.token_counts`` says how well it holds.
"""

from __future__ import annotations

import msgspec

# Models that think before they answer. They read other marks.
_O_SERIES = ("o1", "o3", "o4")
_REASONING = (*_O_SERIES, "gpt-5", "gpt-oss")


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """What the parts of a request cost besides their texts.

    Attributes:
        priming: In front of the answer.
        tools: Around all tools.
        each_tool: For each but the first.
        described: When the first tool has a description.
        together: What less it is when instructions and tools, or tools and a format, stand in one message.
        call: Of a tool, alone in its message.
        calls: Of several in one.
        chosen: A tool that must be used; ``None`` where its name is not read.
        forbidden: That no tool may be used.
        format: Around the schema of the answer.
        format_and_tools: What less that is beside tools.
        format_names: How often the schema's name is read.
    """

    priming: int = 3
    tools: int = 9
    each_tool: int = 0
    described: int = 0
    together: int = -4
    call: int = 8
    calls: int = 8
    chosen: int | None = 7
    forbidden: int = 1
    format: int = 12
    format_and_tools: int = -3
    format_names: int = 2


CHAT = Frame()
RESPONSES = Frame(tools=3, each_tool=-1, together=-1, call=9, calls=-2, format=7, format_and_tools=1, format_names=1)
O_SERIES_CHAT = Frame(priming=2, described=1, together=0, chosen=None, forbidden=0)
REASONING_CHAT = Frame(priming=2, tools=90, described=1, together=0, call=14, chosen=None, forbidden=0)
REASONING_RESPONSES = Frame(
    priming=2, tools=8, described=1, together=0, call=14, chosen=None, forbidden=0, format=6, format_names=1
)


def frame_of(model: str, dialect: str) -> Frame:
    """Say what stands around a request's texts.

    Args:
        model: As the provider knows it.
        dialect: In which it is asked.
    """
    name = model.rpartition("/")[2].lower().removeprefix("ft:")
    reasons = name.startswith(_REASONING)
    if dialect == "openai_responses":
        return REASONING_RESPONSES if reasons else RESPONSES
    if name.startswith(_O_SERIES):
        return O_SERIES_CHAT
    return REASONING_CHAT if reasons else CHAT
