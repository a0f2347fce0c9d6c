"""From checked settings to running processes: binds sockets, prepares the children, hands them to the supervisor."""

from __future__ import annotations

import socket
from collections.abc import Callable
from functools import partial
from importlib import import_module

from gateway.app.alone import Alone
from gateway.app.answer_stores import load_driver
from gateway.app.policies import PolicyFault, load_policies
from gateway.app.shut_in import shut_in
from gateway.app.supervisor import Child, Supervisor, listening_sockets
from gateway.app.warming import read_words
from gateway.app.worker import WorkerOptions, run_worker
from gateway.clients.chdb import NO_ENGINE, has_engine
from gateway.config.addresses import Address
from gateway.config.load import LoadResult
from gateway.config.settings import ChdbStore, Intercept, Settings
from gateway.core.errors import Misconfigured
from gateway.listener.door import MODULE as COLD_SIDE

# Loaded where there is an operator.
_OPERATING = "gateway.app.operating"


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
        if settings.intercept is not None:
            _check_authority(settings.intercept)
        self.notices = result.notices
        self._settings = settings
        self._files = (*policies.paths, *((settings.file,) if settings.file else ()))
        self._held: list[socket.socket] = []
        try:
            rpc_address = self._reserve(settings.listen.grpc)
            ext_proc_address = self._reserve(settings.listen.ext_proc)
            self._sockets = self._bind(settings)
        except LaunchFault:
            for held in self._held:
                held.close()
            raise
        self._workers = [
            Child(
                f"worker {index}",
                partial(
                    run_worker,
                    WorkerOptions(
                        index=index,
                        settings=settings,
                        policies=policies,
                        reload=load,
                        sockets=[s],
                        rpc_address=rpc_address,
                        ext_proc_address=ext_proc_address,
                    ),
                ),
                sockets=[s],
            )
            for index, s in enumerate(self._sockets)
        ]
        self._operator: Child | None = None
        if settings.workers > 1:
            # One worker loads it when it is ready; several share what is loaded here.
            import_module(COLD_SIDE)
            load_driver(settings)
        read_words(settings)
        if settings.operator is not None:
            self._operator = import_module(_OPERATING).operator_child(settings, settings.operator, load)

    def run(self, on_ready: Callable[[], None], *, alone: bool = False) -> int:
        """Run until told to stop; returns the exit code.

        Args:
            on_ready: Called once, when all that runs is ready.
            alone: The one worker runs in this very process.

        Raises:
            LaunchFault: It cannot be alone, since there is something else to run.
        """
        if alone and (self._operator is not None or len(self._workers) > 1):
            self._let_go()
            raise LaunchFault(["--no-supervisor runs one worker and no operator plane: --workers 1 --no-operator"])
        shut_in(self._files)
        if alone:
            return Alone(self._workers[0], on_ready).run()
        ending_s = self._settings.drain_delay_s + self._settings.drain_timeout_s
        return Supervisor(self._workers, self._operator, ending_s, on_ready).run()

    def _let_go(self) -> None:
        for each in (*self._sockets, *self._held):
            each.close()

    def greeting(self) -> str:
        """What to tell the person who has started it, once it is ready."""
        settings = self._settings
        host, port = self._sockets[0].getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        scheme = "https" if settings.listen.tls else "http"
        base = f"{scheme}://{shown}:{port}/v1"
        lines = [base]
        if settings.operator is not None:
            lines.append(f"http://{import_module(_OPERATING).operator_address(settings, settings.operator)}")
        model = "gpt-4o-mini" if settings.transparent else "sim/echo"
        key = ' -H "Authorization: Bearer $OPENAI_API_KEY"' if settings.transparent else ""
        if "keys" in settings.modes:
            key = ' -H "Authorization: Bearer $WEIGHBRIDGE_KEY"'
        data = f'{{"model":"{model}","messages":[{{"role":"user","content":"hello"}}]}}'
        lines.append(f"curl {base}/chat/completions{key} -H \"Content-Type: application/json\" -d '{data}'")
        return "\n".join(lines) + "\n"

    def _reserve(self, address: Address | None) -> str:
        """Hold an address for gRPC, on which the workers' own servers listen together: none is given a socket."""
        if address is None:
            return ""
        family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        held = socket.socket(family, socket.SOCK_STREAM)
        try:
            # Alone first: one that others share already is taken.
            with socket.socket(family, socket.SOCK_STREAM) as alone:
                alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                alone.bind((address.host, address.port))
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            held.bind((address.host, address.port))
        except OSError as error:
            held.close()
            raise LaunchFault([f"cannot listen on {address}: {error.strerror}"]) from error
        self._held.append(held)
        return str(Address(*held.getsockname()[:2]))

    def _bind(self, settings: Settings) -> list[socket.socket]:
        address = settings.listen.address
        try:
            return listening_sockets(address.host, address.port, settings.workers)
        except OSError as error:
            raise LaunchFault([f"cannot listen on {address}: {error.strerror}"]) from error


def _check_authority(intercept: Intercept) -> None:
    try:
        import_module("gateway.app.intercepting").load_authority(intercept)
    except Misconfigured as error:
        raise LaunchFault([f"--intercept: {error.public_message}"]) from error
