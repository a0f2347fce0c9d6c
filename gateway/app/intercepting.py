"""Which hosts we stand in for, with whose certificates, and what is put on record of the others."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from gateway.app.build import Shared
from gateway.app.guests import Guest, Present
from gateway.clients.certificates import Authority, Contexts
from gateway.config.model_hosts import configured_hosts, public_host
from gateway.config.settings import Intercept, Settings
from gateway.core.errors import Misconfigured
from gateway.core.model_hosts import ModelHost
from gateway.listener.gatehouse import MAX_GUESTS, Gatehouse, Told
from gateway.listener.health import Health
from gateway.listener.server import Handler, ListenerOptions, Server
from gateway.recording.connections import connection_record

# What clients may choose to speak within TLS.
PROTOCOLS = ("h2", "http/1.1")


class Interception:
    """A worker's :class:`gateway.listener.gatehouse.Hosts`.

    Args:
        intercept: As it is configured.
        present: Gives what is in force.
        shared: Writes records, and tells the time.

    Raises:
        Misconfigured: The authority is none.
    """

    def __init__(self, intercept: Intercept, present: Callable[[], Present], shared: Shared) -> None:
        self.only_models = intercept.only_models
        self._present = present
        self._shared = shared
        self._contexts = Contexts(load_authority(intercept), present()[0].home / "run", PROTOCOLS)
        self._guests: dict[str, Guest] = {}
        self._of: Settings | None = None
        self._configured: tuple[ModelHost, ...] = ()

    def find(self, host: str, port: int, *, tls: bool) -> str:
        """Name what serves a host's calls; empty where the host serves no models."""
        at = self._at(host, port, tls=tls)
        if at is None:
            return ""
        name = f"{'https' if tls else 'http'}://{host}:{port}"
        guest = self._guests.get(name)
        if guest is None or guest.at != at:
            while len(self._guests) >= MAX_GUESTS:
                del self._guests[next(iter(self._guests))]
            self._guests[name] = Guest(host, at, self._present, self._shared.clock)
        return name

    def _at(self, host: str, port: int, *, tls: bool) -> ModelHost | None:
        settings = self._present()[0]
        if settings is not self._of:
            self._of, self._configured = settings, configured_hosts(settings.providers)
        for each in self._configured:
            if each.tls is tls and each.fits(host, port):
                return each
        known = public_host(host, port) if tls else None
        if known is None or known.name not in settings.providers:
            return known
        # A provider of the configuration has the name that our list has for this host.
        return msgspec.structs.replace(known, name=host)

    def guest(self, name: str) -> Handler:
        """Give what serves a host's calls; connections that were there when a reload took it from the list keep it."""
        return self._guests.get(name) or self._present()[1]

    async def context(self, host: str) -> ssl.SSLContext:
        """Give the host's certificate; made beside the loop where there is none yet."""
        return await asyncio.to_thread(self._contexts.find, host, datetime.now(UTC))

    def tell(self, told: Told) -> None:
        """Put a connection on record that has ended."""
        fault, shared = told.fault, self._shared
        ended = (200, "") if fault is None else (fault.status, fault.code)
        carried = told.bytes_in, told.bytes_out
        record = connection_record(told.host, told.received_ns, carried, ended, shared.clock, shared.ids)
        shared.recorder.append(record)
        shared.recorder.commit()
        shared.metrics.observe(record)


def load_authority(intercept: Intercept) -> Authority:
    """Read the authority.

    Raises:
        Misconfigured: Its files are not there, or no authority's.
    """
    try:
        return Authority(intercept.certificate.read_bytes(), intercept.key.read_bytes())
    except OSError as error:
        raise Misconfigured(f"The authority cannot be read: {error.strerror}.") from error


class _NoProbes(Health):
    """Of a host that we stand in for, nobody asks how we are."""

    def answer(self, path: str, query: str) -> tuple[int, bytes, bytes] | None:
        del path, query
        return None


def gatehouse(
    own: Server, intercept: Intercept, present: Callable[[], Present], shared: Shared, options: ListenerOptions
) -> Gatehouse:
    """Put somebody before the listener who finds out what connections are for.

    Args:
        own: The listener.
        intercept: As it is configured.
        present: Gives what is in force.
        shared: What a worker's calls have in common.
        options: Of the listener.

    Raises:
        Misconfigured: The authority is none.
    """

    def make(handler: Callable[[], Handler]) -> Server:
        return Server(handler, _NoProbes(dict), options, shared.clock.monotonic_ns, shared.recorder.commit)

    return Gatehouse(own, Interception(intercept, present, shared), make, options.header_timeout_s)
