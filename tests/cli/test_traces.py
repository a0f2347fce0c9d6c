from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import msgspec
import orjson
import pytest

from tests.cli.conftest import ROOT, Weighbridge
from tests.support.operator_plane import OperatorPlane, exchange, guard_event
from tests.support.parquet import read_parquet
from tests.support.waiting import until

UNKNOWN_ID = "01890000-0000-7000-8000-000000000000"


@pytest.mark.parametrize("command", ["tail", "show", "sql", "export", "sessions", "latency"])
def test_every_command_explains_itself_with_an_example(weighbridge: Weighbridge, command: str) -> None:
    done = weighbridge("traces", command, "--help")
    assert done.returncode == 0
    assert f"example:\n  weighbridge traces {command}".encode() in done.stdout
    assert b"--json" in done.stdout
    assert b"--operator" in done.stdout


@pytest.mark.parametrize(
    "words",
    [
        ["traces"],
        ["traces", "nothing"],
        ["traces", "show"],
        ["traces", "export", "--format", "xlsx"],
        ["traces", "tail", "--limit", "0"],
        ["traces", "show", UNKNOWN_ID, "--operator", "no address"],
        ["traces", "export", "--json"],
    ],
)
def test_wrong_usage_is_2(weighbridge: Weighbridge, words: list[str]) -> None:
    done = weighbridge(*words)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["traces", "tail"],
        ["traces", "show", UNKNOWN_ID],
        ["traces", "sql", "SELECT 1"],
        ["traces", "export"],
    ],
)
def test_an_operator_that_is_not_there_is_3_and_named(weighbridge: Weighbridge, words: list[str]) -> None:
    done = weighbridge(*words, env={"WEIGHBRIDGE_OPERATOR": "127.0.0.1:1"})
    assert (done.returncode, done.stdout) == (3, b"")
    assert b"127.0.0.1:1" in done.stderr


def test_show_gives_one_object_with_everything(weighbridge: Weighbridge, plane: OperatorPlane) -> None:
    record = exchange(
        guard_events=[guard_event()], tags={"env": "prod"}, request_body='{"messages":[]}', response_body="{}"
    )
    plane.append([record])
    done = weighbridge("traces", "show", record.id, "--json", "--operator", plane.address)
    assert done.returncode == 0, done.stderr
    shown = orjson.loads(done.stdout)
    assert shown["id"] == record.id
    assert (shown["status"], shown["model_requested"], shown["cost_nanousd"]) == (200, "gpt-4o-mini", 31_500)
    assert shown["tags"] == {"env": "prod"}
    assert [one["provider"] for one in shown["attempts"]] == ["openai"]
    assert [one["rule"] for one in shown["guard_events"]] == ["no-keys"]
    assert shown["bodies"] == {"request_body": '{"messages":[]}', "response_body": "{}"}


def test_show_waits_for_what_is_on_its_way(weighbridge: Weighbridge, plane: OperatorPlane) -> None:
    record = exchange()
    later = threading.Timer(0.4, lambda: plane.append([record]))
    later.start()
    try:
        assert weighbridge("traces", "show", record.id, "--operator", plane.address).returncode == 0
    finally:
        later.join()


def test_show_for_people_has_every_column_and_money_in_dollars(weighbridge: Weighbridge, plane: OperatorPlane) -> None:
    priced = exchange(guard_events=[guard_event()], response_body='{"choices":[]}', model_served="m\x1b[2J")
    unpriced = exchange(cost_nanousd=None)
    plane.record(priced, unpriced)
    done = weighbridge("traces", "show", priced.id, "--operator", plane.address)
    lines = dict(re.split(r" +", line, maxsplit=1) for line in done.stdout.decode().split("\n\n")[0].splitlines())
    _, columns = plane.get(f"/api/exchanges/{priced.id}")
    names = {name.replace("_nanousd", "_usd") for name in columns} - {
        "attempts",
        "guard_events",
        "bodies",
        "feedback",
        "mirrors",
        "timeline",
    }
    assert set(lines) == names
    assert lines["cost_usd"] == "$0.0000315"
    assert lines["model_served"] == "m\\x1b[2J"
    assert b"\nattempts\nnumber  started_at" in done.stdout
    assert b"no-keys" in done.stdout
    assert b'\nresponse_body\n{"choices":[]}\n' in done.stdout
    done = weighbridge("traces", "show", unpriced.id, "--operator", plane.address)
    assert b"cost_usd             unknown" in done.stdout


def test_show_of_an_unknown_exchange_is_1_after_a_short_wait(weighbridge: Weighbridge, plane: OperatorPlane) -> None:
    start = time.monotonic()
    done = weighbridge("traces", "show", UNKNOWN_ID, "--json", "--operator", plane.address)
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"No exchange has this id." in done.stderr
    assert time.monotonic() - start >= 2
    for odd in ("../status", "a/b", "%2e", "\n"):
        assert weighbridge("traces", "show", odd, "--operator", plane.address).returncode == 1
    done = weighbridge("traces", "show", "no-id", "--operator", plane.address)
    assert (done.returncode, done.stderr) == (1, b"weighbridge: An exchange's id is a UUID.\n")


