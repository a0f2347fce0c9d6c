"""Who accepts a worker's connections: the listener, or who finds out first what they are for."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, cast

from gateway.app.build import Shared
from gateway.config.settings import Settings
from gateway.listener.server import ListenerOptions, Server
from gateway.pipeline import Pipeline

if TYPE_CHECKING:
    from gateway.listener.gatehouse import Gatehouse


def front_of(
    server: Server, present: Callable[[], tuple[Settings, Pipeline]], shared: Shared, options: ListenerOptions
) -> Server | Gatehouse:
    """Give it; what standing in for other hosts takes is loaded where it is asked for."""
    intercept = present()[0].intercept
    if intercept is None:
        return server
    made = import_module("gateway.app.intercepting").gatehouse
    return cast("Gatehouse", made(server, intercept, present, shared, options))
