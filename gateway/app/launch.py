"""From checked settings to running processes: binds sockets, prepares the children, hands them to the supervisor."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from functools import partial
from urllib.parse import quote

import orjson
import uvloop

from gateway.app.policies import PolicyFault, load_policies
from gateway.app.supervisor import Child, Supervisor, listening_sockets
from gateway.app.worker import WorkerOptions, run_worker
from gateway.clients.chdb import NO_ENGINE, has_engine
from gateway.config.addresses import Address
from gateway.config.load import LoadResult
from gateway.config.settings import ChdbStore, ClickHouseStore, Operator, Settings
from gateway.core.errors import Misconfigured
from gateway.operator.process import ADDRESS_FILE, OperatorOptions, run_operator

log = logging.getLogger("weighbridge.launch")


class LaunchFault(Exception):
    """Nothing was started.

    Args:
        problems: Why, one line each.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Launch:
    """Checks everything there is to check, then runs.

    Args:
        load: Loads the configuration; used again on every reload.

    Raises:
        LaunchFault: With every problem of configuration and policies at once, or an address that is taken.
    """

    def __init__(self, load: Callable[[], LoadResult]) -> None:
        result = load()
        problems = [str(problem) for problem in result.problems]
        try:
            policies = load_policies(result.policies, result.settings, result.plugins)
        except PolicyFault as fault:
            raise LaunchFault([*problems, *(str(problem) for problem in fault.problems)]) from fault
        settings = result.settings
        if settings is None:
            raise LaunchFault(problems)
        if settings.operator is not None and isinstance(settings.traces, ChdbStore) and not has_engine():
            raise LaunchFault([NO_ENGINE])
        self.notices = result.notices
        self._settings = settings
        self._sockets = self._bind(settings)
        self._workers = [
            Child(
                f"worker {index}",
                partial(
                    run_worker,
                    WorkerOptions(index=index, settings=settings, policies=policies, reload=load, sockets=[s]),
                ),
                sockets=[s],
            )
            for index, s in enumerate(self._sockets)
        ]
        self._operator = None
        if settings.operator is not None:
            (settings.home / "run").mkdir(parents=True, exist_ok=True, mode=0o700)
            self._operator = Child("operator", partial(_run_operator, _operator_options(settings, settings.operator)))

    def run(self, on_ready: Callable[[], None]) -> int:
        """Run until told to stop; returns the exit code."""
        return Supervisor(self._workers, self._operator, self._settings.drain_timeout_s, on_ready).run()

    def greeting(self) -> str:
        """What to tell the person who has started it, once it is ready."""
        settings = self._settings
        host, port = self._sockets[0].getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        scheme = "https" if settings.listen.tls else "http"
        base = f"{scheme}://{shown}:{port}/v1"
        lines = [base]
        if settings.operator is not None:
            lines.append(f"http://{self._operator_address(settings.operator)}")
        model = "gpt-4o-mini" if settings.transparent else "sim/echo"
        key = ' -H "Authorization: Bearer $OPENAI_API_KEY"' if settings.transparent else ""
        data = f'{{"model":"{model}","messages":[{{"role":"user","content":"hello"}}]}}'
        lines.append(f"curl {base}/chat/completions{key} -H \"Content-Type: application/json\" -d '{data}'")
        return "\n".join(lines) + "\n"

    def _operator_address(self, operator: Operator) -> Address:
        if operator.address.port:
            return operator.address
        # The system chose the port; the operator has left word of it.
        said = orjson.loads((self._settings.home / "run" / ADDRESS_FILE).read_bytes())
        return Address(operator.address.host, said["port"])

    def _bind(self, settings: Settings) -> list[socket.socket]:
        address = settings.listen.address
        try:
            return listening_sockets(address.host, address.port, settings.workers)
        except OSError as error:
            raise LaunchFault([f"cannot listen on {address}: {error.strerror}"]) from error


def _run_operator(options: OperatorOptions, lifeline_fd: int, ready_fd: int) -> int:
    try:
        uvloop.run(run_operator(options, lifeline_fd=lifeline_fd, ready_fd=ready_fd))
    except Misconfigured as error:
        log.error("operator: %s", error.public_message)
        return 1
    return 0


def _operator_options(settings: Settings, operator: Operator) -> OperatorOptions:
    return OperatorOptions(
        host=operator.address.host,
        port=operator.address.port,
        token=operator.token.reveal() if operator.token is not None else None,
        traces_url=_traces_url(settings.traces),
        spool_dir=settings.spool.dir,
        run_dir=settings.home / "run",
        bodies_ttl_s=int(settings.capture.ttl_s),
    )


def _traces_url(store: ChdbStore | ClickHouseStore) -> str:
    if isinstance(store, ChdbStore):
        return f"chdb://{store.path}"
    password = f":{quote(store.password.reveal(), safe='')}" if store.password is not None else ""
    return f"clickhouse://{quote(store.user, safe='')}{password}@{store.address}/{store.database}"
