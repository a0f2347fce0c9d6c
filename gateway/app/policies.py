"""From policy files to guards in force: load, compile, run the bundle's own tests. What fails a test is not loaded."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import asynccontextmanager
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec

from gateway.app.models import Door, Models, models_for
from gateway.app.trials import Trial, run_tests
from gateway.clients import ocr
from gateway.config.settings import Settings
from gateway.config.source import Problem
from gateway.config.validation import suggestion
from gateway.core.errors import GatewayError, Misconfigured
from gateway.core.verdict import Bundle
from gateway.guards.engine import GuardEngine
from gateway.guards.scored import build as build_scored
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
        door: Leads to the models that they ask.
        notices: Worth a word, and not wrong.
    """

    engine: GuardEngine
    bundle: Bundle
    paths: tuple[Path, ...]
    files: tuple[str, ...]
    places: dict[str, Problem]
    tests: int
    door: Door
    notices: tuple[str, ...] = ()

    @asynccontextmanager
    async def at_hand(self) -> AsyncGenerator[GuardEngine, None]:
        """Use the engine for a while, and its models: what a call costs is told without what the first one costs."""
        try:
            await self.engine.warm()
            yield self.engine
        finally:
            await self.engine.close()
            await self.door.models.close()


def load_guards(files: Files) -> GuardEngine:
    """Load a bundle of policy files; see :func:`load_policies`."""
    return load_policies(files).engine


def load_policies(
    files: Files, settings: Settings | None = None, plugins: tuple[str, ...] = (), models: Models | None = None
) -> InForce:
    """Load a bundle of policy files.

    Args:
        files: Each file's name in messages, and the file, in order.
        settings: The configuration that the bundle must fit into, when there is one.
        plugins: The plugins that the configuration names.
        models: What models there are; those of the configuration's data home without.

    Raises:
        PolicyFault: A file is wrong, an expression does not compile, or a test of the bundle fails.
    """
    brought = load_plugins(plugins)
    loaded = load_bundle(files, frozenset(brought.kinds))
    misfits = () if settings is None else tuple(_misfits(loaded, settings))
    unfit = tuple(Problem(_PLUGINS, 0, problem) for problem in brought.problems)
    if loaded.bundle is None or misfits or unfit:
        raise PolicyFault((*unfit, *loaded.problems, *misfits), loaded.paths)
    models = models or models_for(settings)
    door = Door(models.fresh())
    try:
        engine = build_engine(loaded, files[0][0] if files else "policies", brought, door)
    except PolicyFault as fault:
        raise PolicyFault(fault.problems, loaded.paths) from fault
    trials = run_tests(engine, loaded.tests, door.models.close)
    door.models = models
    failed = tuple(problem for trial in trials for problem in trial.problems)
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
        door=door,
        notices=tuple(unasked(trials)),
    )


def unasked(trials: Iterable[Trial]) -> Iterator[str]:
    """Say which models tests could not ask."""
    left: dict[str, int] = {}
    for trial in trials:
        if trial.unasked:
            left[trial.unasked] = left.get(trial.unasked, 0) + 1
    for name, count in left.items():
        yield f"{count} test{'s' if count > 1 else ''} left out: no model to ask for {name}; weighbridge models build"


def _misfits(loaded: LoadedBundle, settings: Settings) -> Iterator[Problem]:
    """Find what a bundle asks of a configuration that is not there: model aliases that calls are sent to."""
    aliases = [model.alias for model in settings.models]
    for spec in loaded.compiled.bundle.detectors:
        judge = spec.options.get("model") if spec.use == "judge" else None
        if judge and not any(fnmatchcase(judge, alias) for alias in aliases):
            place = loaded.compiled.places["detector", spec.name]
            message = f"detectors.{spec.name}.model: no model alias is named '{judge}'{suggestion(judge, aliases)}"
            yield Problem(place.file, place.line, message)
    for rule in loaded.compiled.bundle.rules:
        for step in rule.steps:
            if step.route and not any(fnmatchcase(step.route, alias) for alias in aliases):
                place = loaded.compiled.places["rule", rule.id]
                hint = suggestion(step.route, aliases)
                message = f"rule '{rule.id}': no model alias is named '{step.route}'{hint}"
                yield Problem(place.file, place.line, message)


def build_engine(
    loaded: LoadedBundle, name: str, plugins: Plugins | None = None, door: Door | None = None
) -> GuardEngine:
    """Make guards of a bundle that is sound.

    Args:
        loaded: The bundle.
        name: What messages call the whole of it.
        plugins: Bring kinds of detectors.
        door: Leads to models; to those of the data home without.

    Raises:
        PolicyFault: A part of it cannot run.
    """
    bundle = loaded.bundle or Bundle(revision="")
    plugins = plugins or Plugins()
    door = door or Door(models_for(None))
    faults = (*_option_faults(loaded, plugins), *_model_faults(loaded, door))
    if faults:
        raise PolicyFault(faults)
    try:
        return GuardEngine(bundle, plugins=plugins.builders(), scorers=door.scorer)
    except GatewayError as error:
        refused = tuple(refused_patterns(loaded.files))
        raise PolicyFault(refused or (Problem(name, 0, error.public_message),)) from error


def _model_faults(loaded: LoadedBundle, door: Door) -> Iterator[Problem]:
    """Find detectors whose models cannot be had, or cannot do what is asked of them."""
    for spec in loaded.compiled.bundle.detectors:
        try:
            if spec.use == "image_text" and not ocr.installed():
                raise Misconfigured(ocr.NO_OCR)
            build_scored(spec, door.scorer)
        except GatewayError as error:
            place = loaded.compiled.places["detector", spec.name]
            yield Problem(place.file, place.line, f"detectors.{spec.name}: {error.public_message}")


def _option_faults(loaded: LoadedBundle, plugins: Plugins) -> Iterator[Problem]:
    """Find what plugins say of the options of their detectors."""
    for spec in loaded.compiled.bundle.detectors:
        fault = plugins.fault(spec, suggestion)
        if fault:
            place = loaded.compiled.places["detector", spec.name]
            yield Problem(place.file, place.line, f"detectors.{spec.name}.{fault}")
