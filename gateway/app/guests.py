"""Calls of programs that mean another host: the same rooms, but each goes where it was meant to go."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from gateway.app.build import candidate_of, deployment_of
from gateway.clients.clock import Clock
from gateway.config.settings import ModelEntry, ProviderEntry, Settings
from gateway.core.errors import GatewayError, RouteNotFound
from gateway.core.exchange import Incoming
from gateway.core.model_hosts import ModelHost, Mount, our_path
from gateway.core.ports import Reply
from gateway.course import Known
from gateway.pipeline import Pipeline
from gateway.routing.table import RouteEntry, Router

_VERSION = "api-version="
# Versions of Azure's API that one host's clients speak at a time; they choose them.
MAX_PIPELINES = 8
_PATH = "path"


# What is in force now; a reload brings another.
Present = tuple[Settings, Pipeline]


class Guest:
    """Serves the calls that are meant for one host.

    Args:
        host: Its name as clients have it.
        at: What it is by our list.
        present: Gives what is in force.
        clock: For templates of models.
    """

    def __init__(self, host: str, at: ModelHost, present: Callable[[], Present], clock: Clock) -> None:
        self.at = at
        self._host = host
        self._present = present
        self._clock = clock
        self._of: Present | None = None
        self._pipelines: dict[tuple[Mount, str], Pipeline] = {}

    async def handle(self, incoming: Incoming, reply: Reply) -> None:
        """Answer one request, as the host would be asked it."""
        pipeline, ours = self._place(incoming)
        if ours.fault is None and self._is_closed(pipeline):
            ours.fault = RouteNotFound(f"No provider of the configuration is at {self._host}.")
        await pipeline.handle(ours, reply)

    def refuse(self, incoming: Incoming, reply: Reply, error: GatewayError) -> None:
        """Answer with an error and record it."""
        pipeline, ours = self._place(incoming)
        pipeline.refuse(ours, reply, error)

    def _place(self, incoming: Incoming) -> tuple[Pipeline, Incoming]:
        mount = self.at.mount(incoming.path)
        memo = incoming.memo
        path = memo.get(_PATH)
        if path is None:
            path = memo[_PATH] = our_path(self.at, mount, incoming.path)
        ours = msgspec.structs.replace(incoming, path=path)
        version = version_of(incoming.query) if mount.kind == "azure" else ""
        return self._pipeline(mount, version), ours

    def _is_closed(self, pipeline: Pipeline) -> bool:
        """Callers are asked who they are: then only providers of the configuration are asked for them."""
        return not self.at.configured and bool(self._now()[0].modes)

    def _now(self) -> Present:
        now, of = self._present(), self._of
        if of is None or of[0] is not now[0] or of[1] is not now[1]:
            self._of = now
            self._pipelines.clear()
        return now

    def _pipeline(self, mount: Mount, version: str) -> Pipeline:
        settings, pipeline = self._now()
        made = self._pipelines.get((mount, version))
        if made is None:
            while len(self._pipelines) >= MAX_PIPELINES:
                del self._pipelines[next(iter(self._pipelines))]
            entry = self._entry(settings, mount, version)
            made = self._pipelines[mount, version] = led_to(pipeline, entry, self._root(), self._clock)
        return made

    def _entry(self, settings: Settings, mount: Mount, version: str) -> ProviderEntry:
        known = settings.providers.get(self.at.name) if self.at.configured else None
        if known is not None:
            # A credential of ours goes where one is configured; else the client's own goes on.
            ours = known.api_key or known.credentials or known.account or known.entra
            return known if ours else msgspec.structs.replace(known, passes_credential=not settings.modes)
        base = mount.base
        if mount.kind == "azure" and not version:
            base = f"{base}/v1"
        return ProviderEntry(
            name=self.at.name,
            kind=mount.kind,
            base_url=self._root() + base,
            passes_credential=True,
            api_version=version,
        )

    def _root(self) -> str:
        at = self.at
        scheme, usual = ("https", 443) if at.tls else ("http", 80)
        shown = f"[{self._host}]" if ":" in self._host else self._host
        return f"{scheme}://{shown}" if at.port == usual else f"{scheme}://{shown}:{at.port}"


def version_of(query: str) -> str:
    """Give the version of Azure's API that a query asks for; empty where it asks for none."""
    found = next((part for part in query.split("&") if part.startswith(_VERSION)), "")
    return found.removeprefix(_VERSION)[:64]


def led_to(pipeline: Pipeline, entry: ProviderEntry, root: str, clock: Clock) -> Pipeline:
    """Give the rooms with one way out."""
    deployment = deployment_of(entry, clock)
    passing = msgspec.structs.replace(deployment, base_url=root, model="", api_version="")
    every = candidate_of(ModelEntry(alias="*", provider=entry.name), deployment)
    courses = msgspec.structs.replace(
        pipeline.courses,
        router=Router((RouteEntry(alias="*", deployment=every),), {entry.name: passing}),
        provider_of={},
        # What is kept at a provider has the name that the provider gave it.
        seals=None,
        ways=None,
        known=Known(),
    )
    return msgspec.structs.replace(pipeline, courses=courses, mirrors=None)
