"""Plugins are found by name; what is wrong with one is said by name."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

import msgspec
import pytest
from weighbridge_tickets import PLUGIN as TICKETS
from weighbridge_tickets import TicketDetector

from gateway.core.errors import Misconfigured
from gateway.core.verdict import DetectorSpec
from gateway.plugin.loader import Plugins, load_plugins
from gateway.plugin.registration import DetectorKind, Plugin


def no_hint(word: str, known: Iterable[str]) -> str:
    return f"; known: {', '.join(sorted(known))}"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def spec(**options: object) -> DetectorSpec:
    return DetectorSpec(name="t", use="plugin:tickets", options=options)


def test_a_module_of_the_name_is_found() -> None:
    plugins = load_plugins(["weighbridge_tickets"])
    assert plugins.problems == ()
    made = plugins.builders()["plugin:tickets"](spec(projects=["SEC"]))
    assert isinstance(made, TicketDetector)
    assert made.name == "t"


@pytest.mark.parametrize("target", ["acme_guards", "acme_guards:PLUGIN"])
def test_an_entry_point_goes_before_a_module(folder: Path, target: str) -> None:
    (folder / "acme_guards.py").write_text("from weighbridge_tickets import PLUGIN\n")
    info = folder / "acme-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[weighbridge.plugins]\nweighbridge_nothing = {target}\n")
    plugins = load_plugins(["weighbridge_nothing"])
    assert (plugins.problems, list(plugins.kinds)) == ((), ["plugin:tickets"])
    sys.modules.pop("acme_guards", None)


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        (None, "there is neither an entry point nor a module of this name"),
        (
            "import no_such_module_here",
            "cannot be imported (ModuleNotFoundError: No module named 'no_such_module_here')",
        ),
        ("1 / 0", "cannot be imported (ZeroDivisionError)"),
        ("raise ValueError('x')", "cannot be imported (ValueError)"),
        ("PLUGIN = 5", "is no plugin"),
        ("", "is no plugin"),
        ("from gateway.plugin import Plugin\nPLUGIN = Plugin(name='p', api=99)", "was made for version 99"),
    ],
)
def test_what_is_wrong_is_said_by_name(folder: Path, source: str | None, problem: str) -> None:
    name = f"plugin_{abs(hash(source))}"
    if source is not None:
        (folder / f"{name}.py").write_text(source)
    (told,) = load_plugins([name]).problems
    assert told.startswith(f"{name}: {problem}")
    sys.modules.pop(name, None)


def test_kinds_that_two_bring_or_nobody_could_name_are_refused() -> None:
    (kind,) = TICKETS.detectors
    strange = msgspec.structs.replace(kind, name="a b")
    plugins = Plugins([TICKETS, Plugin(name="other", api=1, detectors=(kind, strange))])
    assert plugins.problems == (
        "other: another plugin brings detectors of the kind 'tickets' already",
        "other: a kind of detector has a name that no policy could say",
    )
    assert list(plugins.kinds) == ["plugin:tickets"]


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"projects": ["SEC"]}, ""),
        ({"project": ["SEC"]}, "project: unknown key; known: projects"),
        ({}, "object missing required field `projects`"),
        ({"projects": "SEC"}, "projects: expected `array`, got `str`"),
        ({"projects": [5]}, "projects[0]: expected `str`, got `int`"),
    ],
)
def test_options_are_checked_by_their_types(options: dict[str, object], fault: str) -> None:
    plugins = Plugins([TICKETS])
    told = plugins.fault(spec(**options), no_hint)
    assert told == fault
    assert plugins.fault(DetectorSpec(name="d", use="tools"), no_hint) == ""


def test_a_plugin_that_refuses_or_breaks_down_is_misconfigured() -> None:
    build = Plugins([TICKETS]).builders()["plugin:tickets"]
    with pytest.raises(Misconfigured, match="'t': projects are words"):
        build(spec(projects=["sec"]))

    def broken(name: str, options: object) -> TicketDetector:
        raise KeyError(name)

    plugin = Plugin(name="p", api=1, detectors=(DetectorKind(name="broken", build=broken),))
    with pytest.raises(Misconfigured, match=r"plugin:broken broke down \(KeyError\)"):
        Plugins([plugin]).builders()["plugin:broken"](DetectorSpec(name="t", use="plugin:broken"))
