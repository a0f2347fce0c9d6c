"""National numbers outside Europe by their own rules. Each function takes a number without separators."""

from __future__ import annotations

from collections.abc import Callable

from gateway.guards.pii.arithmetic import is_day, luhn, mod_11_2, verhoeff, weighted, yymmdd, yyyymmdd

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
# Taiwan and Hong Kong count their letters from ten on; Taiwan in an order of its own.
_TAIWAN = "ABCDEFGHJKLMNPQRSTUVXYWZIO"
_MEXICO = "0123456789ABCDEFGHIJKLMNÑOPQRSTUVWXYZ"
_MEXICO_TAX = "0123456789ABCDEFGHIJKLMN&OPQRSTUVWXYZ Ñ"
_MEXICO_STATES = frozenset(
    (
        *("AS", "BC", "BS", "CC", "CH", "CL", "CM", "CS", "DF", "DG", "GR", "GT", "HG", "JC", "MC", "MN", "MS"),
        *("NE", "NL", "NT", "OC", "PL", "QR", "QT", "SL", "SP", "SR", "TC", "TL", "TS", "VZ", "YN", "ZS"),
    )
)
_MALAYSIA_PLACES_NOT = frozenset((0, 17, 18, 19, 20, 69, 70, 73, 80, 81, 94, 95, 96, 97))


def _plain(n: str) -> bool:
    """A number without a check digit; one digit over and over is none."""
    return len(set(n)) > 2


