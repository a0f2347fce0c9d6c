"""``use: json_schema``: answers that are not the JSON that was asked for. A streamed text is held until it is whole."""

from __future__ import annotations

from gateway.core.errors import MalformedRequest, Misconfigured
from gateway.core.verdict import DetectorSpec
from gateway.guards.schemas import Schema, TooLarge
from gateway.plugin.guard import About, Finding, Scope
from gateway.wire.strict_json import parse_body

NOT_JSON, TOO_LARGE = "not_json", "too_large"
LABEL = "JSON"


class JsonSchemaDetector:
    """Judges the text of answers by a schema; a :class:`~gateway.plugin.guard.TextDetector`.

    Args:
        name: As rules call it.
        schema: What the text must be.
    """

    scope = Scope(directions=("response",), kinds=("text",))

    def __init__(self, name: str, schema: Schema) -> None:
        self.name = name
        self._schema = schema

    def find(self, text: str, about: About) -> list[Finding]:
        """Return one finding over the whole text when it is not JSON, or does not meet the schema."""
        kind = self._broken(text)
        return [Finding(kind=kind, end=len(text), label=LABEL)] if kind else []

    def _broken(self, text: str) -> str:
        try:
            value = parse_body(text.encode())
        except (MalformedRequest, UnicodeEncodeError):
            return NOT_JSON
        try:
            word = self._schema.broken(value)
        except TooLarge:
            return TOO_LARGE
        return f"schema/{word}" if word else ""


def build(spec: DetectorSpec) -> JsonSchemaDetector:
    """Build the detector of a policy.

    Raises:
        Misconfigured: The schema holds what is not supported.
    """
    try:
        return JsonSchemaDetector(spec.name, Schema(spec.options.get("schema", {})))
    except Misconfigured as refusal:
        raise Misconfigured(f"Detector '{spec.name}': schema: {refusal.public_message}") from None
