"""``weighbridge ca``: the authority whose certificates programs are given where the gateway stands in for a host."""

from __future__ import annotations

import argparse
import os
import socket
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

from gateway.cli import output
from gateway.config.environment import Options, Outside
from gateway.config.interception import authority_files

EXAMPLE = """example:
  weighbridge ca init
  weighbridge serve --intercept
  HTTPS_PROXY=http://127.0.0.1:8080 SSL_CERT_FILE=.weighbridge/ca/ca.pem python program.py
"""


def register(subparsers: output.Subparsers) -> None:
    """Add the command group to the program's parser."""
    group = subparsers.add_parser(
        "ca",
        help="the authority that signs for hosts of models, for --intercept",
        description="The authority that signs for the hosts of models that the gateway stands in for.",
    )
    commands = group.add_subparsers(title="commands", metavar="COMMAND", required=True)
    init = commands.add_parser(
        "init",
        help="make one in the data home",
        description="Make an authority: ca/ca.pem, which programs are to trust, and ca/ca.key, which stays here.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    init.add_argument("--name", metavar="NAME", help="as people see it in a list of authorities")
    init.add_argument("--force", action="store_true", help="in place of the one that is there, which is gone then")
    init.add_argument("--json", action="store_true", help="write one JSON document")
    init.set_defaults(func=_init)


def _init(args: argparse.Namespace) -> int:
    home = Outside(Options(), os.environ, Path.cwd()).home
    certificate, key = authority_files(home)
    if not args.force and (certificate.exists() or key.exists()):
        output.complain(f"{certificate.parent} has an authority already; --force makes another in its place")
        return output.WRONG
    name = args.name or f"Weighbridge on {socket.gethostname()}"[:64]
    if not name.isprintable() or len(name) > 64:
        output.complain("--name: up to 64 printable characters")
        return output.USAGE
    now = datetime.now(UTC)
    certificates = import_module("gateway.clients.certificates")
    pair = certificates.make_authority(name, now)
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        certificate.parent.mkdir(mode=0o755, exist_ok=True)
        # The key first: a certificate that is there is one that can be used.
        _write(key, pair.key, 0o600)
        _write(certificate, pair.certificate, 0o644)
    except OSError as error:
        output.complain(f"{error.filename or certificate.parent}: {error.strerror}")
        return output.WRONG
    until = (now + certificates.AUTHORITY_LIFE).date().isoformat()
    if args.json:
        told = {"certificate": str(certificate), "key": str(key), "name": name, "until": until}
        output.write_json(told)
        return output.DONE
    output.write(
        f"{certificate} is the authority's certificate, good until {until}: programs are to trust it\n"
        "(SSL_CERT_FILE, REQUESTS_CA_BUNDLE, NODE_EXTRA_CA_CERTS).\n"
        f"{key} is its key. Whoever has it can be any host to these programs: it stays here.\n"
    )
    return output.DONE


def _write(path: Path, data: bytes, mode: int) -> None:
    """Write a file that is whole or not there, with its mode from the first moment on."""
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.chmod(mode)
    draft.replace(path)
