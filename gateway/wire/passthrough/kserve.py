"""The rest of KServe's V2 protocol: ``/infer``, ``/ready``, ``/config``, ``/stats`` of a model, and its description.

Tensors are passed through as they are, recorded, and scanned as far as they are text; see :mod:`.binary` for those that
lie raw in a request. What a server says of itself is said of the gateway. https://github.com/kserve/open-inference-protocol
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

import orjson

from gateway.core.errors import GatewayError, GatewayFault, RouteNotFound
from gateway.core.exchange import Incoming, Request
from gateway.core.ports import Dialect
from gateway.wire.passthrough.binary import HEAD_LENGTH, has_binary, read_binary, write_binary
from gateway.wire.passthrough.dialect import PassThrough

DIALECT_NAME = "kserve"

_PATH = re.compile(
    r"/v2/models/(?P<model>[^/]+)(?P<version>/versions/[0-9]{1,19})?(?:/(?P<method>infer|ready|config|stats))?"
)


# What a server says of itself; whoever lists models knows.
SERVER_PATHS = frozenset({"/v2", "/v2/repository/index"})
_OURSELVES = "weighbridge"


class KServe(PassThrough):
    """``core.ports.Dialect`` for models that are no chat partners; the name is in the path."""

    __slots__ = ()

    name: str = DIALECT_NAME

    def parse(self, incoming: Incoming, document: Any) -> Request:
        """Understand as much of a request as can be.

        Raises:
            RouteNotFound: The path is none of these.
            MalformedRequest: The body is not what its headers say.
        """
        if incoming.path in SERVER_PATHS:
            return Request(
                dialect=DIALECT_NAME,
                operation="",
                route=incoming.path,
                upstream_path=incoming.path,
                provider=_OURSELVES,
                document=document,
                body=incoming.body,
            )
        if document is None and HEAD_LENGTH in incoming.headers:
            document = read_binary(incoming.body, incoming.headers[HEAD_LENGTH])
        found = _PATH.fullmatch(incoming.path)
        model = unquote(found["model"]) if found else ""
        if found is None or not model.isprintable() or "/" in model or model in {".", ".."}:
            raise RouteNotFound("No such path. What a server says of itself is below /providers/{name}/v2.")
        below = f"/{found['method']}" if found["method"] else ""
        path = f"/v2/models/{{model}}{found['version'] or ''}{below}"
        return Request(
            dialect=DIALECT_NAME,
            operation="",
            route=f"/v2/models/{{model}}{below}",
            upstream_path=f"{path}?{incoming.query}" if incoming.query else path,
            model_in_path=True,
            document=document,
            body=incoming.body,
            model=model,
        )

    def upstream_body(self, request: Request, document: Any, model: str) -> bytes:
        """Give the client's own bytes, unless a rule edited them; the model is in the path."""
        if document is not request.document and has_binary(request.document):
            return write_binary(document, request.document, request.body)
        return super().upstream_body(request, document, "")

    def error_body(self, error: GatewayError, exchange_id: str) -> bytes:
        """Encode an error as the protocol does: one sentence."""
        message = error.public_message
        if error.status == 500 and (isinstance(error, GatewayFault) or type(error) is GatewayError):
            message = f"The gateway failed. When you report this, name the exchange: {exchange_id}"
        return orjson.dumps({"error": message})


KSERVE: Dialect = KServe()
