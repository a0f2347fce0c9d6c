"""A ClickHouse server over HTTP, through the official client in its asynchronous form."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

from gateway.clients.clickhouse_cluster import (
    CLUSTER_COMMAND_SETTINGS,
    CLUSTER_INSERT_SETTINGS,
    CLUSTER_READ_SETTINGS,
    Cluster,
)
from gateway.clients.clickhouse_rules import (
    ASYNC_INSERT_SETTINGS,
    GUEST_SETTINGS,
    INSERT_SETTINGS,
    READ_SETTINGS,
    checked_token,
    insert_failure,
    query_failure,
)
from gateway.core.errors import GatewayFault, Misconfigured, StoreUnavailable

_T = TypeVar("_T")
# The first servers that know a token of an insert that they gathered also in the views that hang on its table.
_GATHERS = "SELECT count() FROM system.settings WHERE name = 'deduplicate_insert'"
_KNOWN = "SELECT count() FROM system.clusters WHERE cluster = {name:String}"
_TABLES = "SELECT count() FROM system.tables WHERE database = {database:String} AND name = 'ingest'"
_FRONTS = f"{_TABLES} AND engine = 'Distributed'"
_SCHEMES = {"clickhouse": ("http", 8123), "clickhouses": ("https", 8443)}


class ClickHouseClient:
    """Implements ``plugin.traces.TraceDriver`` on a server.

    Args:
        url: ``clickhouse://user:password@host:8123/database``, ``clickhouses://`` for TLS. User and password are
            percent-encoded; the database is ``weighbridge`` when none is named. ``?cluster=NAME`` spreads the tables
            over a cluster, ``?async_inserts=1`` lets the server gather the inserts of many gateways.
        connect_timeout_s: To make a connection.
        answer_timeout_s: Silence of the server in the middle of a statement.

    Raises:
        Misconfigured: The URL is none of these.
    """

    shared = True

    def __init__(self, url: str, *, connect_timeout_s: float = 5.0, answer_timeout_s: float = 60.0) -> None:
        parts = urlsplit(url)
        if parts.scheme not in _SCHEMES or not parts.hostname:
            raise Misconfigured("A trace store is clickhouse://user:password@host:8123/database.")
        interface, default_port = _SCHEMES[parts.scheme]
        self.database = parts.path.strip("/") or "weighbridge"
        if not self.database.isidentifier():
            raise Misconfigured("The database in the trace store's URL is no plain name.")
        told = parse_qs(parts.query)
        self._cluster = Cluster(told["cluster"][0], self.database) if "cluster" in told else None
        self._gathered = told.get("async_inserts") == ["1"]
        self._inserting, self._reading, self._commanding = _settings(
            clustered=self._cluster is not None, gathered=self._gathered
        )
        self._options: dict[str, Any] = {
            "interface": interface,
            "host": parts.hostname,
            "port": parts.port or default_port,
            "username": unquote(parts.username or "default"),
            "password": unquote(parts.password or ""),
            "connect_timeout": connect_timeout_s,
            "send_receive_timeout": answer_timeout_s,
            # A retry is the shipper's business; a second one hidden below it would only blur its back-off.
            "query_retries": 0,
            "show_clickhouse_errors": "scrub",
        }
        self._client: Any = None
        self._opening = asyncio.Lock()

    async def open(self) -> None:
        """Connect and make the database.

        Raises:
            StoreUnavailable: No server answers there, or it does not let us in.
        """
        async with self._opening:
            if self._client is not None:
                return
            # Loaded here, since the package pulls in 20 MB that a worker never needs.
            connect = importlib.import_module("clickhouse_connect").get_async_client
            client = await self._run(lambda: connect(**self._options), lambda text: StoreUnavailable(_away(text)))
            try:
                await self._make_database(client)
                await self._check_layout(client)
            except BaseException:
                await client.close()
                raise
            client.database = self.database
            self._client = client

    async def close(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def command(self, sql: str) -> None:
        """Run a statement that changes something; on a cluster, on all of its nodes."""
        client = await self._connected()
        for statement in [sql] if self._cluster is None else self._cluster.statements(sql):
            await self._told(client, statement)

    async def query(
        self, sql: str, *, fmt: str = "JSON", params: Mapping[str, str] | None = None, guest: bool = False
    ) -> bytes:
        """Read; see ``TraceDriver.query``."""
        client = await self._connected()
        settings = {**(GUEST_SETTINGS if guest else READ_SETTINGS), **self._reading}
        bound = dict(params) if params else None
        return await self._run(
            lambda: client.raw_query(sql, parameters=bound, settings=settings, fmt=fmt),
            lambda text: query_failure(text, guest=guest),
        )

    async def insert_lines(self, table: str, data: bytes, token: str) -> None:
        """Insert lines of JSON, once a token; see ``TraceDriver.insert_lines``."""
        client = await self._connected()
        settings = {**self._inserting, "insert_deduplication_token": checked_token(token)}
        await self._run(
            lambda: client.raw_insert(table, insert_block=data, settings=settings, fmt="JSONEachRow"), insert_failure
        )

    async def _make_database(self, client: Any) -> None:
        cluster = self._cluster
        if cluster is not None and not await self._number(client, _KNOWN, name=cluster.name):
            raise Misconfigured(f"The trace store's servers know no cluster '{cluster.name}'.")
        if self._gathered and not await self._number(client, _GATHERS):
            raise Misconfigured("The trace store is too old to gather inserts and still count each once.")
        # Asked first: an account may well use a database that it may not create.
        if not await self._number(client, f"EXISTS DATABASE {self.database}"):
            create = f"CREATE DATABASE IF NOT EXISTS {self.database}"
            await self._told(client, create if cluster is None else cluster.create_database(), use_database=False)

    async def _check_layout(self, client: Any) -> None:
        """A store is laid out once: what was made for one server is no cluster's, and the other way round."""
        there = await self._number(client, _TABLES, database=self.database)
        if there and bool(await self._number(client, _FRONTS, database=self.database)) != (self._cluster is not None):
            laid_out = "is that of one server" if self._cluster is not None else "is spread over a cluster"
            raise Misconfigured(f"The trace store's database {laid_out}; stores.cluster says otherwise.")

    async def _number(self, client: Any, sql: str, **bound: str) -> int:
        return int(
            await self._run(
                lambda: client.command(sql, parameters=bound or None, use_database=False),
                lambda text: StoreUnavailable(_away(text)),
            )
        )

    async def _told(self, client: Any, sql: str, *, use_database: bool = True) -> Any:
        settings = dict(self._commanding)
        return await self._run(lambda: client.command(sql, settings=settings, use_database=use_database), query_failure)

    async def _connected(self) -> Any:
        if self._client is None:
            await self.open()
        return self._client

    async def _run(self, work: Callable[[], Awaitable[_T]], failure: Callable[[str], GatewayFault]) -> _T:
        errors = importlib.import_module("clickhouse_connect.driver.exceptions")
        try:
            return await work()
        except errors.OperationalError as error:
            raise StoreUnavailable(_away(str(error))) from None
        except errors.ClickHouseError as error:
            raise failure(str(error)) from None
        except OSError:
            raise StoreUnavailable("The trace store cannot be reached.") from None


def _settings(*, clustered: bool, gathered: bool) -> tuple[dict[str, int | str], ...]:
    """Settings of inserts, and what is added to those of queries and of statements that change something."""
    inserting = {**INSERT_SETTINGS, **(ASYNC_INSERT_SETTINGS if gathered else {})}
    if not clustered:
        return inserting, {}, {}
    return {**inserting, **CLUSTER_INSERT_SETTINGS}, CLUSTER_READ_SETTINGS, CLUSTER_COMMAND_SETTINGS


def _away(text: str) -> str:
    said = query_failure(text)
    return str(said) if isinstance(said, StoreUnavailable) else "The trace store cannot be reached."
