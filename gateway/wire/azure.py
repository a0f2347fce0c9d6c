"""Azure's paths around OpenAI's dialects: the deployment stands in the path, the version of the API in the query."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import msgspec

from gateway.core.errors import MalformedRequest, NotAvailable
from gateway.core.exchange import Incoming
from gateway.wire.openai_request import body_object
from gateway.wire.patch import set_model
from gateway.wire.request_target import with_model

# What Azure has per deployment; the rest of its API stands beside these.
_OF_DEPLOYMENTS = ("/chat/completions", "/completions", "/embeddings", "/images/", "/audio/")
_PREFIX = "/openai/deployments/"
_VERSION = "api-version="
_OPERATIONS = frozenset({"chat/completions", "completions", "embeddings", "images/generations", "audio/speech"})
# Azure's API without a version, which is OpenAI's; and what the versioned one has beside deployments.
PREFIX = "/openai/"
_UNVERSIONED = "/openai/v1/"


def bare_of(path: str) -> str | None:
    """Return OpenAI's path for one of Azure's that names no deployment; ``None`` when it is none of these."""
    if not path.startswith(PREFIX) or path.startswith(_PREFIX):
        return None
    below = path[len(_UNVERSIONED) :] if path.startswith(_UNVERSIONED) else path[len(PREFIX) :]
    return f"/v1/{below}" if below else None


def bare(incoming: Incoming, path: str) -> Incoming:
    """Give a request that names no deployment as OpenAI's own client would have sent it."""
    return msgspec.structs.replace(incoming, path=path, query=_without_version(incoming.query), memo={})


def plain_of(path: str) -> tuple[str, str]:
    """Split a client's path into the deployment and the path that OpenAI has for the same.

    Raises:
        MalformedRequest: It names no deployment.
        NotAvailable: What is asked of the deployment is not built yet.
    """
    encoded, _, operation = path.removeprefix(_PREFIX).partition("/")
    try:
        deployment = unquote(encoded, errors="strict")
    except UnicodeDecodeError:
        deployment = ""
    if not deployment or not deployment.isprintable():
        raise MalformedRequest("The path does not name a deployment.")
    if operation not in _OPERATIONS:
        raise NotAvailable("This part of Azure's API is not yet available.")
    return deployment, f"/v1/{operation}"


def as_openai(incoming: Incoming, document: Any, deployment: str, path: str) -> tuple[Incoming, Any]:
    """Give a request as OpenAI's own client would have sent it: the deployment is the model, whatever the body says.

    Args:
        incoming: As the client sent it. Not changed.
        document: Its body, parsed strictly. Not changed.
        deployment: From the path.
        path: OpenAI's.

    Raises:
        MalformedRequest: The body is no object.
    """
    read = body_object(document)
    body = incoming.body
    if read.get("model") != deployment:
        body = set_model(body, read, deployment)
        read = {**read, "model": deployment}
    query = _without_version(incoming.query)
    return msgspec.structs.replace(incoming, path=path, query=query, body=body), read


def path_at(path: str, model: str, version: str) -> str:
    """Write the path of OpenAI's below a provider's base URL as Azure has it.

    Args:
        path: Path and query: ``/chat/completions``.
        model: Name of the deployment.
        version: Of the API: ``2024-10-21``.
    """
    plain, _, query = path.partition("?")
    if plain.startswith(_OF_DEPLOYMENTS):
        plain = with_model("/deployments/{model}", model) + plain
    rest = _without_version(query)
    return f"{plain}?{_VERSION}{version}" + (f"&{rest}" if rest else "")


def _without_version(query: str) -> str:
    return "&".join([part for part in query.split("&") if not part.startswith(_VERSION)])
