"""``weighbridge policy``: look policies over, run their tests, explain a verdict, replay recorded traffic."""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from gateway.app.models import Door, Models, models_for
from gateway.app.policies import PolicyFault, build_engine
from gateway.app.trials import run_tests as run_tests_of
from gateway.cli import output, policy_diff, policy_explain, policy_tune
from gateway.clients.clock import SystemClock
from gateway.config.environment import Options, shown
from gateway.config.load import load_settings
from gateway.config.shipped import shipped_policies_dir
from gateway.config.source import Problem
from gateway.plugin.loader import Plugins, load_plugins
from gateway.policy.cases import PolicyTest
from gateway.policy.lint import Finding, lint
from gateway.policy.load import LoadedBundle, load_bundle

Files = tuple[tuple[str, Path], ...]
_SUFFIXES = (".yaml", ".yml")


class NoSuchPolicy(Exception):
    """Nothing is where a command was told to look."""


def register(subparsers: output.Subparsers) -> None:
    """Add the command to the program's parser."""
    parser = subparsers.add_parser(
        "policy",
        help="look policies over, run their tests, explain a verdict",
        description="What a security team does with policy files before and after they are in force.",
        epilog="examples:\n  weighbridge policy lint policies\n  weighbridge policy test policies/support.yaml",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add(
        commands,
        "lint",
        "rules that do nothing, contradictions, missing tests, forgotten exclusions",
        "Look policies over: everything that does not load, and everything that loads and is not what anybody wants. "
        "Exit code 0 when there is nothing to do (notes may be left), 1 when something should be changed.",
    ).set_defaults(func=output.closing_quietly(run_lint))
    _add(
        commands,
        "test",
        "run the tests inside the policy files",
        "Run the tests inside the policy files. Exit code 0 when all pass, 1 when one fails or a file does not load.",
    ).set_defaults(func=output.closing_quietly(run_tests))
    policy_explain.register(commands)
    policy_diff.register(commands)
    policy_tune.register(commands)


def _add(commands: Any, name: str, summary: str, description: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=f"{description} Without PATH, the bundle of the configuration; a PATH is a policy file, "
        "or a folder of them, and each file is a bundle of its own with what it extends.",
        epilog=f"example:\n  weighbridge policy {name} policies/support.yaml",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("paths", metavar="PATH", nargs="*", help="a policy file, or a folder of them")
    parser.add_argument("-c", "--config", metavar="FILE", help="the configuration file; default: ./weighbridge.yaml")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of lines")
    return parser


def bundles(args: argparse.Namespace) -> Iterator[tuple[str, Files]]:
    """Yield what a command is about: each bundle's name and its files.

    Raises:
        NoSuchPolicy: A path leads nowhere, or no configuration names a policy.
    """
    cwd = Path.cwd()
    if not args.paths:
        result = load_settings(Options(config=args.config), os.environ, cwd)
        if not result.policies:
            problems = "\n".join(str(problem) for problem in result.problems)
            raise NoSuchPolicy(problems or "the configuration names no policy; name a file")
        yield "bundle", result.policies
        return
    for written in args.paths:
        path = Path(written)
        files = sorted(each for each in path.iterdir() if each.suffix in _SUFFIXES) if path.is_dir() else [path]
        if not path.exists() or not files:
            raise NoSuchPolicy(f"no policy at {written}")
        for file in files:
            yield shown(file, cwd), ((_name(file, cwd), file),)


def plugins_for(args: argparse.Namespace) -> Plugins:
    """Load the plugins that the configuration names, whatever else may be wrong with it.

    Raises:
        NoSuchPolicy: One cannot be loaded.
    """
    plugins = load_plugins(load_settings(Options(config=args.config), os.environ, Path.cwd()).plugins)
    if plugins.problems:
        raise NoSuchPolicy("\n".join(f"plugins: {problem}" for problem in plugins.problems))
    return plugins


def _name(file: Path, cwd: Path) -> str:
    if file.resolve().parent == shipped_policies_dir().resolve() and not file.resolve().is_relative_to(cwd):
        return f"shipped/{file.name}"
    return shown(file, cwd)


def run_lint(args: argparse.Namespace) -> int:
    """Look policies over, and say what was found."""
    found: dict[Finding, None] = {}
    count = 0
    now_s = SystemClock().unix_ms() / 1000
    try:
        plugins = plugins_for(args)
        for _, files in bundles(args):
            count += 1
            found |= dict.fromkeys(_linted(files, now_s, plugins, models_for(None)))
    except NoSuchPolicy as nothing:
        output.complain(str(nothing))
        return output.USAGE
    wrong = any(finding.level == "error" for finding in found)
    if args.json:
        listed = [msgspec.to_builtins(finding) for finding in found]
        output.write_json({"ok": not wrong, "bundles": count, "findings": listed})
    else:
        for finding in found:
            output.write(output.visible(str(finding)) + "\n")
        if not wrong:
            output.write(f"ok: {_counted(count, 'bundle')}\n")
    return output.WRONG if wrong else output.DONE


def _linted(files: Files, now_s: float, plugins: Plugins, models: Models) -> Iterator[Finding]:
    loaded = load_bundle(files, frozenset(plugins.kinds))
    forms: dict[str, str] = {}
    faults: tuple[Problem, ...] = ()
    if loaded.bundle is not None:
        try:
            forms = build_engine(loaded, files[0][0], plugins, Door(models)).kit.forms
        except PolicyFault as fault:
            faults = fault.problems
    findings = lint(loaded, now_s, forms)
    yield from findings
    told = {(finding.file, finding.line, finding.message) for finding in findings}
    for problem in faults:
        if (problem.file, problem.line, problem.message) not in told:
            yield Finding(problem.file, problem.line, "invalid", "error", problem.message)


class _Ran(msgspec.Struct):
    """One test and what is not as it should be."""

    test: PolicyTest
    problems: list[str]
    unasked: str = ""


def run_tests(args: argparse.Namespace) -> int:
    """Run the tests inside policy files, and say how they went."""
    ran: list[_Ran] = []
    problems: list[Problem] = []
    try:
        plugins = plugins_for(args)
        for _, files in bundles(args):
            loaded = load_bundle(files, frozenset(plugins.kinds))
            problems += loaded.problems
            if loaded.bundle is not None:
                problems += _run(loaded, files[0][0], plugins, ran)
    except NoSuchPolicy as nothing:
        output.complain(str(nothing))
        return output.USAGE
    failed = sum(bool(each.problems) for each in ran)
    if args.json:
        _tests_as_json(ran, problems)
    else:
        _tests_as_lines(ran, problems, failed)
    return output.WRONG if failed or problems else output.DONE


def _run(loaded: LoadedBundle, name: str, plugins: Plugins, ran: list[_Ran]) -> tuple[Problem, ...]:
    """Run the tests of the files that were asked for."""
    try:
        door = Door(models_for(None))
        engine = build_engine(loaded, name, plugins, door)
    except PolicyFault as fault:
        return fault.problems
    named = {loaded.files[number].document.name for number in loaded.named}
    asked = [test for test in loaded.tests if test.file in named]
    trials = run_tests_of(engine, asked, door.models.close)
    ran += [_Ran(each.test, [problem.message for problem in each.problems], each.unasked) for each in trials]
    return ()


def _tests_as_json(ran: list[_Ran], problems: list[Problem]) -> None:
    tests = [
        {
            "file": each.test.file,
            "line": each.test.line,
            "name": each.test.name,
            "ok": not each.problems,
            "problems": each.problems,
        }
        | ({"left_out": each.unasked} if each.unasked else {})
        for each in ran
    ]
    ok = not problems and all(test["ok"] for test in tests)
    listed = [msgspec.to_builtins(problem) for problem in problems]
    output.write_json({"ok": ok, "tests": tests, "problems": listed})


def _tests_as_lines(ran: list[_Ran], problems: list[Problem], failed: int) -> None:
    for problem in problems:
        output.write(output.visible(str(problem)) + "\n")
    for each in ran:
        for message in each.problems:
            output.write(output.visible(f"{each.test.file}:{each.test.line}: {message}") + "\n")
    for name, count in Counter(each.unasked for each in ran if each.unasked).items():
        left_out = f"{_counted(count, 'test')} left out, no model to ask for {name}"
        output.complain(f"note: {left_out}: weighbridge models build")
    if failed or problems:
        output.write(f"{failed} of {_counted(len(ran), 'test')} failed\n")
    else:
        output.write(f"ok: {_counted(len(ran), 'test')}\n")


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
