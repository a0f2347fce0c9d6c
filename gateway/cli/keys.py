"""``weighbridge keys``: virtual keys, made, shown, changed and revoked."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from gateway.cli import output
from gateway.cli.key_doors import Door, NotChecked, through
from gateway.cli.operator_client import BadAddress, Refused, Unreachable
from gateway.core.capture import BODIES
from gateway.core.errors import GatewayError, StoreUnavailable

_COLUMNS = ("id", "status", "team", "name", "models", "budget", "created_at", "expires_at", "declared")
_WORDS = ("team", "tenant", "name", "capture", "budget", "expires")
_LISTS = {"model": "models", "endpoint": "endpoints", "may_tag": "may_tag", "policy": "policies"}
_ONCE = "The key is shown this once. Keep it where secrets are kept; nobody can read it again.\n"
_NOTHING: dict[str, Any] = {
    "models": [],
    "endpoints": [],
    "may_tag": None,
    "policies": [],
    "capture": None,
    "tags": {},
    "budget": None,
    "expires": None,
}


def register(subparsers: output.Subparsers) -> None:
    """Add the command to the program's parser."""
    parser = subparsers.add_parser(
        "keys",
        help="virtual keys: create, list, show, update, rotate, revoke",
        description="Virtual keys: what clients hold instead of a provider's key. Asks the operator that runs; when "
        "none does, works on the data home itself. Every change is written down in the audit log.",
        epilog="example:\n  weighbridge keys create --team support --model 'gpt-*' --budget 5usd/month --expires 30d",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    create = _command(
        commands, "create", "make a key; its secret is shown once", _create, "--team support --expires 30d"
    )
    _terms(create, team=True)
    _command(commands, "list", "all keys, those of the configuration first", _list, "")
    for name, summary, work in (
        ("show", "one key", _show),
        ("revoke", "end a key for good; workers know within two seconds", _revoke),
    ):
        _named(_command(commands, name, summary, work, "4fwq0c3m9x2v"))
    update = _command(commands, "update", "change what a key may do", _update, "4fwq0c3m9x2v --budget 20usd/month")
    _named(update)
    _terms(update, team=False)
    sleep = update.add_mutually_exclusive_group()
    sleep.add_argument("--disable", action="store_true", help="let it sleep")
    sleep.add_argument("--enable", action="store_true", help="wake it")
    update.add_argument("--clear", action="append", choices=sorted(_NOTHING), default=[], help="take this away")
    rotate = _command(commands, "rotate", "give a key another secret", _rotate, "4fwq0c3m9x2v --overlap 1h")
    _named(rotate)
    rotate.add_argument(
        "--overlap", metavar="TIME", default="24h", help="how long the secret before stays good; 0 for not at all"
    )


def _command(
    commands: Any, name: str, summary: str, work: Callable[[argparse.Namespace, Door], int], example: str
) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        epilog=f"example:\n  weighbridge keys {name} {example}".rstrip(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--operator", metavar="H:P", help="ask this operator and nobody else")
    parser.add_argument("-c", "--config", metavar="FILE", help="the configuration file, where no operator runs")
    parser.add_argument("--json", action="store_true", help="write one JSON document")
    parser.set_defaults(func=_at_a_door(work))
    return parser


def _named(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="as 'keys list' shows it, or the beginning of the key itself (wb-…)")


def _terms(parser: argparse.ArgumentParser, *, team: bool) -> None:
    parser.add_argument("--team", metavar="T", required=team, help="whose key it is")
    parser.add_argument("--tenant", metavar="T", help="the organisation the team belongs to")
    parser.add_argument("--name", metavar="N", help="what people call it")
    many: dict[str, Any] = {"action": "append"}
    parser.add_argument("--tag", metavar="K=V", **many, help="on every call of the key; may be given several times")
    parser.add_argument("--model", metavar="M", **many, help="a model it may name, or a glob (default: all)")
    parser.add_argument("--endpoint", metavar="E", **many, help="what it may do: chat, embeddings, /v1/files*")
    tags = parser.add_mutually_exclusive_group()
    tags.add_argument("--may-tag", metavar="K", **many, help="a tag that calls may set, or a glob (default: all)")
    tags.add_argument("--no-tags", action="store_true", help="calls may set no tags")
    parser.add_argument("--policy", choices=["strict"], **many, help="strict: every rule acts on its calls")
    parser.add_argument("--capture", choices=BODIES, help="how much is kept of the bodies of its calls")
    parser.add_argument("--budget", metavar="B", help="what it may spend: 5usd/month, 20usd/day@Europe/Berlin")
    parser.add_argument("--expires", metavar="WHEN", help="30d, 12h, 2027-02-01")


def _at_a_door(work: Callable[[argparse.Namespace, Door], int]) -> Callable[[argparse.Namespace], int]:
    """Make a command of one that works on keys, and turn failures into exit codes."""

    def run(args: argparse.Namespace) -> int:
        try:
            return through(args.operator, args.config, lambda door: work(args, door))
        except BadAddress as error:
            output.complain(str(error))
            return output.USAGE
        except NotChecked as error:
            for problem in error.problems:
                output.complain(problem)
            return output.WRONG
        except Unreachable as error:
            output.complain(str(error))
            return output.UNREACHABLE
        except GatewayError as error:
            output.complain(error.public_message)
            return output.UNREACHABLE if isinstance(error, StoreUnavailable) else output.WRONG
        except Refused as error:
            output.complain(str(error))
            return output.WRONG

    return output.closing_quietly(run)


def _list(args: argparse.Namespace, door: Door) -> int:
    rows = door.list()
    if args.json:
        output.write_json(rows)
    elif rows:
        output.write(output.table(_COLUMNS, rows))
    else:
        output.write("There are no keys.\n")
    return output.DONE


def _show(args: argparse.Namespace, door: Door) -> int:
    return _told(args, door.show(args.id))


def _revoke(args: argparse.Namespace, door: Door) -> int:
    return _told(args, door.revoke(args.id))


def _create(args: argparse.Namespace, door: Door) -> int:
    document = _document(args)
    return output.USAGE if document is None else _told(args, door.create(document))


def _rotate(args: argparse.Namespace, door: Door) -> int:
    return _told(args, door.rotate(args.id, {"overlap": args.overlap}))


def _update(args: argparse.Namespace, door: Door) -> int:
    document = _document(args)
    if document is None:
        return output.USAGE
    document |= {name: _NOTHING[name] for name in args.clear}
    if args.disable or args.enable:
        document["disabled"] = args.disable
    return _told(args, door.update(args.id, document))


def _told(args: argparse.Namespace, key: dict[str, Any]) -> int:
    if args.json:
        output.write_json(key)
        return output.DONE
    output.write(output.record({name: value for name, value in key.items() if name != "key"}))
    if "key" in key:
        output.write(f"\n{key['key']}\n\n{_ONCE}")
    return output.DONE


def _document(args: argparse.Namespace) -> dict[str, Any] | None:
    """What was written on the command line, as the operator takes it; ``None`` when it cannot be read."""
    document: dict[str, Any] = {name: getattr(args, name) for name in _WORDS if getattr(args, name) is not None}
    for name, its in _LISTS.items():
        if getattr(args, name) is not None:
            document[its] = getattr(args, name)
    if args.no_tags:
        document["may_tag"] = []
    if args.tag is not None:
        tags = [tag.partition("=") for tag in args.tag]
        if not all(name and equals for name, equals, _ in tags):
            output.complain("--tag takes NAME=VALUE")
            return None
        document["tags"] = {name: value for name, _, value in tags}
    return document
