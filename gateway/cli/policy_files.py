"""Which policies a command is about: those of the configuration, or one file that was named instead."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from gateway.app.policies import Files, PolicyFault
from gateway.cli import output
from gateway.config.environment import Options, shown
from gateway.config.load import load_settings
from gateway.config.settings import Settings


def bundle_in_force(args: argparse.Namespace) -> tuple[Files, Settings | None, tuple[str, ...]]:
    """Return the files, the configuration that they must fit into, and its plugins.

    Raises:
        PolicyFault: The configuration is wrong.
    """
    result = load_settings(Options(config=args.config), os.environ, Path.cwd())
    if args.policy:
        path = Path(args.policy)
        return ((shown(path, Path.cwd()), path),), None, result.plugins
    if result.settings is None:
        raise PolicyFault(result.problems)
    return result.policies, result.settings, result.plugins


def refused(fault: Exception) -> int:
    """Say why a command has nothing to do its work with, and give its exit code."""
    for problem in fault.problems if isinstance(fault, PolicyFault) else (fault,):
        output.complain(str(problem))
    return output.WRONG
