"""ClickHouse's HTTP interface in front of the embedded engine, for the official client to speak to.

The engine is the real one, the server is not: what is shown is that statements, parameters, settings, tokens and errors
travel as they must. It can be told to fail the ways a network does.
"""

from __future__ import annotations

import asyncio
import base64
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from aiohttp import web
from chdb.session import Session

from tests.support.engine import engine_dir

_FORMAT = re.compile(r"\sFORMAT\s+(\w+)\s*;?\s*$", re.IGNORECASE)
# An insert that brings no data of its own.
_COPY = re.compile(rb"INSERT INTO \w+\s+\([^()]*\)[\w\s=]+SELECT\s", re.IGNORECASE)
# So that nothing waits for a test that has failed.
_LONGEST_HOLD_S = 50
_TRANSPORT = {
    "query",
    "database",
    "default_format",
    "query_id",
    "session_id",
    "wait_end_of_query",
    "enable_http_compression",
    "send_progress_in_http_headers",
    "http_headers_progress_interval_ms",
    "client_protocol_version",
    "compress",
    "decompress",
    "cancel_http_readonly_queries_on_client_close",
    "quota_key",
    "role",
    "buffer_size",
}


class ClickHouseShim:
    """A server in a thread.

    Attributes:
        failing: ``""``; ``before`` cuts the connection of an insert before it is done, ``after`` once it is done.
        inserts: Tokens of the inserts that arrived, refused ones included.
        held: How many inserts wait to be let go on.
    """

    def __init__(self, user: str = "default", password: str = "") -> None:
        self.failing = ""
        self.inserts: list[str] = []
        self.port = 0
        self.held = 0
        self._open = threading.Event()
        self._open.set()
        self.let_in(user, password)
        self._engine = ThreadPoolExecutor(1)
        # Holds the engine open, so that a session a request does not start it anew.
        self._keeper = self._engine.submit(lambda: Session(str(engine_dir()))).result()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._runner: web.AppRunner | None = None

    def url(self, database: str, *, user: str = "", password: str = "") -> str:
        sign_in = f"{user}:{password}@" if user else ""
        return f"clickhouse://{sign_in}127.0.0.1:{self.port}/{database}"

    def let_in(self, user: str, password: str) -> None:
        """Let this user in, and nobody else."""
        self._credentials = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()

    @contextmanager
    def holding(self):
        """Be slow: inserts that arrive meanwhile are done afterwards."""
        self._open.clear()
        try:
            yield
        finally:
            self._open.set()

    def start(self) -> None:
        """Listen; on the port of the last time, if there was one."""
        self._call(self._start())

    def stop(self) -> None:
        """Stop listening and cut every connection; a refused port from now on."""
        self._call(self._stop())

    def close(self) -> None:
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._engine.submit(self._keeper.close).result()
        self._engine.shutdown()

    def _call(self, work):
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    async def _start(self) -> None:
        app = web.Application(client_max_size=1 << 30)
        app.router.add_route("*", "/", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def _stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != self._credentials:
            return _error(516, "Code: 516. DB::Exception: Authentication failed. (AUTHENTICATION_FAILED)", 403)
        body = await request.read()
        sql = request.query.get("query", "")
        if not sql and body[:6].upper() == b"INSERT" and not _COPY.match(body):
            head, _, body = body.partition(b"\n")
            sql = head.decode()
        elif not sql:
            sql, body = body.decode(), b""
        inserting = bool(body) and sql[:6].upper() == "INSERT"
        if inserting:
            self.inserts.append(request.query.get("insert_deduplication_token", ""))
        if inserting and self.failing == "before":
            return _cut(request)
        if inserting and not self._open.is_set():
            self.held += 1
            await asyncio.to_thread(self._open.wait, _LONGEST_HOLD_S)
            self.held -= 1
        work = asyncio.get_running_loop().run_in_executor(self._engine, self._run, sql, body, dict(request.query))
        try:
            data, fmt = await work
        except RuntimeError as error:
            text = str(error)
            code = re.search(r"Code: (\d+)", text)
            return _error(int(code[1]) if code else 1002, text, 500)
        if inserting and self.failing == "after":
            return _cut(request)
        return web.Response(
            body=data,
            headers={"X-ClickHouse-Format": fmt, "X-ClickHouse-Timezone": "UTC", "X-ClickHouse-Summary": "{}"},
        )

    def _run(self, sql: str, body: bytes, query: dict[str, str]) -> tuple[bytes, str]:
        fmt = query.get("default_format", "TabSeparated")
        if match := _FORMAT.search(sql):
            sql, fmt = sql[: match.start()], match[1]
        with _session(query) as session:
            if body:
                with session.send_insert(sql, fmt) as stream:
                    stream.append(body)
                    stream.finish()
                return b"", fmt
            params = {name[6:]: value for name, value in query.items() if name.startswith("param_")}
            return session.query(sql, fmt, params=params).bytes() or b"", fmt


@contextmanager
def _session(query: dict[str, str]):
    session = Session(str(engine_dir()))
    try:
        if "database" in query:
            session.query(f"USE {query['database']}")
        settings = [name for name in query if name not in _TRANSPORT and not name.startswith("param_")]
        for name in sorted(settings, key=lambda name: name == "readonly"):
            session.query(f"SET {name} = '{query[name]}'")
        yield session
    finally:
        session.close()


def _error(code: int, text: str, status: int) -> web.Response:
    return web.Response(status=status, text=text, headers={"X-ClickHouse-Exception-Code": str(code)})


def _cut(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()
