from __future__ import annotations

import pytest
from weighbridge_tickets import PLUGIN, TicketDetector, TicketOptions

from gateway.plugin import PieceDetector
from gateway.plugin.testing import check_piece

TEXTS = ["see SEC-4312.", "SEC-1 OPS-2", "XSEC-1 SEC-1x SEC-12345678 SEC- S SE", "a-SEC-1 SEC-1-a", "OPS-9"]


def detector(*projects: str) -> PieceDetector:
    (kind,) = PLUGIN.detectors
    made = kind.build("tickets", TicketOptions(projects=projects))
    assert isinstance(made, TicketDetector)
    return made


def test_ticket_numbers_are_found() -> None:
    tickets = detector("SEC", "OPS")
    found = [text[each.start : each.end] for text in TEXTS for each in tickets.find(text)]
    assert found == ["SEC-4312", "SEC-1", "OPS-2", "OPS-9"]


def test_it_keeps_the_contract() -> None:
    check_piece(detector("SEC", "OPS"), TEXTS)
    check_piece(detector("SEC", "SEC2"), [*TEXTS, "SEC2-77 SEC-7"])


def test_words_that_cannot_begin_a_ticket_are_not_held() -> None:
    tickets = detector("SEC")
    assert tickets.pending("some words", 0) == len("some words")
    assert tickets.pending("some SE", 0) == len("some ")


@pytest.mark.parametrize("projects", [(), ("sec",), ("A|B",)])
def test_projects_that_cannot_be_are_refused(projects: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="project"):
        detector(*projects)
