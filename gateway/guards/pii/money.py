"""Payment cards, bank accounts and banks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from gateway.guards.pii.arithmetic import luhn, mod_97_10
from gateway.guards.pii.codes import COUNTRIES
from gateway.guards.pii.framing import compact, framed, is_piece
from gateway.guards.validators import Before, Check

# Who issues: first and last beginning, and the lengths that such cards have. Six digits each.
_ISSUERS: tuple[tuple[int, int, frozenset[int]], ...] = tuple(
    (int(first.ljust(6, "0")), int(last.ljust(6, "9")), frozenset(lengths))
    for first, last, lengths in (
        ("4", "4", (16, 19)),  # Visa
        ("51", "55", (16,)),  # Mastercard
        ("2221", "2720", (16,)),
        ("34", "34", (15,)),  # American Express
        ("37", "37", (15,)),
        ("6011", "6011", (16, 19)),  # Discover
        ("644", "659", (16, 19)),
        ("300", "305", (14, 16, 19)),  # Diners Club
        ("3095", "3095", (14, 16, 19)),
        ("36", "36", (14, 16, 19)),
        ("38", "39", (14, 16, 19)),
        ("3528", "3589", (16, 17, 18, 19)),  # JCB
        ("62", "62", (16, 17, 18, 19)),  # UnionPay
        ("810", "817", (16, 17, 18, 19)),
        ("2200", "2204", (16, 17, 18, 19)),  # Mir
        ("508500", "508999", (16,)),  # RuPay
        ("606985", "607984", (16,)),
        ("608001", "608500", (16,)),
        ("5018", "5018", (16, 18, 19)),  # Maestro
        ("5020", "5020", (16, 18, 19)),
        ("5038", "5038", (16, 18, 19)),
        ("5893", "5893", (16, 18, 19)),
        ("6304", "6304", (16, 18, 19)),
        ("6759", "6763", (16, 18, 19)),
        ("5019", "5019", (16,)),  # Dankort
        ("506099", "506198", (16, 18, 19)),  # Verve
        ("5067", "5067", (16,)),  # Elo
        ("636297", "636297", (16,)),
        ("636368", "636369", (16,)),
        ("606282", "606282", (16,)),  # Hipercard
        ("9792", "9792", (16,)),  # Troy
    )
)
_GROUP = re.compile("[0-9]+")
_GROUPINGS = frozenset(((4, 6, 5), (4, 6, 4), (6, 13)))
_IBAN_BEGIN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}[0-9]{2}")
_BIC = re.compile("[A-Z]{4}([A-Z]{2})[A-Z0-9]{2}(?:[A-Z0-9]{3})?")
_BIC_CHARS = 11
# The structure of national account numbers: digits (n), letters (a), either (c).
_STRUCTURES = """
AD8n12c AE19n AL8n16c AT16n AZ4a20c BA16n BE12n BG4a6n8c BH4a14c BI23n BR23n1a1c BY4c4n16c CH5n12c CR18n CY8n16c
CZ20n DE18n DJ23n DK14n DO4c20n EE16n EG25n ES20n FI14n FK2a12n FO14n FR10n11c2n GB4a14n GE2a16n GI4a15c GL14n
GR7n16c GT24c HN4a20n HR17n HU24n IE4a14n IL19n IQ4a15n IS22n IT1a10n12c JO4a4n18c KW4a22c KZ3n13c LB4n20c LC4a24c
LI5n12c LT16n LU3n13c LV4a13c LY21n MC10n11c2n MD20c ME18n MK3n10c2n MN16n MR23n MT4a5n18c MU4a19n3a NI4a20n
NL4a10n NO11n OM3n16c PK4a16c PL24n PS4a21c PT21n QA4a21c RO4a16c RS18n RU14n15c SA2n18c SC4a20n3a SD14n SE20n
SI15n SK20n SM1a10n12c SO19n ST21n SV4a20n TL19n TN20n TR6n16c UA6n19c VA18n VG4a16n XK16n YE4a4n18c
"""
_CLASSES = {"n": "[0-9]", "a": "[A-Z]", "c": "[A-Z0-9]"}
_ACCOUNTS = {entry[:2]: entry[2:] for entry in _STRUCTURES.split()}


def card(digits: str) -> bool:
    """Whether digits are a card's: an issuer's beginning, a length that it has, Luhn's digit."""
    begin, size = int(digits[:6]), len(digits)
    return any(low <= begin <= high and size in sizes for low, high, sizes in _ISSUERS) and luhn(digits)


