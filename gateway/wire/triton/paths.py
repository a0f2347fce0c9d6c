"""Which paths are Triton's, and which of them generate text: the model is in the path, and a version may be.

A model's name may hold slashes, written as they are or escaped: aliases are called what their owners like. A server's
own models have none, as each is a folder.
"""

from __future__ import annotations

import re

import msgspec

from gateway.core.errors import MalformedRequest, ModelNotFound
from gateway.core.exchange import Request
from gateway.wire.request_target import model_in

_CALLED = re.compile(
    r"/v2/models/(?P<model>.+?)(?:/versions/(?P<version>[0-9]{1,19}))?/(?P<method>generate|generate_stream|infer)"
)


class Target(msgspec.Struct, frozen=True):
    """What a path asks for.

    Attributes:
        model: Decoded.
        version: Digits; empty for the server's choice.
        method: The last step.
    """

    model: str
    version: str
    method: str

    @property
    def stream(self) -> bool:
        """Whether the answer is to come piece by piece."""
        return self.method == "generate_stream"

    @property
    def route(self) -> str:
        """The template of the path, one for all its versions."""
        return f"/v2/models/{{model}}/{self.method}"

    def upstream(self, query: str) -> str:
        """Path and query below a server's address; ``{model}`` stands for the name that the server knows."""
        version = f"/versions/{self.version}" if self.version else ""
        path = f"/v2/models/{{model}}{version}/{self.method}"
        return f"{path}?{query}" if query else path


def is_below(path: str) -> bool:
    """Say whether whoever asks for this path expects errors in Triton's form."""
    return path == "/v2" or path.startswith("/v2/")


def is_generate(path: str) -> bool:
    """Say whether a path generates text."""
    found = _CALLED.fullmatch(path) if path.startswith("/v2/models/") else None
    return found is not None and found["method"] != "infer"


def read(path: str) -> Target:
    """Read a path that generates text, with a query or without.

    Raises:
        MalformedRequest: The model's name cannot be one.
    """
    found = _CALLED.fullmatch(path.partition("?")[0])
    model = model_in(found["model"]) if found else ""
    if found is None or not model:
        raise MalformedRequest("The name of the model in the path is none.")
    return Target(model, found["version"] or "", found["method"])


def check_own(request: Request, model: str) -> None:
    """Check the name of a model before a server is asked in its own words.

    Args:
        request: In one of the dialects of such servers, or in another one.
        model: As the server is to know it.

    Raises:
        ModelNotFound: It has a slash. Who decodes it before reading the path would be led to another one.
    """
    if request.model_in_path and is_below(request.upstream_path) and "/" in model:
        raise ModelNotFound("No Triton server has a model with a slash in its name.", param="model")
