"""``weighbridge traces sessions`` and ``traces latency``: agent runs as trees, and how long calls take."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

from gateway.cli import output
from gateway.cli.operator_client import OperatorClient, asking
from gateway.cli.trace_filters import add_filters, given_filters

_LISTED = ("session_id", "began_at", "last_at", "calls", "failed_calls", "blocked_calls", "cost_nanousd", "aliases")
_SUMS = ("began_at", "took_ms", "calls", "failed_calls", "input_tokens", "output_tokens", "cost_nanousd")

Command = Callable[[output.Subparsers, str, str, str], argparse.ArgumentParser]


def register(commands: output.Subparsers, command: Command) -> None:
    """Add the commands to those of ``weighbridge traces``."""
    sessions = command(
        commands,
        "sessions",
        "agent runs: the newest, or one as a tree",
        "weighbridge traces sessions --since 24h --failed\n  weighbridge traces sessions run-7\n"
        "  weighbridge traces sessions --by trace 4bf92f3577b34da6a3ce929d0e0e4736",
    )
    sessions.add_argument("id", metavar="ID", nargs="?", help="the session, as x-weighbridge-session says it")
    sessions.add_argument("--by", choices=("session", "trace"), default="session", help="what ID is of")
    sessions.add_argument("--since", metavar="AGE", default="24h", help="of the list; default: 24h")
    sessions.add_argument("--until", metavar="AGE", help="of the list; default: now")
    sessions.add_argument("--limit", metavar="N", type=int, help="of the list; default: 100")
    add_filters(sessions)
    sessions.set_defaults(func=asking(_sessions))
    latency = command(
        commands,
        "latency",
        "how long calls take, by deployment, alias, provider, model, tenant",
        "weighbridge traces latency --by deployment --since 30d",
    )
    latency.add_argument("--by", metavar="NAMES", default="deployment", help="one or two; default: deployment")
    latency.add_argument(
        "--of", metavar="NAMES", default="duration,ttft", help="duration, ttft, overhead; default: duration,ttft"
    )
    latency.add_argument("--since", metavar="AGE", default="24h", help="default: 24h")
    latency.add_argument("--until", metavar="AGE", help="default: now")
    latency.set_defaults(func=asking(_latency))


def _sessions(args: argparse.Namespace, operator: OperatorClient) -> int:
    if args.id is not None:
        tree = operator.get(f"/api/sessions/{quote(args.id, safe='')}", {"by": args.by})
        if args.json:
            output.write_json(tree)
        else:
            output.write(output.record({args.by: tree[args.by], **{name: tree[name] for name in _SUMS}}))
            output.write("\n" + "".join(f"{line}\n" for line in _drawn(tree["children"], "")))
            if tree["truncated"]:
                output.complain(f"only the first {tree['calls']} calls are shown")
        return output.DONE
    asked = {**given_filters(args), "since": args.since, "until": args.until, "limit": args.limit}
    rows = operator.get("/api/sessions", asked)["sessions"]
    if args.json:
        output.write_json(rows)
    else:
        output.write(output.table(_LISTED, rows))
    return output.DONE


def _drawn(nodes: list[dict[str, Any]], before: str) -> Iterator[str]:
    for number, node in enumerate(nodes):
        last = number == len(nodes) - 1
        yield f"{before}{'└─ ' if last else '├─ '}{_line(node)}"
        yield from _drawn(node["children"], before + ("   " if last else "│  "))


def _line(node: dict[str, Any]) -> str:
    if node["kind"] == "span":
        return output.visible(f"span {node['span_id']} of trace {node['trace_id']}")
    if node["kind"] == "tool":
        came = f"{node['took_ms']:.0f} ms, result in {node['result_in']}" if node["result_in"] else "no result seen"
        return output.visible(f"tool {node['name']}: {'failed, ' if node['is_error'] else ''}{came}")
    told = [node["started_at"], node["id"], node["model_served"] or node["model_requested"]]
    told += [str(node["status"]), node["error_code"] or node["finish_reason"], f"{node['duration_ms']:.0f} ms"]
    told += [f"{node['input_tokens'] or 0} + {node['output_tokens'] or 0} tokens", output.usd(node["cost_nanousd"])]
    if node["verdict"] != "allow":
        told.append(node["verdict"])
    return output.visible("  ".join(part for part in told if part))


def _latency(args: argparse.Namespace, operator: OperatorClient) -> int:
    asked = {"by": args.by, "of": args.of, "since": args.since, "until": args.until}
    rows = operator.get("/api/latency", asked)["rows"]
    if args.json:
        output.write_json(rows)
    else:
        columns = [name for name in output.columns_of(rows) if not name.endswith(("_p90", "_p95"))]
        output.write(output.table(columns, rows))
    return output.DONE
