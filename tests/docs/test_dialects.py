"""The page about dialects shows what the adapters say of themselves."""

from __future__ import annotations

import re

from gateway.wire.capabilities import table
from tests.architecture.sources import ROOT
from tests.support.golden import WRITES

PAGE = ROOT / "docs" / "dialects.md"
TABLE = re.compile(r"(<!-- table: [^\n]* -->\n)(.*)(<!-- end of table -->\n)", re.DOTALL)


def test_the_table_is_what_the_adapters_say() -> None:
    found = TABLE.search(PAGE.read_text())
    assert found is not None
    if WRITES:
        PAGE.write_text(TABLE.sub(lambda match: f"{match[1]}\n{table()}\n{match[3]}", PAGE.read_text()))
        found = TABLE.search(PAGE.read_text())
        assert found is not None
    assert found[2].strip() == table().strip(), "run this test once with WEIGHBRIDGE_GOLDEN=write"
