"""Travel documents that machines read (ICAO 9303), and numbers of patients and doctors."""

from __future__ import annotations

import re
from collections.abc import Callable

from gateway.guards.pii.arithmetic import luhn, weighted
from gateway.guards.pii.europe import document_check

_BREAK = re.compile(r"(?:\\r|\\n|[\r\n])+")
# The checked fields of the line that holds the number: begin, end behind the check digit.
_PASSPORT_FIELDS = ((0, 10), (13, 20), (21, 28))
_CARD_FIELDS = ((5, 15),)
_CARD_DATES = ((0, 7), (8, 15))


def machine_readable(text: str) -> bool:
    """Whether the lines of a passport, visa or card agree with their check digits."""
    lines = [line for line in _BREAK.split(text) if line]
    if len(lines[0]) == 30:
        return _fields(lines[0], _CARD_FIELDS) and _fields(lines[1], _CARD_DATES)
    return _fields(lines[-1], _PASSPORT_FIELDS)


def _fields(line: str, fields: tuple[tuple[int, int], ...]) -> bool:
    return all(document_check(line[begin:end]) for begin, end in fields)


def passport(n: str) -> bool:
    """What most countries' passports have: letters in front or mixed in, but digits among them."""
    return sum(char.isdigit() for char in n) >= 3 and len(set(n)) > 2


def npi(n: str) -> bool:
    """National Provider Identifier of the United States."""
    return n[0] in "12" and luhn("80840" + n)


def mbi(n: str) -> bool:
    """Medicare Beneficiary Identifier of the United States; the expression says it all."""
    return len(set(n)) > 3


def dea(n: str) -> bool:
    """Registration of a prescriber with the DEA of the United States."""
    total = weighted(n[2:8:2], (1, 1, 1)) + 2 * weighted(n[3:8:2], (1, 1, 1))
    return str(total % 10) == n[8]


def nhs(n: str) -> bool:
    """NHS number of England, Wales and the Isle of Man."""
    return len(set(n)) > 1 and -weighted(n, range(10, 1, -1)) % 11 == int(n[9])


def kvnr(n: str) -> bool:
    """Krankenversichertennummer of Germany."""
    digits = f"{ord(n[0]) - 64:02}{n[1:9]}"
    total = sum(sum(divmod(int(digit) * weight, 10)) for digit, weight in zip(digits, (1, 2) * 5, strict=True))
    return str(total % 10) == n[9]


def medicare(n: str) -> bool:
    """Medicare card of Australia: ten digits, or eleven with the person's place on the card."""
    return n[0] in "23456" and str(weighted(n, (1, 3, 7, 9, 1, 3, 7, 9)) % 10) == n[8]


def ohip(n: str) -> bool:
    """Health card of Ontario."""
    return n[0] != "0" and luhn(n[:10]) and len(set(n)) > 2


def nhi(n: str) -> bool:
    """National Health Index of New Zealand, its old form (a digit) or its new one (a letter)."""
    letters = "ABCDEFGHJKLMNPQRSTUVWXYZ"
    total = sum((letters.index(char) + 1) * weight for char, weight in zip(n[:3], (7, 6, 5), strict=True))
    total += weighted(n[3:5], (4, 3))
    if n[5].isdigit():
        check = 11 - (total + int(n[5]) * 2) % 11
        return check != 11 and str(check % 10) == n[6]
    check = 24 - (total + (letters.index(n[5]) + 1) * 2) % 24
    return letters[check - 1] == n[6]


PAPERS: dict[str, Callable[[str], bool]] = {
    "passport": passport,
    "npi": npi,
    "mbi": mbi,
    "dea": dea,
    "nhs": nhs,
    "kvnr": kvnr,
    "medicare": medicare,
    "ohip": ohip,
    "nhi": nhi,
}
