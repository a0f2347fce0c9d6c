"""Which of Bedrock's methods a path names, and of which model: the model is in the path, and may be a whole ARN."""

from __future__ import annotations

import re
from urllib.parse import unquote

import msgspec

from gateway.core.errors import MalformedRequest, MethodNotAllowed
from gateway.core.exchange import Incoming
from gateway.wire.request_target import check_target

CONVERSE, CONVERSE_STREAM = "converse", "converse-stream"
INVOKE, INVOKE_STREAM = "invoke", "invoke-with-response-stream"

# An ARN has a slash in it, which clients escape; who does not means the same.
_PATH = re.compile(
    r"(?:/bedrock)?/model/(?P<model>.+)/(?P<method>converse|converse-stream|invoke|invoke-with-response-stream)"
)
# A quick look that lets nearly everything else pass.
_STARTS = ("/model/", "/bedrock/model/")
_BELOW = ("/model/", "/bedrock/")
# One that a path of its own can hold; Amazon's longest names are shorter.
_MAX_MODEL_CHARS = 2_048


class Target(msgspec.Struct, frozen=True):
    """What a path asks for. ``model`` is decoded."""

    method: str
    model: str

    @property
    def stream(self) -> bool:
        """Whether the answer is to come piece by piece."""
        return self.method in (CONVERSE_STREAM, INVOKE_STREAM)

    @property
    def converses(self) -> bool:
        """Whether the body is in the form that all models have in common."""
        return self.method in (CONVERSE, CONVERSE_STREAM)

    @property
    def route(self) -> str:
        """The template of the path, one for all its spellings."""
        return f"/model/{{model}}/{self.method}"

    def upstream(self, query: str) -> str:
        """Path and query below a provider's address; ``{modelId}`` stands for the name that the provider knows."""
        path = f"/model/{{modelId}}/{self.method}"
        return f"{path}?{query}" if query else path


def find(path: str) -> Target | None:
    """Read a path; ``None`` when it is none of Bedrock's."""
    if not path.startswith(_STARTS):
        return None
    found = _PATH.fullmatch(path)
    return None if found is None else Target(found["method"], unquote(found["model"]))


def read(incoming: Incoming) -> Target:
    """Read the path of a request that was found to be one of these.

    Raises:
        MalformedRequest: The model's name cannot be one.
        MethodNotAllowed: It is no POST.
    """
    target = find(incoming.path)
    if incoming.method != "POST":
        raise MethodNotAllowed("This path takes POST.")
    check_target(incoming.path, incoming.query)
    if target is None or not target.model.isprintable() or len(target.model) > _MAX_MODEL_CHARS:
        raise MalformedRequest("The name of the model in the path is none.")
    return target


def is_below(path: str) -> bool:
    """Say whether whoever asks for this path expects errors in Amazon's form."""
    return path.startswith(_BELOW)
