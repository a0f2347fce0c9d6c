"""National numbers of Europe by their own rules. Each function takes a number without separators, letters capital."""

from __future__ import annotations

import re
from collections.abc import Callable

from gateway.guards.pii.arithmetic import (
    ddmmyy,
    is_day,
    luhn,
    mod_11_10,
    verhoeff,
    weighted,
    yymmdd,
    yyyymmdd,
)

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_BASE36 = "0123456789" + _LETTERS
_CF_ODD = dict(
    zip(
        _BASE36,
        (1, 0, 5, 7, 9, 13, 15, 17, 19, 21) * 2 + (2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23),
        strict=True,
    )
)
_CF_DIGITS = str.maketrans("LMNPQRSTUV", "0123456789")
_CF_MONTHS = "ABCDEHLMPRST"
_DNI = "TRWAGMYFPDXBNJZSQVHLCKE"
_HETU = "0123456789ABCDEFHJKLMNPRSTUVWXY"
_CY_ODD = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21)
_NINO = re.compile(r"(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z][0-9]{6}[A-D]")


def austria(n: str) -> bool:
    """Versicherungsnummer: serial, check digit, birthday (months 13 to 15 when a day's serials ran out)."""
    check = weighted(n, (3, 7, 9, 0, 5, 8, 4, 2, 1, 6)) % 11
    return n[0] != "0" and str(check) == n[3] and is_day(min(int(n[6:8]), 12), int(n[4:6]))


def belgium(n: str) -> bool:
    """Rijksregisternummer, and the bis number of who is not registered (month + 20 or + 40)."""
    month, day = int(n[2:4]) % 20, int(n[4:6])
    if month > 12 or day > 31 or n[6:9] in {"000", "999"} or int(n[2:4]) >= 60:
        return False
    return int(n[9:]) in {97 - int(century + n[:9]) % 97 for century in ("", "2")}


def bulgaria(n: str) -> bool:
    """EGN: month + 20 for births before 1900, + 40 for those from 2000 on."""
    month = int(n[2:4])
    check = weighted(n, (2, 4, 8, 5, 10, 9, 7, 3, 6)) % 11 % 10
    return month // 20 < 3 and is_day(month % 20, int(n[4:6])) and str(check) == n[9]


def croatia(n: str) -> bool:
    """OIB."""
    return mod_11_10(n)


def cyprus(n: str) -> bool:
    """Tax identification code."""
    odd = sum(_CY_ODD[int(digit)] for digit in n[:8:2])
    return n[:2] != "12" and _LETTERS[(odd + weighted(n[1:8:2], (1, 1, 1, 1))) % 26] == n[8]


def czechia(n: str) -> bool:
    """Rodné číslo, of Slovakia too: month + 50 for women, + 20 when a day's serials ran out."""
    month = int(n[2:4]) % 50
    if not is_day(month - 20 if month > 20 else month, int(n[4:6])):
        return False
    # Numbers given until 1953 have nine digits, and no check.
    return int(n[:2]) <= 53 if len(n) == 9 else int(n[:9]) % 11 % 10 == int(n[9])


def denmark(n: str) -> bool:
    """CPR: a birthday and a serial; the check digit is no longer kept to."""
    return ddmmyy(n) and n[6:] != "0000"


def baltic(n: str) -> bool:
    """Isikukood of Estonia and asmens kodas of Lithuania."""
    check = weighted(n, (1, 2, 3, 4, 5, 6, 7, 8, 9, 1)) % 11
    if check == 10:
        check = weighted(n, (3, 4, 5, 6, 7, 8, 9, 1, 2, 3)) % 11 % 10
    return "1" <= n[0] <= "8" and yymmdd(n[1:7]) and str(check) == n[10]


def finland(n: str) -> bool:
    """Henkilötunnus; its century sign may have been a hyphen, and then is gone."""
    digits = n[:6] + n[-4:-1]
    return ddmmyy(n) and n[-4:-1] >= "002" and _HETU[int(digits) % 31] == n[-1]


def france(n: str) -> bool:
    """NIR: sex, year, month, place, serial and key; Corsica has letters."""
    month = int(n[3:5])
    if not (1 <= month <= 12 or 20 <= month <= 42 or month >= 50) or n[5:7] == "00":
        return False
    digits = n[:13].replace("2A", "19").replace("2B", "18") if n[6] in "AB" else n[:13]
    return 97 - int(digits) % 97 == int(n[13:])


