"""A request for one model or for all of them, or for what can be asked of them."""

from __future__ import annotations

from urllib.parse import unquote

from gateway.core.errors import MalformedRequest
from gateway.core.exchange import Incoming, Request

_ALL = "/v1/models"
# What can be carried between dialects: our own answer, whoever lists the models.
CAPABILITIES = "/v1/capabilities"
_OURSELVES = "weighbridge"


def parse(incoming: Incoming) -> Request:
    """Understand a request below ``/v1/models`` or for our capabilities; a body is left unread.

    Args:
        incoming: The request as it was framed; its path was checked for climbing out.

    Raises:
        MalformedRequest: The model's name is empty or not percent-encoded UTF-8.
    """
    if incoming.path == CAPABILITIES:
        return Request(
            dialect="openai_models",
            operation="",
            route=CAPABILITIES,
            upstream_path="/capabilities",
            provider=_OURSELVES,
        )
    below = incoming.path.removeprefix(_ALL).removesuffix("/")
    query = incoming.query
    path = "/models" + below
    return Request(
        dialect="openai_models",
        operation="",
        route="/v1/models/{id}" if below else _ALL,
        upstream_path=f"{path}?{query}" if query else path,
        model=_model(below[1:]) if below else "",
    )


def _model(encoded: str) -> str:
    # Names with a slash come in both forms: meta-llama/x and meta-llama%2Fx.
    try:
        model = unquote(encoded, errors="strict")
    except UnicodeDecodeError:
        model = ""
    if not model.isprintable() or not model:
        raise MalformedRequest("The path does not name a model.")
    return model
