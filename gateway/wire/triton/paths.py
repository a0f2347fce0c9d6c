"""Which paths are Triton's, and which of them generate text: the model is in the path, and a version may be."""

from __future__ import annotations

import re
from urllib.parse import unquote

import msgspec

from gateway.core.errors import MalformedRequest

_GENERATE = re.compile(
    r"/v2/models/(?P<model>[^/]+)(?:/versions/(?P<version>[0-9]{1,19}))?/(?P<method>generate|generate_stream)"
)


class Target(msgspec.Struct, frozen=True):
    """What a path asks for.

    Attributes:
        model: Decoded.
        version: Digits; empty for the server's choice.
        stream: The answer is to come piece by piece.
    """

    model: str
    version: str
    stream: bool

    @property
    def route(self) -> str:
        """The template of the path, one for all its versions."""
        return f"/v2/models/{{model}}/{'generate_stream' if self.stream else 'generate'}"

    def upstream(self, query: str) -> str:
        """Path and query below a server's address; ``{model}`` stands for the name that the server knows."""
        version = f"/versions/{self.version}" if self.version else ""
        path = f"/v2/models/{{model}}{version}/{'generate_stream' if self.stream else 'generate'}"
        return f"{path}?{query}" if query else path


def is_below(path: str) -> bool:
    """Say whether whoever asks for this path expects errors in Triton's form."""
    return path == "/v2" or path.startswith("/v2/")


def is_generate(path: str) -> bool:
    """Say whether a path generates text."""
    return path.startswith("/v2/models/") and _GENERATE.fullmatch(path) is not None


def read(path: str) -> Target:
    """Read a path that generates text.

    Raises:
        MalformedRequest: The model's name cannot be one.
    """
    found = _GENERATE.fullmatch(path)
    model = unquote(found["model"]) if found else ""
    if found is None or not model.isprintable() or "/" in model or model in {".", ".."}:
        raise MalformedRequest("The name of the model in the path is none.")
    return Target(model, found["version"] or "", found["method"] == "generate_stream")
