"""One call from command line, environment and files to settings, with every problem at once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from gateway.config.build import Builder
from gateway.config.check import check_file, check_settings, notices
from gateway.config.environment import DEFAULT_FILE, Options, Outside, shown
from gateway.config.schema import FileSpec
from gateway.config.settings import Settings, config_hash
from gateway.config.shipped import shipped_policies_dir
from gateway.config.source import Document, Problem, read_yaml
from gateway.config.validation import validated


class LoadResult(msgspec.Struct, frozen=True, kw_only=True):
    """What came of loading.

    Attributes:
        settings: The configuration in force; ``None`` when anything is wrong.
        problems: Everything that is wrong, by file and line.
        notices: What works, and may not be what was meant.
        policies: The policy files that could be found, even when something else is wrong.
        plugins: The plugins that are named, likewise.
    """

    settings: Settings | None
    problems: tuple[Problem, ...]
    notices: tuple[str, ...]
    policies: tuple[tuple[str, Path], ...] = ()
    plugins: tuple[str, ...] = ()


def load_settings(options: Options, environ: Mapping[str, str], cwd: Path) -> LoadResult:
    """Load the configuration: flags before environment before file before defaults.

    Args:
        options: What the command line said.
        environ: The process's environment.
        cwd: The working directory; the file and what it names may be relative to it and to the file.
    """
    outside = Outside(options, environ, cwd)
    file = outside.config_file()
    if file is None:
        document, base = Document(DEFAULT_FILE, {"version": 1}), cwd
    else:
        document, base = read_yaml(file, shown(file, cwd)), file.parent
    checked = validated(FileSpec, document)
    problems = list(checked.problems)
    spec = checked.value
    if spec is None:
        return LoadResult(settings=None, problems=tuple(problems), notices=())
    problems += check_file(spec, checked.document)
    builder = Builder(spec, checked.document, base, outside)
    settings = builder.build(file)
    problems += (*builder.problems, *check_settings(settings, checked.document, outside))
    settings = msgspec.structs.replace(settings, config_hash=config_hash(settings, (base, cwd, shipped_policies_dir())))
    return LoadResult(
        settings=None if problems else settings,
        problems=tuple(sorted(dict.fromkeys(problems), key=lambda p: (p.file != document.name, p.file, p.line))),
        # What is left of a file that is wrong may be anything; nobody needs to hear about it.
        notices=tuple(builder.notices) if problems else (*builder.notices, *notices(settings)),
        policies=settings.policies.files,
        plugins=settings.plugins,
    )
