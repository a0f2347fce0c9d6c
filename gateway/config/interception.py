"""What ``--intercept`` asks for: whose certificates we sign with, and what becomes of hosts that serve no models."""

from __future__ import annotations

from pathlib import Path

from gateway.config.environment import Outside
from gateway.config.settings import Intercept
from gateway.config.source import Problem

CA_FOLDER, CA_CERTIFICATE, CA_KEY = "ca", "ca.pem", "ca.key"
_YES, _NO = frozenset({"1", "true", "yes", "on"}), frozenset({"0", "false", "no", "off"})


def authority_files(home: Path) -> tuple[Path, Path]:
    """Where the authority's certificate and key are."""
    return home / CA_FOLDER / CA_CERTIFICATE, home / CA_FOLDER / CA_KEY


def interception(outside: Outside, problems: list[Problem], *, tls: bool, transparent: bool) -> Intercept | None:
    """Read what flags and environment say of it; ``None`` where it is not asked for.

    Args:
        outside: Flags and environment.
        problems: Gets what stands in the way.
        tls: Clients speak TLS with us.
        transparent: Everything goes to one provider.
    """
    wanted, source = _switch(outside, "intercept", problems)
    only, only_source = _switch(outside, "only_models", problems)
    if not wanted:
        if only:
            problems.append(Problem(only_source, 0, "is for --intercept only"))
        return None
    if tls:
        problems.append(Problem(source, 0, "cannot go with listen.tls: clients speak of a proxy without TLS"))
    if transparent:
        problems.append(Problem(source, 0, "cannot go with --upstream: calls go to the hosts they are meant for"))
    certificate, key = authority_files(outside.home)
    if not certificate.is_file() or not key.is_file():
        problems.append(Problem(source, 0, f"needs {certificate} and {key}: see 'weighbridge ca init'"))
    return Intercept(certificate=certificate, key=key, only_models=only)


def _switch(outside: Outside, name: str, problems: list[Problem]) -> tuple[bool, str]:
    if getattr(outside.options, name):
        return True, f"--{name.replace('_', '-')}"
    variable = f"WEIGHBRIDGE_{name.upper()}"
    said = outside.environ.get(variable, "").lower()
    if said and said not in _YES | _NO:
        problems.append(Problem(variable, 0, "should be true or false"))
    return said in _YES, variable
