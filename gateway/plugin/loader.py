"""Finds plugins by the names in ``weighbridge.yaml``: entry points first, then modules. Every problem has a name.

An entry point of the group ``weighbridge.plugins`` may lead to a :class:`Plugin` or to a module that has one as
``PLUGIN``. Code of a plugin runs in this process and with its rights; that a name stands in the configuration is the
operator's word for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from types import ModuleType
from typing import Any

import msgspec

from gateway.core.errors import Misconfigured
from gateway.core.verdict import DetectorSpec
from gateway.plugin.guard import Detector
from gateway.plugin.registration import API_VERSION, PREFIX, DetectorKind, Plugin
from gateway.plugin.runner import DetectorFailed, attempt

GROUP = "weighbridge.plugins"
_KIND = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_PLACE = re.compile(r" - at `\$\.?(?P<place>[^`]*)`\Z")
_VALUE = re.compile(r"(?<=enum value )\S+")


class Plugins:
    """The plugins of one configuration.

    Attributes:
        kinds: The kinds of detectors they bring, by what a policy calls them.
        problems: What is wrong with plugins that could not be loaded.
    """

    def __init__(self, plugins: Iterable[Plugin] = (), problems: Iterable[str] = ()) -> None:
        self.kinds: dict[str, DetectorKind] = {}
        told = list(problems)
        for plugin in plugins:
            for kind in plugin.detectors:
                if not _KIND.fullmatch(kind.name):
                    told.append(f"{plugin.name}: a kind of detector has a name that no policy could say")
                elif PREFIX + kind.name in self.kinds:
                    told.append(f"{plugin.name}: another plugin brings detectors of the kind '{kind.name}' already")
                else:
                    self.kinds[PREFIX + kind.name] = kind
        self.problems = tuple(told)

    def fault(self, spec: DetectorSpec, suggest: Callable[[str, Iterable[str]], str]) -> str:
        """Say what is wrong with the options of a plugin's detector; empty for nothing.

        Args:
            spec: The detector.
            suggest: Returns a hint for a word of which others are known.
        """
        kind = self.kinds.get(spec.use)
        if kind is None:
            return ""
        known = [field.encode_name for field in msgspec.structs.fields(kind.options)]
        for key in spec.options:
            if key not in known:
                return f"{key}: unknown key{suggest(key, known)}"
        try:
            msgspec.convert(spec.options, kind.options)
        except msgspec.ValidationError as error:
            return _told(str(error))
        return ""

    def builders(self) -> Mapping[str, Callable[[DetectorSpec], Detector]]:
        """Return what makes detectors, by what a policy calls them."""
        return {use: _builder(kind) for use, kind in self.kinds.items()}


def load_plugins(names: Iterable[str]) -> Plugins:
    """Load plugins.

    Args:
        names: As they stand in the configuration.
    """
    plugins: list[Plugin] = []
    problems: list[str] = []
    for name in names:
        try:
            plugins.append(_load(name))
        except Misconfigured as fault:
            problems.append(f"{name}: {fault.public_message}")
    return Plugins(plugins, problems)


def _load(name: str) -> Plugin:
    try:
        found = attempt(lambda: _find(name))
    except DetectorFailed as failed:
        raise Misconfigured(f"cannot be imported ({failed.reason})") from None
    except ValueError:
        raise Misconfigured("cannot be imported (ValueError)") from None
    plugin = getattr(found, "PLUGIN", None) if isinstance(found, ModuleType) else found
    if not isinstance(plugin, Plugin):
        raise Misconfigured("is no plugin: it has no PLUGIN that is a gateway.plugin.Plugin")
    if plugin.api != API_VERSION:
        raise Misconfigured(f"was made for version {plugin.api} of the plugin interface; this is version {API_VERSION}")
    return plugin


def _find(name: str) -> Any:
    # Loaded with the first plugin: it takes as long to import as all of this room.
    for entry in import_module("importlib.metadata").entry_points(group=GROUP, name=name):
        return entry.load()
    try:
        return import_module(name)
    except ModuleNotFoundError as missing:
        if missing.name != name:
            raise
        raise Misconfigured("there is neither an entry point nor a module of this name") from None


def _builder(kind: DetectorKind) -> Callable[[DetectorSpec], Detector]:
    def build(spec: DetectorSpec) -> Detector:
        options = msgspec.convert(spec.options, kind.options)
        try:
            return attempt(lambda: kind.build(spec.name, options))
        except ValueError as refusal:
            raise Misconfigured(f"Detector '{spec.name}': {refusal}") from None
        except DetectorFailed as failed:
            raise Misconfigured(f"Detector '{spec.name}': {spec.use} broke down ({failed.reason}).") from None

    return build


def _told(message: str) -> str:
    """Say what msgspec found in the words of our other messages, without values."""
    place = _PLACE.search(message)
    text = _VALUE.sub("", _PLACE.sub("", message)).strip()
    text = f"{text[:1].lower()}{text[1:]}"
    return f"{place['place']}: {text}" if place else text
