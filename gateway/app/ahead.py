"""What a start begins before anything else: compiling the patterns of the shipped rules, a third of all its work.

It happens beside the interpreter, which meanwhile imports the rest of the program.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gateway.clients.hyperscan import Ahead, Expression
from gateway.policy.secret_rules import known_facts

_DEFAULT_FILE = "weighbridge.yaml"


def compile_ahead(config: str | None, environ: Mapping[str, str], cwd: Path) -> Ahead | None:
    """Begin, unless the configuration names a bundle, which may look for other things.

    Args:
        config: The configuration file that the command line names.
        environ: The process's environment.
        cwd: The working directory.

    Returns:
        What is to be joined before the process forks.
    """
    file = cwd / (config or environ.get("WEIGHBRIDGE_CONFIG") or _DEFAULT_FILE)
    try:
        chosen = b"bundle" in file.read_bytes()
    except OSError:
        chosen = False
    facts = None if chosen else known_facts()
    if facts is None:
        return None
    ahead = Ahead([Expression(text, unicode=unicode) for text, unicode in facts.together])
    ahead.start()
    return ahead