def test_sql_gives_a_list_of_objects_with_plain_numbers(weighbridge: Weighbridge, plane: OperatorPlane) -> None:
    query = """
        SELECT toInt64(-9007199254740993) AS small, 18446744073709551615 AS big, 0.5 AS half, NULL AS nothing,
            'x' AS text
    """
    done = weighbridge("traces", "sql", "--json", query, env={"WEIGHBRIDGE_OPERATOR": plane.address})
    assert done.returncode == 0, done.stderr
    assert orjson.loads(done.stdout) == [
        {"small": -9_007_199_254_740_993, "big": 18_446_744_073_709_551_615, "half": 0.5, "nothing": None, "text": "x"}
    ]
    done = weighbridge("traces", "sql", "--json", "SELECT * FROM exchanges WHERE 0", "--operator", plane.address)
    assert orjson.loads(done.stdout) == []


def test_sql_for_people_is_a_table_even_without_rows(weighbridge: Weighbridge, plane: OperatorPlane) -> None:
    done = weighbridge("traces", "sql", "-", "--operator", plane.address, given=b"SELECT 1 AS a, 'text' AS b")
    assert done.stdout == b"a  b\n1  text\n"
    done = weighbridge(
        "traces", "sql", "SELECT 1 AS a, cost_nanousd FROM exchanges LIMIT 0", "--operator", plane.address
    )
    assert done.stdout == b"a  cost_usd\n"


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT * FROM no_such_table", b"no_such_table"),
        ("SELECT FROM WHERE", b"Syntax error"),
        ("INSERT INTO exchanges SELECT * FROM exchanges", b""),
        ("SELECT * FROM file('/etc/passwd', LineAsString)", b""),
        (" ", b"query"),
    ],
)
def test_sql_that_the_store_refuses_is_1_with_its_words(
    weighbridge: Weighbridge, plane: OperatorPlane, query: str, said: bytes
) -> None:
    done = weighbridge("traces", "sql", "--json", query, "--operator", plane.address)
    assert (done.returncode, done.stdout) == (1, b"")
    assert said in done.stderr
    assert done.stderr.startswith(b"weighbridge: ")


def test_export_writes_json_lines(weighbridge: Weighbridge, plane: OperatorPlane, tmp_path: Path) -> None:
    ids = plane.record(*(exchange(session_id="export") for _ in range(3)))
    target = tmp_path / "exchanges.jsonl"
    done = weighbridge("traces", "export", "--since", "1h", "-o", str(target), "--json", "--operator", plane.address)
    assert done.returncode == 0, done.stderr
    assert orjson.loads(done.stdout) == {"file": str(target), "format": "jsonl", "bytes": target.stat().st_size}
    rows = [orjson.loads(line) for line in target.read_bytes().splitlines()]
    assert [row["id"] for row in rows if row["session_id"] == "export"] == ids
    assert list(tmp_path.iterdir()) == [target]
    assert weighbridge("traces", "export", "--since", "1h", "--operator", plane.address).stdout.count(b"\n") >= 3


def test_export_with_bodies_and_filters(weighbridge: Weighbridge, plane: OperatorPlane) -> None:
    first, second, _ = plane.record(
        exchange(session_id="bodied", request_body='{"a":1}', response_body="{}", tags={"env": "prod"}),
        exchange(session_id="bodied", status=429, error_code="rate_limited"),
        exchange(session_id="not-this"),
    )
    asked = ("traces", "export", "--bodies", "--session", "bodied", "--operator", plane.address)
    rows = [orjson.loads(line) for line in weighbridge(*asked).stdout.splitlines()]
    assert [row["id"] for row in rows] == [first, second]
    assert [(row["request_body"], row["response_body"]) for row in rows] == [('{"a":1}', "{}"), (None, None)]
    rows = [orjson.loads(line) for line in weighbridge(*asked, "--failed").stdout.splitlines()]
    assert [row["id"] for row in rows] == [second]
    rows = [orjson.loads(line) for line in weighbridge(*asked, "--tag", "env=prod").stdout.splitlines()]
    assert [row["id"] for row in rows] == [first]


