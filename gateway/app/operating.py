"""The operator as a child of the supervisor. Imported where there is one: a sidecar has none, and starts sooner."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import logging
from collections.abc import Callable
from functools import partial
from urllib.parse import quote, urlencode, urlsplit

import orjson
import uvloop

from gateway.app.answer_stores import answer_shelf
from gateway.app.declared import DeclaredNow
from gateway.app.key_stores import key_store
from gateway.app.supervisor import Child
from gateway.clients.clock import SystemClock
from gateway.config.addresses import Address
from gateway.config.load import LoadResult
from gateway.config.otlp import ServedBy
from gateway.config.settings import ChdbStore, ClickHouseStore, Operator, ProviderEntry, Settings
from gateway.core.errors import Misconfigured
from gateway.operator.auth import hold_token
from gateway.operator.process import ADDRESS_FILE, OperatorOptions, run_operator
from gateway.operator.roles import Visitor, roles_of

log = logging.getLogger("weighbridge.launch")
# Names of glibc's for how many pools of memory threads get, and from when on what is free goes back.
_ARENA_MAX, _TRIM_THRESHOLD = -8, -1
_ARENAS, _TRIM_BYTES = 1, 64 << 10


def operator_child(settings: Settings, operator: Operator, load: Callable[[], LoadResult]) -> Child:
    """Prepare the operator.

    Args:
        settings: The configuration, checked.
        operator: Its part for the operator.
        load: Loads the configuration again.
    """
    (settings.home / "run").mkdir(parents=True, exist_ok=True, mode=0o700)
    return Child("operator", partial(_run_operator, _operator_options(settings, operator, load)))


def operator_address(settings: Settings, operator: Operator) -> Address:
    """Return where the operator that runs can be reached."""
    if operator.address.port:
        return operator.address
    # The system chose the port; the operator has left word of it.
    said = orjson.loads((settings.home / "run" / ADDRESS_FILE).read_bytes())
    return Address(operator.address.host, said["port"])


def _run_operator(options: OperatorOptions, lifeline_fd: int, ready_fd: int) -> int:
    if not options.traces_url.startswith("chdb://"):
        _keep_small()
    try:
        uvloop.run(run_operator(options, lifeline_fd=lifeline_fd, ready_fd=ready_fd))
    except Misconfigured as error:
        log.error("operator: %s", error.public_message)
        return 1
    return 0


def _keep_small() -> None:
    """One pool of memory for all threads, given back as it falls free.

    An operator whose store is elsewhere hardly computes; a pool for each of its threads is a tenth of what it holds.
    The embedded engine is better off with many.
    """
    gc.collect()
    # C libraries other than glibc have no such calls and need none.
    with contextlib.suppress(AttributeError):
        library = ctypes.CDLL(None)
        library.mallopt(_ARENA_MAX, _ARENAS)
        library.mallopt(_TRIM_THRESHOLD, _TRIM_BYTES)
        library.malloc_trim(0)


def _operator_options(settings: Settings, operator: Operator, load: Callable[[], LoadResult]) -> OperatorOptions:
    declared = DeclaredNow(settings, load)
    return OperatorOptions(
        host=operator.address.host,
        port=operator.address.port,
        token=operator.token.reveal() if operator.token is not None else None,
        traces_url=traces_url(settings.traces),
        spool_dir=settings.spool.dir,
        run_dir=settings.home / "run",
        bodies_ttl_s=int(settings.capture.ttl_s),
        keep_s=settings.keep_s,
        alerts=settings.alerts,
        drift=settings.drift,
        key_store=partial(key_store, settings),
        budgets=not settings.counted_apart,
        declared=declared,
        limits=declared.limits,
        answers=lambda: answer_shelf(declared.settings(), SystemClock()),
        holders=tuple(
            hold_token(person.token.reveal(), Visitor(name=person.name, roles=roles_of(person.roles)))
            for person in operator.people
        ),
        visitors=operator.visitors,
        otlp=settings.otlp,
        providers={name: _served_by(entry) for name, entry in settings.providers.items()},
    )


def _served_by(entry: ProviderEntry) -> ServedBy:
    parts = urlsplit(entry.base_url)
    port = parts.port or (80 if parts.scheme in ("http", "ws") else 443)
    return ServedBy(entry.kind, parts.hostname or "", port if parts.hostname else 0)


def traces_url(store: ChdbStore | ClickHouseStore) -> str:
    """Write where traces go as the driver's URL, with its secret."""
    if isinstance(store, ChdbStore):
        return f"chdb://{store.path}"
    password = f":{quote(store.password.reveal(), safe='')}" if store.password is not None else ""
    told = {"cluster": store.cluster, "async_inserts": "1" if store.async_inserts else ""}
    query = urlencode({name: value for name, value in told.items() if value})
    place = f"{store.address}/{store.database}" + (f"?{query}" if query else "")
    return f"clickhouse://{quote(store.user, safe='')}{password}@{place}"
