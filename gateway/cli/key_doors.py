"""Two ways to the virtual keys: through the operator that runs, or straight to where they are kept when none does."""

from __future__ import annotations

import asyncio
import os
import pwd
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from importlib import import_module
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Protocol, TypeVar
from urllib.parse import quote, urlsplit

import orjson

from gateway.cli.operator_client import DEFAULT_ADDRESS, OperatorClient, Unreachable

T = TypeVar("T")
Document = Mapping[str, Any]
_HOME_VARIABLE, _ADDRESS_VARIABLE = "WEIGHBRIDGE_HOME", "WEIGHBRIDGE_OPERATOR"
_DEFAULT_HOME = ".weighbridge"


class NotChecked(Exception):
    """The configuration, which says where the keys are, does not check.

    Args:
        problems: Why, one line each.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Door(Protocol):
    """What can be done with keys; everything is as the operator plane answers it."""

    def list(self) -> list[dict[str, Any]]:
        """Show all."""
        ...

    def show(self, name: str) -> dict[str, Any]:
        """Show one."""
        ...

    def create(self, document: Document) -> dict[str, Any]:
        """Make one."""
        ...

    def update(self, name: str, document: Document) -> dict[str, Any]:
        """Change one."""
        ...

    def rotate(self, name: str, document: Document) -> dict[str, Any]:
        """Give one another secret."""
        ...

    def revoke(self, name: str) -> dict[str, Any]:
        """End one."""
        ...


class AtOperator:
    """Asks the operator.

    Args:
        client: Speaks to it.
    """

    def __init__(self, client: OperatorClient) -> None:
        self._client = client

    def list(self) -> list[dict[str, Any]]:
        """Show all."""
        return self._client.get("/api/keys")["keys"]

    def show(self, name: str) -> dict[str, Any]:
        """Show one."""
        return self._client.get(_path(name))

    def create(self, document: Document) -> dict[str, Any]:
        """Make one."""
        return self._client.post("/api/keys", document)

    def update(self, name: str, document: Document) -> dict[str, Any]:
        """Change one."""
        with self._client.open("PATCH", _path(name), document=document) as answer:
            return answer.document()

    def rotate(self, name: str, document: Document) -> dict[str, Any]:
        """Give one another secret."""
        return self._client.post(_path(name, "/rotate"), document)

    def revoke(self, name: str) -> dict[str, Any]:
        """End one."""
        return self._client.post(_path(name, "/revoke"), {})


class AtHome:
    """Does the work itself, as the operator would: with the same store, and written down in the same place.

    Args:
        config: The configuration's file, if somebody has named one.

    Raises:
        NotChecked: The configuration does not check.
    """

    def __init__(self, config: str | None) -> None:
        load = import_module("gateway.config.load").load_settings
        options = import_module("gateway.config.environment").Options(config=config)
        result = load(options, os.environ, Path.cwd())
        if result.settings is None:
            raise NotChecked([str(problem) for problem in result.problems])
        self._settings = result.settings
        self._actor = import_module("gateway.operator.audit").Actor(who=f"cli:{_user()}", role="home")

    def list(self) -> list[dict[str, Any]]:
        """Show all."""
        return self._do(lambda admin: admin.list())

    def show(self, name: str) -> dict[str, Any]:
        """Show one."""
        return self._do(lambda admin: admin.show(name))

    def create(self, document: Document) -> dict[str, Any]:
        """Make one."""
        return self._do(lambda admin: admin.create(self._actor, document))

    def update(self, name: str, document: Document) -> dict[str, Any]:
        """Change one."""
        return self._do(lambda admin: admin.update(self._actor, name, document))

    def rotate(self, name: str, document: Document) -> dict[str, Any]:
        """Give one another secret."""
        return self._do(lambda admin: admin.rotate(self._actor, name, document))

    def revoke(self, name: str) -> dict[str, Any]:
        """End one."""
        return self._do(lambda admin: admin.revoke(self._actor, name))

    def _do(self, work: Callable[[Any], Awaitable[T]]) -> T:
        return asyncio.run(self._working(work))

    async def _working(self, work: Callable[[Any], Awaitable[T]]) -> T:
        settings, clock = self._settings, import_module("gateway.clients.clock").SystemClock()
        admin = import_module("gateway.operator.keys").KeyAdmin(
            import_module("gateway.app.key_stores").key_store(settings),
            import_module("gateway.operator.audit").AuditLog(settings.home, clock),
            partial(import_module("gateway.app.declared").granted, settings.keys),
            clock,
            budgets=not settings.counted_apart,
        )
        try:
            return await work(admin)
        finally:
            await admin.close()


def through(door: str | None, config: str | None, work: Callable[[Door], T]) -> T:
    """Do something with keys.

    Args:
        door: The operator's address, if somebody has named one: then nobody else is asked.
        config: The configuration's file, likewise.
        work: What to do. When no operator answers at any of the places where one may be, it is done here.

    Raises:
        Unreachable: The operator that was named does not answer.
        NotChecked: The configuration does not check.
    """
    token = os.environ.get("WEIGHBRIDGE_OPERATOR_TOKEN")
    if door is not None:
        return work(AtOperator(OperatorClient(door, token)))
    named = os.environ.get(_ADDRESS_VARIABLE)
    try:
        return work(AtOperator(OperatorClient(named or left_address() or DEFAULT_ADDRESS, token)))
    except Unreachable as away:
        # What was asked for is not done twice: nobody was there to be asked. Elsewhere is no home of ours.
        if not away.nobody or (named and not _is_here(named)):
            raise
    return work(AtHome(config))


def left_address() -> str:
    """Where the operator of this home has said that it is; empty when it has not."""
    try:
        home = Path(os.environ.get(_HOME_VARIABLE) or _DEFAULT_HOME)
        said = orjson.loads((home / "run" / "operator.json").read_bytes())
        host = ip_address(said["host"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    shown = "127.0.0.1" if host.is_unspecified else f"[{host}]" if host.version == 6 else str(host)
    return f"{shown}:{said['port']}"


def _is_here(address: str) -> bool:
    host = urlsplit(address if "://" in address else f"//{address}").hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _path(name: str, rest: str = "") -> str:
    return f"/api/keys/{quote(name, safe='')}{rest}"


def _user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
