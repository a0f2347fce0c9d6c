"""``given`` of a test: what comes to the gateway, as short as a person would write it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from gateway.config.validation import Many, Strict
from gateway.core.segments import Direction

SampleText = Annotated[str, Field(max_length=100_000)]
Role = Literal["system", "developer", "user", "assistant", "tool"]
Name = Annotated[str, Field(min_length=1, max_length=1000)]


def _offered(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


def _one_or_more(value: object) -> object:
    return [value] if isinstance(value, str) else value


Arguments = Annotated[dict[str, Any], WithJsonSchema({"type": "object"})]
Message = Annotated[dict[str, Any], WithJsonSchema({"type": "object"})]


class OfferedTool(Strict):
    """A tool that the request offers to the model."""

    name: Name
    description: SampleText = ""
    parameters: Arguments = {}


class GivenSpec(Strict):
    """One of: role and text, stream, tool_args, call and args, messages. The rest says who calls, and how."""

    role: Role | None = None
    text: SampleText | None = None
    stream: Many[SampleText] = ()
    tool: Name | None = None
    tool_args: Arguments | None = None
    call: Name | None = None
    args: Arguments | None = None
    messages: Many[Message] = ()
    tools: Many[Annotated[OfferedTool, BeforeValidator(_offered, json_schema_input_type=str | OfferedTool)]] = ()
    direction: Direction | None = None
    route: Name | None = None
    model: Name | None = None
    provider: Name | None = None
    key: Name | None = None
    team: Name | None = None
    tag: Annotated[Many[Name], BeforeValidator(_one_or_more, json_schema_input_type=str | list[str])] = ()
    session: Name | None = None
    tainted: bool | None = None
    headers: dict[Literal["x-weighbridge-policy", "x-weighbridge-session", "x-weighbridge-tags"], Name] = {}

    @model_validator(mode="after")
    def _one_source(self) -> GivenSpec:
        sources = {"text": self.text, "stream": self.stream, "tool_args": self.tool_args, "call": self.call}
        named = [name for name, value in {**sources, "messages": self.messages}.items() if value not in (None, ())]
        if len(named) != 1:
            raise ValueError("give one of role and text, stream, tool_args, call and args, or messages")
        if self.text is not None and self.role is None:
            raise ValueError("text needs the role that wrote it")
        if self.role is not None and self.messages:
            raise ValueError("messages have roles of their own")
        if self.text is None and self.role not in (None, "assistant"):
            raise ValueError("only the assistant streams and calls tools")
        if self.args is not None and self.call is None:
            raise ValueError("args go with call")
        if self.tool is not None and self.tool_args is None and self.role != "tool":
            raise ValueError("tool goes with tool_args, or with the text of a tool's result")
        return self._possible()

    def _possible(self) -> GivenSpec:
        if self.direction == "response" and (self.messages or self.role not in (None, "assistant")):
            raise ValueError("only the assistant answers")
        if self.direction == "request" and self.stream:
            raise ValueError("only answers stream")
        if self.headers.get("x-weighbridge-policy", "strict") != "strict":
            raise ValueError("x-weighbridge-policy can only be strict")
        return self
