"""Calls on their way through an Envoy that asks about them: the same rooms, but it is Envoy that sends each on."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

import msgspec

from gateway.app.guests import MAX_PIPELINES, Present, led_to, version_of
from gateway.clients.clock import Clock
from gateway.config.model_hosts import configured_hosts, public_host
from gateway.config.settings import ProviderEntry, Settings
from gateway.core.call import Call
from gateway.core.errors import Bug, GatewayError, Misconfigured, NotAvailable
from gateway.core.exchange import Incoming, Request
from gateway.core.model_hosts import Kind, ModelHost, Mount, our_path
from gateway.core.ports import Reply
from gateway.course import Course, Courses
from gateway.listener.passing import Lane, Passing
from gateway.pipeline import Pipeline
from gateway.upstream.dispatch import Dispatcher

# Where nothing says whose a host is, the path tells what is spoken there.
_SPOKEN: tuple[tuple[str, Kind], ...] = (
    ("/v1/messages", "anthropic"), ("/v1beta/", "gemini"), ("/openai/deployments/", "azure"), ("/model/", "bedrock"),
    ("/v2/", "triton"),
)  # fmt: skip
_BASES = {"openai": "/v1", "anthropic": "/v1", "gemini": "/v1beta", "vertex": "/v1beta", "azure": "/openai"}
# Nobody is ever asked there: Envoy knows where calls go.
_SOMEWHERE = "http://envoy"
_WEBSOCKET = b"websocket"


class Staying(Courses, frozen=True, kw_only=True):
    """Finds courses of calls whose way is Envoy's to choose."""

    def reroute(self, call: Call, course: Course, alias: str, request: Request) -> Course:
        """Refuse what a rule sends elsewhere: where it would go on to is the very place that it must not reach.

        Raises:
            NotAvailable: Always.
        """
        raise NotAvailable(f"A rule sends calls to '{alias}', which is not yet available through ext_proc.")


class Passages:
    """Serves them; a :class:`gateway.listener.server.Handler`.

    Args:
        present: Gives what is in force.
        clock: For templates of models.
    """

    def __init__(self, present: Callable[[], Present], clock: Clock) -> None:
        self._present = present
        self._clock = clock
        self._of: Present | None = None
        self._hosts: tuple[ModelHost, ...] = ()
        self._pipelines: dict[tuple[str, Mount, str], Pipeline] = {}

    async def handle(self, incoming: Incoming, reply: Reply) -> None:
        """Let one request pass, or answer it."""
        pipeline, ours = self._place(incoming, reply)
        await pipeline.handle(ours, reply)

    def refuse(self, incoming: Incoming, reply: Reply, error: GatewayError) -> None:
        """Answer with an error and record it."""
        pipeline, ours = self._place(incoming, reply)
        pipeline.refuse(ours, reply, error)

    def _place(self, incoming: Incoming, reply: Reply) -> tuple[Pipeline, Incoming]:
        if not isinstance(reply, Passing):
            raise Bug("This is no exchange of Envoy's.")
        settings = self._now()[0]
        try:
            at = self._at(settings, reply.named, reply.authority, incoming.path)
        except GatewayError as error:
            incoming.fault = incoming.fault or error
            at = _unknown(incoming.path)
        mount = at.mount(incoming.path)
        if incoming.headers.get(b"upgrade", b"").lower() == _WEBSOCKET and incoming.fault is None:
            incoming.fault = NotAvailable("WebSocket connections through ext_proc are not yet available.")
        ours = msgspec.structs.replace(incoming, path=our_path(at, mount, incoming.path))
        version = version_of(incoming.query) if mount.kind == "azure" else ""
        pipeline = self._pipeline(at, mount, version)
        return msgspec.structs.replace(pipeline, dispatcher=_dispatcher(reply)), ours

    def _at(self, settings: Settings, named: str, authority: bytes, path: str) -> ModelHost:
        if named:
            entry = settings.providers.get(named)
            if entry is None:
                raise Misconfigured("The metadata x-weighbridge-provider names no provider of the configuration.")
            return _host_of(entry)
        host, port = _split(authority)
        for each in self._hosts:
            if each.host == host and port in (0, each.port):
                return each
        known = public_host(host, port or 443)
        if known is not None:
            return known
        if settings.transparent:
            return _host_of(next(iter(settings.providers.values())))
        return _unknown(path)

    def _now(self) -> Present:
        now, of = self._present(), self._of
        if of is None or of[0] is not now[0] or of[1] is not now[1]:
            self._of = now
            self._pipelines.clear()
            self._hosts = configured_hosts(now[0].providers)
        return now

    def _pipeline(self, at: ModelHost, mount: Mount, version: str) -> Pipeline:
        _, pipeline = self._now()
        made = self._pipelines.get((at.name, mount, version))
        if made is None:
            while len(self._pipelines) >= MAX_PIPELINES:
                del self._pipelines[next(iter(self._pipelines))]
            base = mount.base
            if mount.kind == "azure" and not version:
                base = f"{base}/v1"
            # Nobody's credential is ours to add: the client's own goes on, or Envoy adds one.
            entry = ProviderEntry(
                name=at.name,
                kind=mount.kind,
                base_url=_SOMEWHERE + base,
                passes_credential=True,
                api_version=version,
            )
            made = led_to(pipeline, entry, _SOMEWHERE, self._clock)
            courses = Staying(**{name: getattr(made.courses, name) for name in made.courses.__struct_fields__})
            made = msgspec.structs.replace(made, courses=courses)
            self._pipelines[at.name, mount, version] = made
        return made


def _dispatcher(passing: Passing) -> Dispatcher:
    return Dispatcher(Lane(passing), {})


def _host_of(entry: ProviderEntry) -> ModelHost:
    """Give a provider as a host: below its own path, and as clients of ours write paths."""
    base = urlsplit(entry.base_url).path.rstrip("/")
    usual = _BASES.get(entry.kind, "")
    kind: Kind = "openai" if entry.kind == "sim" else entry.kind
    mounts = tuple(Mount(each, kind) for each in dict.fromkeys((base, usual)))
    return ModelHost(name=entry.name, host="", mounts=mounts, configured=True)


def _unknown(path: str) -> ModelHost:
    kind: Kind = "openai"
    for start, spoken in _SPOKEN:
        if path.startswith(start):
            kind = spoken
            break
    return ModelHost(name=kind, host="", mounts=(Mount(_BASES.get(kind, ""), kind),))


def _split(authority: bytes) -> tuple[str, int]:
    parts = urlsplit(f"//{authority.decode('latin-1')}")
    try:
        return (parts.hostname or "").lower(), parts.port or 0
    except ValueError:
        return "", 0
