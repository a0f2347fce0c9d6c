"""Our own list of models, for gateways that route by names: a local provider that knows nothing else."""

from __future__ import annotations

import asyncio
from fnmatch import fnmatchcase
from urllib.parse import unquote

import msgspec
import orjson

from gateway import __version__
from gateway.core.errors import GatewayError, ModelNotFound
from gateway.core.exchange import Deployment, RoutePlan
from gateway.core.ports import AnswerSink
from gateway.wire import capabilities, triton
from gateway.wire.gemini import listed_models
from gateway.wire.openai_errors import error_body
from gateway.wire.openai_models import model_body, models_body

PROVIDER = "weighbridge"
# The same in Gemini's form: how the router calls it.
GEMINI = "weighbridge-gemini"
# The kind of deployment that says what a model is, to clients of servers for tensors.
DESCRIBED = "described"
_CAPABILITIES = "/capabilities"
_SERVER = ("/v2", "/v2/repository/index")
_EXTENSIONS = ("binary_tensor_data", "generate", "model_configuration", "model_repository", "statistics")


class Listing(Deployment, frozen=True, kw_only=True):
    """Our list of models, for callers who may use some of them only.

    Attributes:
        only: Globs of their names.
    """

    only: tuple[str, ...]


class CatalogCall:
    """An answer that is given in the next turn of the loop."""

    def __init__(self, handle: asyncio.Handle | asyncio.Future[bytes]) -> None:
        self._handle = handle

    def cancel(self) -> None:
        """Say nothing."""
        self._handle.cancel()

    def pause(self) -> None:
        """The answer is one small piece; there is nothing to hold back."""

    def resume(self) -> None:
        """See :meth:`pause`."""


class CatalogProvider:
    """Answers ``/models`` and ``/models/{id}`` from the names of the routing table, and ``/capabilities``.

    Args:
        names: The aliases that name one model each.
        gemini: Answer in Gemini's form.
    """

    def __init__(self, names: tuple[str, ...], *, gemini: bool = False) -> None:
        self._names = list(names)
        self._gemini = gemini
        self._loop = asyncio.get_running_loop()

    def of(self, only: tuple[str, ...]) -> CatalogProvider:
        """Make one that lists no other models than those that these globs fit."""
        fits = [name for name in self._names if name in only or any(fnmatchcase(name, each) for each in only)]
        return CatalogProvider(tuple(fits), gemini=self._gemini)

    def send(self, path: str, body: bytes, sink: AnswerSink) -> CatalogCall:
        """Answer."""
        if path in _SERVER:
            return CatalogCall(self._loop.call_soon(_say, sink, 200, self._as_server(path)))
        if path == _CAPABILITIES:
            made = self._loop.run_in_executor(None, capabilities.document)
            made.add_done_callback(lambda made: None if made.cancelled() else _say(sink, 200, made.result()))
            return CatalogCall(made)
        if self._gemini:
            return CatalogCall(self._loop.call_soon(_say, sink, *listed_models(self._names, path)))
        return CatalogCall(self._loop.call_soon(self._answer, path.partition("?")[0], sink))

    def _as_server(self, path: str) -> bytes:
        """Answer as a Triton server would that serves what we serve."""
        if path == _SERVER[0]:
            return orjson.dumps({"name": PROVIDER, "version": __version__, "extensions": list(_EXTENSIONS)})
        return orjson.dumps([{"name": name, "state": "READY"} for name in self._names])

    def _answer(self, path: str, sink: AnswerSink) -> None:
        name = unquote(path.removeprefix("/models").removeprefix("/"))
        status, body = 200, models_body(self._names)
        if name and name in self._names:
            body = model_body(name)
        elif name:
            status, body = 404, error_body(ModelNotFound(f"The model '{name[:200]}' does not exist."), "")
        _say(sink, status, body)


class DescribedModel:
    """Says what a model is that no server for tensors has.

    Args:
        name: As clients call it.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._loop = asyncio.get_running_loop()

    def send(self, path: str, body: bytes, sink: AnswerSink) -> CatalogCall:
        """Answer."""
        return CatalogCall(self._loop.call_soon(self._answer, path, sink))

    def _answer(self, path: str, sink: AnswerSink) -> None:
        try:
            status, body = triton.described(self._name, path)
        except GatewayError as error:
            sink.on_fail(error)
        else:
            _say(sink, status, body)


def described_by(name: str) -> Deployment:
    """Give who answers questions about a model that no server for tensors has."""
    return Deployment(provider=PROVIDER, kind=DESCRIBED, model=name, base_url="", credential=b"")


def listing_of(plan: RoutePlan, only: tuple[str, ...]) -> RoutePlan:
    """Give who answers where a caller may use some models only."""
    every = plan.candidates[0]
    fields = {name: getattr(every, name) for name in Deployment.__struct_fields__}
    return msgspec.structs.replace(plan, candidates=(Listing(**fields, only=only),))


def _say(sink: AnswerSink, status: int, body: bytes) -> None:
    sink.on_head(status, {b"content-type": b"application/json"})
    sink.on_data(body)
    sink.on_end()