def test_export_of_examples_says_what_it_leaves_out(
    weighbridge: Weighbridge, plane: OperatorPlane, tmp_path: Path
) -> None:
    asked = '{"model":"m","messages":[{"role":"user","content":"hi"}]}'
    said = '{"choices":[{"index":0,"message":{"role":"assistant","content":"Hello."},"finish_reason":"stop"}]}'
    plane.record(
        exchange(session_id="tuned", request_body=asked, response_body=said),
        exchange(session_id="tuned", request_body=asked, response_body=said[:40]),
        exchange(session_id="tuned"),
        exchange(session_id="tuned", status=500, error_code="internal_error"),
    )
    words = ("traces", "export", "--session", "tuned", "--operator", plane.address)
    wanted = {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "Hello."}]}
    for file_format in ("openai-finetune", "anthropic-finetune"):
        done = weighbridge(*words, "--format", file_format)
        assert [orjson.loads(line) for line in done.stdout.splitlines()] == [wanted]
        assert b"1 examples written; 3 calls left out" in done.stderr
    target = tmp_path / "examples.jsonl"
    done = weighbridge(*words, "--format", "openai-finetune", "-o", str(target), "--json")
    told = orjson.loads(done.stdout)
    assert (told["examples"], told["bytes"]) == (1, target.stat().st_size)
    assert told["left_out"] == {"answer cut": 1, "request not captured": 1, "failed": 1}


def test_export_writes_parquet_that_can_be_read(weighbridge: Weighbridge, plane: OperatorPlane, tmp_path: Path) -> None:
    [exchange_id] = plane.record(exchange(tags={"env": "prod"}, cost_nanousd=None))
    done = weighbridge("traces", "export", "--format", "parquet", "--operator", plane.address)
    assert done.returncode == 0, done.stderr
    [row] = [row for row in read_parquet(done.stdout, tmp_path) if row["id"] == exchange_id]
    assert (row["status"], row["cost_nanousd"], row["cache"]) == (200, None, "off")
    assert row["started_at"] > "2024"
    assert row["tags"] == {"env": "prod"}


def test_export_that_fails_leaves_no_file(weighbridge: Weighbridge, plane: OperatorPlane, tmp_path: Path) -> None:
    target = tmp_path / "exchanges.jsonl"
    done = weighbridge("traces", "export", "--since", "soon", "-o", str(target), "--operator", plane.address)
    assert (done.returncode, list(tmp_path.iterdir())) == (1, [])
    assert b"'since' must be an age" in done.stderr
    absent = tmp_path / "absent" / "exchanges.jsonl"
    done = weighbridge("traces", "export", "-o", str(absent), "--operator", plane.address)
    assert done.returncode == 1
    assert str(absent).encode() in done.stderr


def start_tail(plane: OperatorPlane, *words: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "gateway", "traces", "tail", "--operator", plane.address, *words]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_tail_as_json_with_a_limit_is_one_list(plane: OperatorPlane) -> None:
    # Of one session: what other tests have sent may still be on its way.
    process = start_tail(plane, "--json", "--limit", "3", "--session", "tailed")
    sent: list[str] = []

    def ended() -> bool | None:
        record = exchange(session_id="tailed")
        sent.append(record.id)
        # One after the other: of a flood, the command would lose some, and say so.
        plane.record(exchange(session_id="other"), record)
        return None if process.poll() is None else True

    until(ended)
    out, errors = process.communicate()
    assert (process.returncode, errors) == (0, b"")
    seen = orjson.loads(out)
    assert len(seen) == 3
    assert [row["id"] for row in seen] == [one for one in sent if one in {row["id"] for row in seen}]
    assert set(seen[0]) >= {"started_at", "status", "cost_nanousd", "model_requested"}
    assert not set(seen[0]) & {"arrived_us", "ingested_at", "started_us"}


def test_tail_for_people_shows_a_line_an_exchange_as_it_comes(plane: OperatorPlane) -> None:
    process = start_tail(plane)
    assert process.stdout
    assert process.stdout.readline().split()[:2] == [b"started_at", b"id"]
    record = exchange(cost_nanousd=None)
    plane.append([record])
    line = process.stdout.readline()
    while record.id.encode() not in line:
        line = process.stdout.readline()
    assert b" unknown " in line
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, b"")


def test_tail_as_json_is_an_object_a_line(plane: OperatorPlane) -> None:
    process = start_tail(plane, "--json")
    assert process.stdout
    timer = threading.Event()
    record = exchange(session_id="line")

    def feed() -> None:
        while not timer.wait(0.05):
            plane.append([msgspec.structs.replace(record, id=exchange().id)])

    feeding = threading.Thread(target=feed)
    feeding.start()
    try:
        rows = [orjson.loads(process.stdout.readline()) for _ in range(2)]
    finally:
        timer.set()
        feeding.join()
    assert all(isinstance(row["status"], int) for row in rows)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 0


def test_a_tail_whose_operator_goes_away_is_3(tmp_path: Path) -> None:
    plane = OperatorPlane(tmp_path)
    process = start_tail(plane)
    assert process.stdout
    process.stdout.readline()
    assert plane.stop() == 0
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 3
    assert plane.address.encode() in errors
