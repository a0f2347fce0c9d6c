from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest

from tests.cli.conftest import Weighbridge
from tests.support.operator_plane import OperatorPlane, exchange

TODAY = datetime.now(UTC).replace(hour=0, minute=30, second=0, microsecond=0)
YESTERDAY = TODAY - timedelta(days=1)
DAY = YESTERDAY.date().isoformat()

PEOPLE = (Path(__file__).parents[1] / "golden" / "spend" / "reconcile.txt").read_text()


@pytest.fixture(scope="module")
def spent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorPlane]:
    plane = OperatorPlane(tmp_path_factory.mktemp("billed"))
    at = {"started_us": round(YESTERDAY.timestamp() * 1_000_000)}
    old = {"model_served": "gpt-4o-2024-08-06", **at}
    plane.record(
        exchange(cost_nanousd=500_000_000, **old),
        exchange(cost_nanousd=500_000_000, **old),
        exchange(cost_nanousd=1_000_000_000, usage_source="estimated", **old),
        exchange(cost_nanousd=None, **old),
        exchange(cost_nanousd=500_000_000, model_served="gpt-4o-mini-2024-07-18", **at),
        exchange(cost_nanousd=7, model_served="claude-haiku-4-5-20251001", provider="claude", **at),
    )
    yield plane
    assert plane.stop() == 0


def openai_bill(folder: Path, mini: str = "0.25") -> Path:
    start = int(YESTERDAY.timestamp()) // 86_400 * 86_400
    rows = (
        ("2.1", "gpt-4o, input"),
        (mini, "gpt-4o-mini, input"),
        ("0.25", "gpt-4o-mini, output"),
        ("1", "o1, output"),
    )
    file = folder / "costs.csv"
    lines = [f'{start},{start + 86_400},{amount},usd,"{item}"\n' for amount, item in rows]
    file.write_text("\ufeffstart_time,end_time,amount_value,amount_currency,line_item\n" + "".join(lines))
    return file


def test_help_has_an_example(weighbridge: Weighbridge) -> None:
    done = weighbridge("spend", "reconcile", "--help")
    assert done.returncode == 0
    assert b"example:\n  weighbridge spend reconcile costs.csv --max-difference 1%" in done.stdout


def test_people_see_each_model_and_day_and_the_error_bar(
    weighbridge: Weighbridge, spent: OperatorPlane, tmp_path: Path
) -> None:
    done = weighbridge("spend", "reconcile", str(openai_bill(tmp_path)), "--operator", spent.address)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode().replace(DAY, "DAY") == PEOPLE


def test_a_pipeline_fails_when_the_difference_is_too_large(
    weighbridge: Weighbridge, spent: OperatorPlane, tmp_path: Path
) -> None:
    bill = str(openai_bill(tmp_path))
    asked = ("spend", "reconcile", bill, "--json", "--operator", spent.address)
    assert weighbridge(*asked, "--max-difference", "100%").returncode == 0
    done = weighbridge(*asked, "--max-difference", "40%")
    assert done.returncode == 1
    assert done.stderr == b"weighbridge: o1 differs by -100.00%, more than 40%\n"
    answer = orjson.loads(done.stdout)
    assert answer["form"] == "OpenAI costs"
    assert answer["total"]["difference_nanousd"] == -1_100_000_000
    assert weighbridge(*asked, "--max-difference", "lots").returncode == 2


def test_anthropics_names_are_matched(weighbridge: Weighbridge, spent: OperatorPlane, tmp_path: Path) -> None:
    file = tmp_path / "claude.csv"
    file.write_text(f"usage_date_utc,model,token_type,cost_usd\n{DAY},Claude Haiku 4.5,output,0.000000007\n")
    done = weighbridge(
        "spend", "reconcile", str(file), "--json", "--max-difference", "0%", env={"WEIGHBRIDGE_OPERATOR": spent.address}
    )
    assert done.returncode == 0, done.stderr
    assert orjson.loads(done.stdout)["providers"] == ["claude"]
    csv = weighbridge("spend", "reconcile", str(file), "--csv", "--operator", spent.address).stdout.decode()
    assert csv.splitlines()[1].startswith(f"{DAY},claude-haiku-4-5,0.000000007,0.000000007,0.00,")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            b"date,model,amount\n2026-11-01,m,1\n2026-11-01,m,a lot\n2026-11-01\n",
            b":3: amount is no amount such as 12.34",
        ),
        (b"date,model,amount\n2026-11-01,m,1\n2026-11-01,m,a lot\n2026-11-01\n", b":4: has 1 values, the header has 3"),
        (b"date,model,amount\n2026-11-01,m,x\n", b"nothing was compared"),
        (b"date,model,amount_eur\n2026-11-01,m,1\n", b"another currency"),
        (b"date,model,amount\n", b"no line below the header"),
        (b"\xff\xfe", b"is no text in UTF-8"),
    ],
)
def test_what_cannot_be_read_is_told_and_nothing_is_compared(
    weighbridge: Weighbridge, spent: OperatorPlane, tmp_path: Path, text: bytes, said: bytes
) -> None:
    file = tmp_path / "bill.csv"
    file.write_bytes(text)
    done = weighbridge("spend", "reconcile", str(file), "--operator", spent.address)
    assert (done.returncode, done.stdout) == (1, b"")
    assert said in done.stderr


def test_a_bill_that_is_not_there(weighbridge: Weighbridge, spent: OperatorPlane, tmp_path: Path) -> None:
    done = weighbridge("spend", "reconcile", str(tmp_path / "none.csv"), "--operator", spent.address)
    assert done.returncode == 1
    assert b"No such file" in done.stderr
    done = weighbridge("spend", "reconcile", "x", "--same", "one", "--operator", spent.address)
    assert done.returncode == 2
