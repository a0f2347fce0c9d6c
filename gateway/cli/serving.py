"""The work of ``weighbridge serve``: check everything, then start the processes."""

from __future__ import annotations

import argparse
import os
from functools import partial
from pathlib import Path

from gateway.app.launch import Launch, LaunchFault
from gateway.cli.log_lines import LogFormatUnknown, log_format, write_log
from gateway.cli.output import DONE, WRONG, complain, write
from gateway.clients.hyperscan import Ahead
from gateway.config.environment import Options
from gateway.config.load import load_settings


def run(args: argparse.Namespace, ahead: Ahead | None) -> int:
    """Run until told to stop.

    Args:
        args: The command line.
        ahead: What is being compiled already.
    """
    options = Options(
        config=args.config,
        listen=args.listen,
        operator=args.operator,
        no_operator=args.no_operator,
        workers=args.workers,
        upstream=args.upstream,
        intercept=args.intercept,
        only_models=args.only_models,
        ext_proc=args.ext_proc,
    )
    load = partial(load_settings, options, os.environ, Path.cwd())
    try:
        write_log(log_format(args.log_format, os.environ))
        launch = Launch(load)
    except LogFormatUnknown as error:
        complain(str(error))
        return WRONG
    except LaunchFault as fault:
        for problem in fault.problems:
            complain(problem)
        return WRONG
    finally:
        if ahead is not None:
            ahead.forget()
    for notice in launch.notices:
        complain(f"note: {notice}")
    try:
        return WRONG if launch.run(lambda: write(launch.greeting()), alone=args.no_supervisor) else DONE
    except LaunchFault as fault:
        complain(str(fault))
        return WRONG