def germany(n: str) -> bool:
    """Steuerliche Identifikationsnummer: of the first ten digits, one stands there twice or three times."""
    counts = sorted(n[:10].count(digit) for digit in set(n[:10]))
    return n[0] != "0" and counts[-1] in {2, 3} and (len(counts) == 1 or counts[-2] == 1) and mod_11_10(n)


def germany_pension(n: str) -> bool:
    """Rentenversicherungsnummer: area, birthday, first letter of the name, serial, check digit."""
    digits = n[:8] + f"{_LETTERS.index(n[8]) + 1:02}" + n[9:11]
    total = sum(
        sum(divmod(int(digit) * weight, 10))
        for digit, weight in zip(digits, (2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1), strict=True)
    )
    day = int(n[2:4])
    return is_day(int(n[4:6]), day - 50 if day > 50 else day) and str(total % 10) == n[11]


def document_check(n: str) -> bool:
    """The check digit of machine readable documents, weights 7, 3, 1; the last character."""
    total = sum((_BASE36.find(char) if char != "<" else 0) * (7, 3, 1)[place % 3] for place, char in enumerate(n[:-1]))
    return str(total % 10) == n[-1] or (n[-1] == "<" and not n[:-1].strip("<"))


def greece(n: str) -> bool:
    """AMKA."""
    return ddmmyy(n) and luhn(n)


def hungary(n: str) -> bool:
    """TAJ, nine digits, and adóazonosító jel, ten."""
    if len(n) == 9:
        return str(weighted(n, (3, 7, 3, 7, 3, 7, 3, 7)) % 10) == n[8] and n != "000000000"
    return n[0] == "8" and str(weighted(n, range(1, 10)) % 11) == n[9]


def iceland(n: str) -> bool:
    """Kennitala of a person."""
    return ddmmyy(n) and n[9] in "089" and weighted(n, (3, 2, 7, 6, 5, 4, 3, 2, 1)) % 11 == 0


def ireland(n: str) -> bool:
    """PPS number, with one letter or two."""
    second = _LETTERS.index(n[8]) + 1 if n[8:] and n[8] != "W" else 0
    return "WABCDEFGHIJKLMNOPQRSTUV"[(weighted(n[:7], range(8, 1, -1)) + 9 * second) % 23] == n[7]


def italy(n: str) -> bool:
    """Codice fiscale; digits may have become letters where two people had the same."""
    day = int(n[9:11].translate(_CF_DIGITS))
    if n[8] not in _CF_MONTHS or not is_day(_CF_MONTHS.index(n[8]) + 1, day - 40 if day > 40 else day):
        return False
    even = sum(_BASE36.index(char) - 10 if char > "9" else int(char) for char in n[1:15:2])
    return _LETTERS[(sum(_CF_ODD[char] for char in n[:15:2]) + even) % 26] == n[15]


def latvia(n: str) -> bool:
    """Personas kods; those given since 2017 begin with 32 and hold no birthday."""
    check = (1 + weighted(n, (10, 5, 8, 4, 2, 1, 6, 3, 7, 9))) % 11 % 10
    return (n[:2] == "32" or ddmmyy(n)) and str(check) == n[10]


def luxembourg(n: str) -> bool:
    """Matricule: birthday, serial, Luhn's digit, Verhoeff's digit."""
    return yyyymmdd(n) and luhn(n[:12]) and verhoeff(n[:11] + n[12])


def malta(n: str) -> bool:
    """Identity card number: a serial, never all zeros."""
    return n.strip("0")[:1].isdigit()


def netherlands(n: str) -> bool:
    """Burgerservicenummer."""
    return n != "000000000" and weighted(n, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0


def norway(n: str) -> bool:
    """Fødselsnummer; D numbers have day + 40, synthetic and aid numbers month + 40."""
    day, month = int(n[:2]), int(n[2:4])
    if not is_day(month - 40 if month > 40 else month, day - 40 if day > 40 else day):
        return False
    first = weighted(n, (3, 7, 6, 1, 8, 9, 4, 5, 2, 1)) % 11
    return first == 0 and weighted(n, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1)) % 11 == 0


def poland(n: str) -> bool:
    """PESEL: month + 20 for each century from 2000 on, + 80 before 1900."""
    return is_day(int(n[2:4]) % 20, int(n[4:6])) and weighted(n, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)) % 10 == 0


