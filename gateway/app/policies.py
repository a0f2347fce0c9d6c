"""From policy files to guards in force: load, compile, run the bundle's own tests. What fails a test is not loaded."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec

from gateway.app.trials import run_test
from gateway.config.settings import Settings
from gateway.config.source import Problem
from gateway.config.validation import suggestion
from gateway.core.errors import GatewayError
from gateway.core.verdict import Bundle
from gateway.guards.engine import GuardEngine
from gateway.plugin.loader import Plugins, load_plugins
from gateway.policy.load import LoadedBundle, load_bundle
from gateway.policy.refused import refused_patterns

# What messages call the list of plugins in the configuration.
_PLUGINS = "plugins"
Files = tuple[tuple[str, Path], ...]


class PolicyFault(Exception):
    """A bundle that cannot be put in force.

    Args:
        problems: Everything that is wrong with it.
        paths: Every file that it was read from, or should have been.
    """

    def __init__(self, problems: tuple[Problem, ...], paths: tuple[Path, ...] = ()) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems
        self.paths = paths


class InForce(msgspec.Struct, frozen=True, kw_only=True):
    """Policies that may be put in force: their tests pass.

    Attributes:
        engine: Applies them.
        bundle: What they are.
        paths: Every file they were read from.
        files: The policies among them, as messages name them.
        places: Where each rule stands.
        tests: How many tests they have passed.
    """

    engine: GuardEngine
    bundle: Bundle
    paths: tuple[Path, ...]
    files: tuple[str, ...]
    places: dict[str, Problem]
    tests: int


def load_guards(files: Files) -> GuardEngine:
    """Load a bundle of policy files; see :func:`load_policies`."""
    return load_policies(files).engine


def load_policies(files: Files, settings: Settings | None = None, plugins: tuple[str, ...] = ()) -> InForce:
    """Load a bundle of policy files.

    Args:
        files: Each file's name in messages, and the file, in order.
        settings: The configuration that the bundle must fit into, when there is one.
        plugins: The plugins that the configuration names.

    Raises:
        PolicyFault: A file is wrong, an expression does not compile, or a test of the bundle fails.
    """
    brought = load_plugins(plugins)
    loaded = load_bundle(files, frozenset(brought.kinds))
    misfits = () if settings is None else tuple(_misfits(loaded, settings))
    unfit = tuple(Problem(_PLUGINS, 0, problem) for problem in brought.problems)
    if loaded.bundle is None or misfits or unfit:
        raise PolicyFault((*unfit, *loaded.problems, *misfits), loaded.paths)
    try:
        engine = build_engine(loaded, files[0][0] if files else "policies", brought)
    except PolicyFault as fault:
        raise PolicyFault(fault.problems, loaded.paths) from fault
    failed = tuple(problem for test in loaded.tests for problem in run_test(engine, test))
    if failed:
        raise PolicyFault(failed, loaded.paths)
    places = loaded.compiled.places
    return InForce(
        engine=engine,
        bundle=loaded.bundle,
        paths=loaded.paths,
        files=tuple(file.document.name for file in loaded.files),
        places={rule.id: places["rule", rule.id] for rule in loaded.bundle.rules},
        tests=len(loaded.tests),
    )


def _misfits(loaded: LoadedBundle, settings: Settings) -> Iterator[Problem]:
    """Find what a bundle asks of a configuration that is not there: model aliases that calls are sent to."""
    aliases = [model.alias for model in settings.models]
    for rule in loaded.compiled.bundle.rules:
        for step in rule.steps:
            if step.route and not any(fnmatchcase(step.route, alias) for alias in aliases):
                place = loaded.compiled.places["rule", rule.id]
                hint = suggestion(step.route, aliases)
                message = f"rule '{rule.id}': no model alias is named '{step.route}'{hint}"
                yield Problem(place.file, place.line, message)


def build_engine(loaded: LoadedBundle, name: str, plugins: Plugins | None = None) -> GuardEngine:
    """Make guards of a bundle that is sound.

    Args:
        loaded: The bundle.
        name: What messages call the whole of it.
        plugins: Bring kinds of detectors.

    Raises:
        PolicyFault: A part of it cannot run.
    """
    bundle = loaded.bundle or Bundle(revision="")
    plugins = plugins or Plugins()
    faults = tuple(_option_faults(loaded, plugins))
    if faults:
        raise PolicyFault(faults)
    try:
        return GuardEngine(bundle, plugins=plugins.builders())
    except GatewayError as error:
        refused = tuple(refused_patterns(loaded.files))
        raise PolicyFault(refused or (Problem(name, 0, error.public_message),)) from error


def _option_faults(loaded: LoadedBundle, plugins: Plugins) -> Iterator[Problem]:
    """Find what plugins say of the options of their detectors."""
    for spec in loaded.compiled.bundle.detectors:
        fault = plugins.fault(spec, suggestion)
        if fault:
            place = loaded.compiled.places["detector", spec.name]
            yield Problem(place.file, place.line, f"detectors.{spec.name}.{fault}")
