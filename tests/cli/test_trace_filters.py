from __future__ import annotations

import argparse

from multidict import MultiDict

from gateway.cli.trace_filters import add_filters, given_filters
from gateway.operator.filter_parameters import FILTERS, read_filters
from gateway.operator.filters import Filters


def test_whatever_the_operator_takes_can_be_said_and_is_understood() -> None:
    parser = argparse.ArgumentParser()
    add_filters(parser)
    assert {name for name, value in given_filters(parser.parse_args([])).items() if value} == set()
    words = [
        "--failed",
        "--stream",
        "true",
        "--status",
        "500",
        "--min-status",
        "400",
        "--min-ms",
        "5",
        "--min-usd",
        "1",
    ]
    numbers = {"status", "min_status", "min_ms", "min_usd", "failed", "stream", "tag"}
    named = [action.dest.removeprefix("only_") for action in parser._actions if action.dest.startswith("only_")]
    for name in named:
        if name not in numbers:
            words += [f"--{name.replace('_', '-')}", name]
    given = given_filters(parser.parse_args([*words, "--tag", "a=b", "--tag", "c=d"]))
    query = MultiDict({name: str(value) for name, value in given.items() if name != "tag" and value is not None})
    query.extend([("tag", tag) for tag in given["tag"]])
    found = read_filters(query, 0)
    assert (found.team, found.key_id, found.text, found.tags, found.failed) == (
        "team",
        "key",
        "text",
        ("a=b", "c=d"),
        True,
    )
    known = {parameter.name for parameter in FILTERS}
    assert set(given) <= known
    assert found != Filters()


def test_what_other_tables_hold_is_left_out_where_it_cannot_be_asked_for() -> None:
    parser = argparse.ArgumentParser()
    add_filters(parser, looked_up=False)
    assert "--text" not in parser.format_help()
    assert given_filters(parser.parse_args(["--team", "a"]))["team"] == "a"