def argentina_tax(n: str) -> bool:
    """CUIL and CUIT of a person."""
    check = 11 - weighted(n, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
    return n[:2] in {"20", "23", "24", "25", "26", "27"} and int(n[10]) == {11: 0, 10: 9}.get(check, check)


def australia(n: str) -> bool:
    """Tax file number, eight digits or nine."""
    weights = (1, 4, 3, 7, 5, 8, 6, 9, 10) if len(n) == 9 else (10, 7, 8, 4, 6, 3, 5, 1)
    return _plain(n) and weighted(n, weights) % 11 == 0


def brazil(n: str) -> bool:
    """CPF."""
    first = weighted(n, range(10, 1, -1)) * 10 % 11 % 10
    second = weighted(n, range(11, 1, -1)) * 10 % 11 % 10
    return len(set(n)) > 1 and n[9:] == f"{first}{second}"


def canada(n: str) -> bool:
    """Social insurance number."""
    return n[0] not in "08" and luhn(n) and _plain(n)


def chile(n: str) -> bool:
    """RUT; the check character may be K."""
    check = 11 - weighted(n[-2::-1], (2, 3, 4, 5, 6, 7, 2, 3)) % 11
    return n[-1] == {11: "0", 10: "K"}.get(check, str(check))


def china(n: str) -> bool:
    """Resident identity number: region, birthday, serial, check character."""
    return "11" <= n[:2] <= "91" and yyyymmdd(n[6:14]) and mod_11_2(n)


def dominican_republic(n: str) -> bool:
    """Cédula."""
    return _plain(n) and luhn(n)


def ecuador(n: str) -> bool:
    """Cédula: province, kind of person, serial, check digit."""
    return (1 <= int(n[:2]) <= 24 or n[:2] == "30") and n[2] <= "6" and luhn(n)


def egypt(n: str) -> bool:
    """National number: century, birthday, governorate, serial; the check digit's rule is not public."""
    place = int(n[7:9])
    return n[0] in "23" and yymmdd(n[1:7]) and (1 <= place <= 4 or 11 <= place <= 35 or place == 88)


def emirates(n: str) -> bool:
    """Emirates ID: 784, year of birth, serial, Luhn's digit."""
    return n[:3] == "784" and "1890" <= n[3:7] <= "2099" and luhn(n)


def ghana(n: str) -> bool:
    """Ghana card."""
    return _plain(n[3:])


def hong_kong(n: str) -> bool:
    """Identity card: one letter or two, six digits, check character (in brackets)."""
    n = n.replace("(", "").replace(")", "")
    values = [36] if len(n) == 8 else []
    values += [ord(char) - 55 for char in n[:-7]] + [int(digit) for digit in n[-7:-1]]
    check = -sum(value * weight for value, weight in zip(values, range(9, 1, -1), strict=True)) % 11
    return n[-1] == ("A" if check == 10 else str(check))


def india(n: str) -> bool:
    """Aadhaar."""
    return n[0] > "1" and n != n[::-1] and verhoeff(n)


def india_tax(n: str) -> bool:
    """PAN: the fourth letter says what kind of taxpayer it is; 0000 is never given."""
    return n[3] in "ABCFGHJLPT" and n[5:9] != "0000"


def indonesia(n: str) -> bool:
    """NIK: region, birthday (day + 40 for women), serial."""
    day = int(n[6:8])
    return "11" <= n[:2] <= "96" and is_day(int(n[8:10]), day - 40 if day > 40 else day) and n[12:] != "0000"


def israel(n: str) -> bool:
    """Teudat zehut."""
    return n != "000000000" and luhn(n)


def japan(n: str) -> bool:
    """My Number."""
    rest = weighted(n, (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
    return _plain(n) and int(n[11]) == (0 if rest <= 1 else 11 - rest)


def korea(n: str) -> bool:
    """Resident registration number; those given since October 2020 have no check digit."""
    return yymmdd(n) and "1" <= n[6] <= "8"


def malaysia(n: str) -> bool:
    """MyKad: birthday, place of birth, serial."""
    return yymmdd(n) and int(n[6:8]) not in _MALAYSIA_PLACES_NOT and n[8:] != "0000"


def mexico(n: str) -> bool:
    """CURP."""
    check = -sum(_MEXICO.index(char) * weight for char, weight in zip(n[:17], range(18, 1, -1), strict=True)) % 10
    return yymmdd(n[4:10]) and n[11:13] in _MEXICO_STATES and str(check) == n[17]


def mexico_tax(n: str) -> bool:
    """RFC of a person."""
    check = -sum(_MEXICO_TAX.index(char) * weight for char, weight in zip(n[:12], range(13, 1, -1), strict=True)) % 11
    return yymmdd(n[4:10]) and n[12] == ("A" if check == 10 else str(check))


def new_zealand(n: str) -> bool:
    """IRD number, eight digits or nine."""
    digits = n.zfill(9)
    if not 10_000_000 < int(digits) < 150_000_000:
        return False
    check = -weighted(digits, (3, 2, 7, 6, 5, 4, 3, 2)) % 11
    if check == 10:
        check = -weighted(digits, (7, 4, 3, 2, 5, 2, 7, 6)) % 11
    return str(check) == digits[8]


def pakistan(n: str) -> bool:
    """CNIC: province, serial, sex; no check digit."""
    return "1" <= n[0] <= "8" and _plain(n)


def saudi_arabia(n: str) -> bool:
    """National number or residence permit."""
    return n[0] in "12" and _plain(n) and luhn(n)


def singapore(n: str) -> bool:
    """NRIC and FIN."""
    total = weighted(n[1:8], (2, 7, 6, 5, 4, 3, 2)) + {"T": 4, "G": 4, "M": 3}.get(n[0], 0)
    if n[0] in "ST":
        return "JZIHGFEDCBA"[total % 11] == n[8]
    return ("KLJNPQRTUWX" if n[0] == "M" else "XWUTRQPNMLK")[(10 - total % 11) if n[0] == "M" else total % 11] == n[8]


def south_africa(n: str) -> bool:
    """Identity number: birthday, serial, citizenship, a digit that is 8 or 9, Luhn's digit."""
    return yymmdd(n) and n[10] in "012" and n[11] in "89" and luhn(n)


def taiwan(n: str) -> bool:
    """Identity card, and the resident certificate in its present form."""
    letter = _TAIWAN.index(n[0]) + 10
    total = letter // 10 + letter % 10 * 9 + weighted(n[1:], (8, 7, 6, 5, 4, 3, 2, 1, 1))
    return n[1] in "1289" and total % 10 == 0


def thailand(n: str) -> bool:
    """Identity card."""
    return n[0] != "0" and (11 - weighted(n, range(13, 1, -1)) % 11) % 10 == int(n[12])


def taxpayer(n: str) -> bool:
    """ITIN of the United States: 9, and groups that are given out."""
    group = int(n[3:5])
    return n[0] == "9" and (50 <= group <= 65 or 70 <= group <= 88 or 90 <= group <= 92 or 94 <= group <= 99)


def social_security(n: str) -> bool:
    """SSN of the United States; numbers that were printed in advertisements are nobody's."""
    if n[:3] in {"000", "666"} or n[0] == "9" or n[3:5] == "00" or n[5:] == "0000":
        return False
    return n not in {"078051120", "219099999", "457555462"} and len(set(n)) > 1


def uruguay(n: str) -> bool:
    """Cédula."""
    digits = n.zfill(8)
    return _plain(n) and -weighted(digits, (2, 9, 8, 7, 6, 3, 4)) % 10 == int(digits[7])


def vietnam(n: str) -> bool:
    """Citizen number: province, sex and century, year of birth, serial."""
    return 1 <= int(n[:3]) <= 96 and n[3] <= "3" and _plain(n)


WORLD: dict[str, Callable[[str], bool]] = {
    "plain": _plain, "ar_tax": argentina_tax, "au": australia, "br": brazil, "ca": canada, "cl": chile, "cn": china,
    "do": dominican_republic, "ec": ecuador, "eg": egypt, "ae": emirates, "gh": ghana, "hk": hong_kong, "in": india,
    "in_tax": india_tax, "id": indonesia, "il": israel, "jp": japan, "kr": korea, "my": malaysia, "mx": mexico,
    "mx_tax": mexico_tax, "nz": new_zealand, "pk": pakistan, "sa": saudi_arabia, "sg": singapore, "za": south_africa,
    "tw": taiwan, "th": thailand, "us_itin": taxpayer, "us_ssn": social_security, "uy": uruguay, "vn": vietnam,
}  # fmt: skip
