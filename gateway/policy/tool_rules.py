"""``use: tools``: which tools may be offered and called, and with what arguments."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from gateway.config.validation import Many, Strict
from gateway.policy.options import Count, Detector, ListName, Text, plain


def _tool(value: object) -> object:
    return {"tool": value} if isinstance(value, str) else value


class ArgumentSpec(Strict):
    """What one argument of a tool may be."""

    # The attribute's plain name is a word of Python.
    in_: ListName | None = Field(None, validation_alias="in")
    all_in: ListName | None = None
    max_chars: Count | None = None
    min: float | None = None
    max: float | None = None
    pattern: Text | None = None
    type: Literal["string", "number", "integer", "boolean", "array", "object", "null"] | None = None
    enum: Annotated[tuple[Any, ...], Field(strict=False, min_length=1)] | None = None

    @model_validator(mode="after")
    def _says_something(self) -> ArgumentSpec:
        if not plain(self):
            raise ValueError("says nothing of the argument")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("min is larger than max")
        if self.pattern is not None:
            try:
                re.compile(self.pattern)
            except re.error as error:
                raise ValueError(f"pattern cannot be read: {error.msg}") from None
        return self


class ToolSpec(Strict):
    """A tool that may be called, and with what."""

    tool: Text
    args: dict[Text, ArgumentSpec] = {}


class ToolsDetector(Detector):
    """Tools that may not be offered or called."""

    use: Literal["tools"]
    default: Literal["allow", "deny"] = "allow"
    allow: Many[Annotated[ToolSpec, BeforeValidator(_tool, json_schema_input_type=str | ToolSpec)]] = ()
    deny: Many[Text] = ()

    @model_validator(mode="after")
    def _forbids_something(self) -> ToolsDetector:
        if self.default == "allow" and not self.deny and not any(each.args for each in self.allow):
            raise ValueError("forbids nothing; say default: deny, deny, or args of an allowed tool")
        return self
