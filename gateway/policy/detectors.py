"""``detectors``: what to look for, one model for each ``use``. Lists and files are looked up by the compiler."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, cast, get_args
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import CoreSchema

from gateway.config.references import SecretReference
from gateway.config.validation import NOT_YET, Many, not_yet
from gateway.policy.lists import parse_host
from gateway.policy.options import LIST_NAME, Count, Detector, NoTable, Seconds, Share, Text, plain
from gateway.policy.scored import ImageTextDetector, InjectionDetector, JudgeDetector, PiiDetector, ToxicityDetector
from gateway.policy.tool_rules import ToolsDetector
from gateway.policy.views import Views

LanguageCode = Annotated[str, Field(pattern=r"^[a-z]{2,3}$")]


def _hosts(value: object) -> object:
    """Read the name of a list, or hosts."""
    if isinstance(value, str):
        if not re.match(LIST_NAME, value):
            raise ValueError("should be the name of a list, or a list of hosts")
        return value
    hosts = cast("list[object]", value) if isinstance(value, list) else []
    if not hosts or not all(isinstance(host, str) for host in hosts):
        raise ValueError("should be the name of a list, or a list of hosts")
    return [parse_host(host) for host in cast("list[str]", hosts)]


def _url(value: str) -> str:
    try:
        parts = urlsplit(value)
        port_is_one = parts.port is None or parts.port > 0
    except ValueError:
        port_is_one, parts = False, urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or not port_is_one:
        raise ValueError("should be an http or https URL without a user name")
    return value


def _schema_or_file(value: object) -> object:
    if isinstance(value, dict) or (isinstance(value, str) and 0 < len(value) <= 1000):
        return cast("object", value)
    raise ValueError("should be a JSON Schema, or the name of a file that holds one")


HostsOrList = Annotated[
    Any,
    BeforeValidator(_hosts),
    WithJsonSchema(
        {"anyOf": [{"type": "string", "pattern": LIST_NAME}, {"type": "array", "items": {"type": "string"}}]}
    ),
]


class SecretsDetector(Detector):
    """Credentials of known formats."""

    use: Literal["secrets"]
    rules: Text = "secrets"
    require: Many[Literal["prefix", "entropy"]] = ()
    allow: Many[Text] = ()
    kinds: Many[Text] = ()
    except_: Many[Text] = Field((), validation_alias="except")


class PatternDetector(Detector):
    """Expressions of one's own."""

    use: Literal["pattern"]
    patterns: Annotated[Many[Text], Field(min_length=1)]
    views: Views = ("raw",)


class UnicodeDetector(Detector):
    """Characters that nobody sees."""

    use: Literal["unicode"]
    classes: Annotated[
        Many[Literal["zero_width", "bidi", "tag", "variation", "filler", "control", "private_use"]],
        Field(min_length=1),
    ] = ("zero_width", "bidi", "tag", "variation", "filler", "control", "private_use")


class LanguageDetector(Detector):
    """Texts in other languages than those wanted."""

    use: Literal["language"]
    allow: Many[LanguageCode] = ()
    deny: Many[LanguageCode] = ()
    min_chars: Count = 20
    min_score: Share = 0.0
    target_fpr: NoTable = None

    @model_validator(mode="after")
    def _one_side(self) -> LanguageDetector:
        if bool(self.allow) == bool(self.deny):
            raise ValueError("give either allow or deny")
        return self


class UrlEgressDetector(Detector):
    """Links and images that lead to hosts that nobody allowed."""

    use: Literal["url_egress"]
    allow: HostsOrList = ()
    surfaces: Annotated[
        Many[Literal["md_image", "md_link", "md_reference", "html", "bare_url"]], Field(min_length=1)
    ] = ("md_image", "md_link", "md_reference", "html", "bare_url")
    redirectors: Literal["deny", "allow"] = "deny"
    lookalikes: Literal["deny", "allow"] = "deny"


class LimitsDetector(Detector):
    """Calls that are larger than they should be."""

    use: Literal["limits"]
    max_chars: Count | None = None
    max_turns: Count | None = None
    max_attachments: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    max_tools: Annotated[int, Field(ge=0, le=1_000_000)] | None = None

    @model_validator(mode="after")
    def _limits_something(self) -> LimitsDetector:
        if not self.options():
            raise ValueError("limits nothing; give max_chars, max_turns, max_attachments or max_tools")
        return self


class JsonSchemaDetector(Detector):
    """Answers that are not the JSON that was asked for."""

    use: Literal["json_schema"]
    # The attribute's plain name belongs to the base class.
    schema_: Annotated[
        Any,
        BeforeValidator(_schema_or_file),
        Field(validation_alias="schema"),
        WithJsonSchema({"type": ["object", "string"]}),
    ]


class WebhookDetector(Detector):
    """A judge of one's own, asked over HTTP."""

    use: Literal["webhook"]
    url: Annotated[str, AfterValidator(_url)]
    headers: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$")], SecretReference] = {}
    send: Literal["text", "hash"] = "text"
    timeout_s: Seconds = Field(1.0, validation_alias="timeout")
    min_score: Share = 0.0
    target_fpr: NoTable = None


def _later(value: str) -> str:
    raise not_yet(f"detector '{value}'")


class LaterDetector(Detector):
    """What the language will have; refused by name, whatever else is written there."""

    model_config = ConfigDict(extra="ignore", json_schema_extra={"additionalProperties": False})
    use: Annotated[
        Literal["classifier", "moderation", "ruleset"],
        AfterValidator(_later),
        WithJsonSchema({"not": {}, "description": NOT_YET}),
    ]


class OrOfPlugin:
    """Tells editors that a plugin's detector may stand here too; what it takes is not known to them."""

    def __get_pydantic_json_schema__(self, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Describe both."""
        kind = {"type": "string", "pattern": "^plugin:", "examples": ["plugin:tickets"]}
        return {
            "anyOf": [handler(core_schema), {"type": "object", "properties": {"use": kind}, "required": ["use"]}],
        }


class ForeignDetector(Detector):
    """A detector of a kind that a plugin brings; the plugin checks its options."""

    model_config = ConfigDict(extra="allow")
    use: str
    min_score: Share = 0.0
    timeout_s: Seconds = Field(0.0, validation_alias="timeout")

    def options(self) -> dict[str, Any]:
        """What is written in the file."""
        return plain(dict(self.__pydantic_extra__ or {}))


BuiltIn = Annotated[
    SecretsDetector
    | PiiDetector
    | PatternDetector
    | InjectionDetector
    | ToxicityDetector
    | JudgeDetector
    | ImageTextDetector
    | UnicodeDetector
    | LanguageDetector
    | UrlEgressDetector
    | LimitsDetector
    | JsonSchemaDetector
    | ToolsDetector
    | WebhookDetector
    | LaterDetector,
    Field(discriminator="use"),
]
AnyDetector = BuiltIn | ForeignDetector
# Every kind that is ours, the later ones too.
KINDS = frozenset(
    kind
    for model in (
        SecretsDetector,
        PiiDetector,
        PatternDetector,
        InjectionDetector,
        ToxicityDetector,
        JudgeDetector,
        ImageTextDetector,
        UnicodeDetector,
        LanguageDetector,
        UrlEgressDetector,
        LimitsDetector,
        JsonSchemaDetector,
        ToolsDetector,
        WebhookDetector,
        LaterDetector,
    )
    for kind in get_args(model.model_fields["use"].annotation)
)