def iban(text: str) -> bool:
    """Whether a compact text in capital letters is an account: its country's structure and the check digits."""
    country = text[:2]
    if country not in _ACCOUNTS or not text[2:4].isdigit() or not _account(country).fullmatch(text, 4):
        return False
    return mod_97_10(text[4:] + text[:4])


@cache
def _account(country: str) -> re.Pattern[str]:
    parts = re.findall(r"(\d+)([nac])", _ACCOUNTS[country])
    return re.compile("".join([f"{_CLASSES[kind]}{{{count}}}" for count, kind in parts]))


def bic(text: str) -> bool:
    """Whether a text may be a bank's code: its country exists."""
    found = _BIC.fullmatch(text)
    return found is not None and found[1] in COUNTRIES


class CardCheck(Check, frozen=True, kw_only=True):
    """A card's number within a run of digits: in one piece, or in the groups that cards are printed in."""

    before: Before = ""

    def narrow(self, text: str, start: int, end: int) -> tuple[int, int] | None:
        """See :meth:`gateway.guards.validators.Check.narrow`."""
        start, end = framed(text, start, end)
        groups = [found.span() for found in _GROUP.finditer(text, start, end)]
        for place, (begin, _) in enumerate(groups):
            rest = groups[place:]
            digits = "".join([text[low:high] for low, high in rest])
            if len(digits) < 14:
                return None
            if _printed(text, rest) and card(digits) and not is_piece(text, begin):
                return begin, end
        return None


def _printed(text: str, groups: list[tuple[int, int]]) -> bool:
    sizes = tuple(high - low for low, high in groups)
    if len(sizes) == 1:
        return True
    if len({text[high] for _, high in groups[:-1]}) > 1:
        return False
    return sizes in _GROUPINGS or (all(size == 4 for size in sizes[:-1]) and sizes[-1] <= 4)


class IbanCheck(Check, frozen=True, kw_only=True):
    """An account within a run of letters and digits, however it is grouped."""

    before: Before = ""

    def narrow(self, text: str, start: int, end: int) -> tuple[int, int] | None:
        """See :meth:`gateway.guards.validators.Check.narrow`."""
        start, end = framed(text, start, end)
        for begin in _beginnings(text, start, end):
            if iban(compact(text[begin:end]).upper()):
                return begin, end
        return None


def _beginnings(text: str, start: int, end: int) -> Iterator[int]:
    yield start
    for found in _IBAN_BEGIN.finditer(text, start + 1, end):
        yield found.start()


class BicBesideIban(Check, frozen=True, kw_only=True):
    """A bank's code right behind an account (or before it, where ``ahead``)."""

    before: Before = ""
    ahead: bool = False

    def narrow(self, text: str, start: int, end: int) -> tuple[int, int] | None:
        """See :meth:`gateway.guards.validators.Check.narrow`."""
        start, end = framed(text, start, end)
        if self.ahead:
            return self._ahead(text, start, end)
        for size in (_BIC_CHARS, _BIC_CHARS - 3):
            begin = end - size
            if begin > start and not text[begin - 1].isalnum() and bic(text[begin:end]):
                account = text[start:begin].upper().removesuffix("BIC").rstrip(" ,;:/|\t\n\r(\"'")
                account = account.removesuffix("BIC").rstrip(" ,;:/|\t\n\r(\"'")
                if any(iban(compact(account[at - start :])) for at in _beginnings(text, start, begin)):
                    return begin, end
        return None

    @staticmethod
    def _ahead(text: str, start: int, end: int) -> tuple[int, int] | None:
        for size in (_BIC_CHARS, _BIC_CHARS - 3):
            stop = start + size
            if stop < end and not text[stop].isalnum() and bic(text[start:stop]):
                return start, stop
        return None


MONEY: dict[str, Check] = {
    "card": CardCheck(),
    "iban": IbanCheck(),
    "bic_behind_iban": BicBesideIban(),
    "bic_before_iban": BicBesideIban(ahead=True),
}
