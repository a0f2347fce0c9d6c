"""A ClickHouse server over HTTP, through the official client in its asynchronous form."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from gateway.clients.clickhouse_rules import (
    GUEST_SETTINGS,
    INSERT_SETTINGS,
    READ_SETTINGS,
    checked_token,
    insert_failure,
    query_failure,
)
from gateway.core.errors import GatewayFault, Misconfigured, StoreUnavailable

_T = TypeVar("_T")
_SCHEMES = {"clickhouse": ("http", 8123), "clickhouses": ("https", 8443)}


class ClickHouseClient:
    """Implements ``plugin.traces.TraceDriver`` on a server.

    Args:
        url: ``clickhouse://user:password@host:8123/database``, ``clickhouses://`` for TLS. User and password are
            percent-encoded; the database is ``weighbridge`` when none is named.
        connect_timeout_s: To make a connection.
        answer_timeout_s: Silence of the server in the middle of a statement.

    Raises:
        Misconfigured: The URL is none of these.
    """

    def __init__(self, url: str, *, connect_timeout_s: float = 5.0, answer_timeout_s: float = 60.0) -> None:
        parts = urlsplit(url)
        if parts.scheme not in _SCHEMES or not parts.hostname:
            raise Misconfigured("A trace store is clickhouse://user:password@host:8123/database.")
        interface, default_port = _SCHEMES[parts.scheme]
        self.database = parts.path.strip("/") or "weighbridge"
        if not self.database.isidentifier():
            raise Misconfigured("The database in the trace store's URL is no plain name.")
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
                # Asked first: an account may well use a database that it may not create.
                exists = f"EXISTS DATABASE {self.database}"
                if not int(await self._run(lambda: client.command(exists, use_database=False), query_failure)):
                    create = f"CREATE DATABASE IF NOT EXISTS {self.database}"
                    await self._run(lambda: client.command(create, use_database=False), query_failure)
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
        """Run a statement that changes something."""
        client = await self._connected()
        await self._run(lambda: client.command(sql), query_failure)

    async def query(
        self, sql: str, *, fmt: str = "JSON", params: Mapping[str, str] | None = None, guest: bool = False
    ) -> bytes:
        """Read; see ``TraceDriver.query``."""
        client = await self._connected()
        settings = dict(GUEST_SETTINGS if guest else READ_SETTINGS)
        bound = dict(params) if params else None
        return await self._run(
            lambda: client.raw_query(sql, parameters=bound, settings=settings, fmt=fmt),
            lambda text: query_failure(text, guest=guest),
        )

    async def insert_lines(self, table: str, data: bytes, token: str) -> None:
        """Insert lines of JSON, once a token; see ``TraceDriver.insert_lines``."""
        client = await self._connected()
        settings = {**INSERT_SETTINGS, "insert_deduplication_token": checked_token(token)}
        await self._run(
            lambda: client.raw_insert(table, insert_block=data, settings=settings, fmt="JSONEachRow"), insert_failure
        )

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


def _away(text: str) -> str:
    said = query_failure(text)
    return str(said) if isinstance(said, StoreUnavailable) else "The trace store cannot be reached."