def poland_tax(n: str) -> bool:
    """NIP."""
    return n != "0000000000" and str(weighted(n, (6, 5, 7, 2, 3, 4, 5, 6, 7)) % 11) == n[9]


def portugal(n: str) -> bool:
    """NIF of a person or a firm."""
    return n[0] != "0" and (11 - weighted(n, range(9, 1, -1)) % 11) % 11 % 10 == int(n[8])


def portugal_card(n: str) -> bool:
    """Cartão de cidadão: number, its check digit, version, check digit over all."""
    total = 0
    for place, char in enumerate(reversed(n)):
        value = _BASE36.index(char) * (2 if place & 1 else 1)
        total += value - 9 if value > 9 and place & 1 else value
    return total % 10 == 0


def romania(n: str) -> bool:
    """CNP: sex and century, birthday, county, serial, check digit."""
    county = int(n[7:9])
    check = weighted(n, (2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9)) % 11
    known = 1 <= county <= 48 or county in {51, 52, 70} or 80 <= county <= 83
    return n[0] != "0" and known and yymmdd(n[1:7]) and int(n[12]) == (1 if check == 10 else check)


def yugoslavia(n: str) -> bool:
    """JMBG, EMŠO: what the countries that were one still use."""
    check = -weighted(n, (7, 6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
    return is_day(int(n[2:4]), int(n[:2])) and n[4] in "089" and str(check % 10) == n[12]


def spain(n: str) -> bool:
    """DNI, and NIE of foreigners."""
    number = int("XYZ".find(n[0]) if n[0] in "XYZ" else n[0]) * 10_000_000 + int(n[1:8])
    return number > 0 and _DNI[number % 23] == n[8]


def sweden(n: str) -> bool:
    """Personnummer, ten digits or twelve; coordination numbers have day + 60."""
    short = n[-10:]
    day = int(short[4:6])
    return (
        (len(n) == 10 or n[:2] in {"18", "19", "20"})
        and is_day(int(short[2:4]), day - 60 if day > 60 else day)
        and luhn(short)
    )


def switzerland(n: str) -> bool:
    """AHV number: an EAN of the country prefix 756."""
    return n[:3] == "756" and weighted(n, (1, 3) * 6 + (1,)) % 10 == 0


def kingdom(n: str) -> bool:
    """National insurance number; no check digit."""
    return _NINO.fullmatch(n) is not None


def ukraine(n: str) -> bool:
    """RNOKPP of a person."""
    return n != "0000000000" and weighted(n, (-1, 5, 7, 9, 4, 6, 10, 5, 7)) % 11 % 10 == int(n[9])


def turkey(n: str) -> bool:
    """T.C. Kimlik No."""
    odd, even = weighted(n[:9:2], (1,) * 5), weighted(n[1:8:2], (1,) * 4)
    return n[0] != "0" and (odd * 7 - even) % 10 == int(n[9]) and weighted(n[:10], (1,) * 10) % 10 == int(n[10])


def russia_insurance(n: str) -> bool:
    """SNILS."""
    check = weighted(n, range(9, 0, -1)) % 101 % 100
    return n[:9] > "001001998" and check == int(n[9:])


def russia(n: str) -> bool:
    """INN of a person, two check digits."""
    first = weighted(n, (7, 2, 4, 10, 3, 5, 9, 4, 6, 8)) % 11 % 10
    second = weighted(n, (3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8)) % 11 % 10
    return n[:2] != "00" and n[10:] == f"{first}{second}"


EUROPE: dict[str, Callable[[str], bool]] = {
    "at": austria, "be": belgium, "bg": bulgaria, "hr": croatia, "cy": cyprus, "cz": czechia, "dk": denmark,
    "ee": baltic, "fi": finland, "fr": france, "de": germany, "de_pension": germany_pension, "de_card": document_check,
    "gr": greece, "hu": hungary, "is": iceland, "ie": ireland, "it": italy, "lv": latvia, "lu": luxembourg,
    "mt": malta, "nl": netherlands, "no": norway, "pl": poland, "pl_tax": poland_tax, "pt": portugal,
    "pt_card": portugal_card, "ro": romania, "yu": yugoslavia, "es": spain, "se": sweden, "ch": switzerland,
    "gb": kingdom, "ua": ukraine, "tr": turkey, "ru": russia, "ru_insurance": russia_insurance,
}  # fmt: skip
