"""The seam to a trace store that speaks ClickHouse's SQL: the embedded engine and a server look the same through it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class TraceDriver(Protocol):
    """A connection to one database. ``clients.chdb`` and ``clients.clickhouse`` implement it.

    Every method raises ``StoreUnavailable`` when the store cannot be reached or cannot take anything now, and
    ``StoreRejected`` when it answered that this statement or this data will never do.

    Attributes:
        database: Where the tables are.
        shared: Other processes may have the same store open.
    """

    database: str
    shared: bool

    async def open(self) -> None:
        """Connect, and make the database when it is not there. May be called again after it failed."""
        ...

    async def close(self) -> None:
        """Let go of the store."""
        ...

    async def command(self, sql: str) -> None:
        """Run a statement that changes something and gives no rows."""
        ...

    async def query(
        self, sql: str, *, fmt: str = "JSON", params: Mapping[str, str] | None = None, guest: bool = False
    ) -> bytes:
        """Read.

        Args:
            sql: One statement without a ``FORMAT`` clause.
            fmt: Name of the output format. 64-bit integers are numbers in JSON.
            params: Values for ``{name:Type}`` in the statement, as plain text.
            guest: The statement was written by a user: nothing can be changed, time and memory are limited, and there
                are no more than the first rows.

        Returns:
            The rows in that format.
        """
        ...

    async def insert_lines(self, table: str, data: bytes, token: str) -> None:
        """Insert whole lines of JSON, once.

        Args:
            table: Where to.
            data: One JSON object a line. Unknown fields are skipped, missing ones take their default.
            token: Letters, digits and ``:._-``. Data sent again with the same token counts once everywhere, also in
                the views that hang on the table.
        """
        ...
