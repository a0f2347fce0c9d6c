"""The arithmetic of check digits, and of dates inside of numbers. Everything takes strings of ASCII digits."""

from __future__ import annotations

from collections.abc import Sequence
from operator import mul

_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
_MONTH_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
# Verhoeff: the dihedral group of ten elements, and the permutation's powers.
_DIHEDRAL = (
    "0123456789", "1234067895", "2340178956", "3401289567", "4012395678",
    "5987604321", "6598710432", "7659821043", "8765932104", "9876543210",
)  # fmt: skip
_PERMUTED = (
    "0123456789", "1576283094", "5803796142", "8916043527", "9453126870", "4286573901", "2793806415", "7046913258",
)  # fmt: skip


def weighted(digits: str, weights: Sequence[int]) -> int:
    """Return the sum of digits times weights; what has no weight does not count."""
    return sum(map(mul, map(int, digits), weights))


def luhn(digits: str) -> bool:
    """Whether the last digit is Luhn's check digit of the others."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        total += _DOUBLED[int(digit)] if place & 1 else int(digit)
    return total % 10 == 0


def verhoeff(digits: str) -> bool:
    """Whether the last digit is Verhoeff's check digit of the others."""
    check = 0
    for place, digit in enumerate(reversed(digits)):
        check = int(_DIHEDRAL[check][int(_PERMUTED[place % 8][int(digit)])])
    return check == 0


def mod_11_10(digits: str) -> bool:
    """ISO 7064, modulus 11,10."""
    check = 5
    for digit in digits:
        check = ((check or 10) * 2 % 11 + int(digit)) % 10
    return check == 1


def mod_11_2(digits: str) -> bool:
    """ISO 7064, modulus 11-2; the last character may be ``X``."""
    check = 0
    for digit in digits[:-1]:
        check = (check + int(digit)) * 2 % 11
    return (check + (10 if digits[-1] == "X" else int(digits[-1]))) % 11 == 1


def mod_97_10(text: str) -> bool:
    """ISO 7064, modulus 97-10, over digits and capital letters."""
    return int("".join([char if char <= "9" else str(ord(char) - 55) for char in text])) % 97 == 1


def is_day(month: int, day: int) -> bool:
    """Whether some year has such a day."""
    return 1 <= month <= 12 and 1 <= day <= _MONTH_DAYS[month - 1]


def yymmdd(digits: str) -> bool:
    """Whether six digits are a day, year first."""
    return is_day(int(digits[2:4]), int(digits[4:6]))


def ddmmyy(digits: str) -> bool:
    """Whether six digits are a day, day first."""
    return is_day(int(digits[2:4]), int(digits[:2]))


def yyyymmdd(digits: str) -> bool:
    """Whether eight digits are a day on which somebody who lives may have been born."""
    return "1890" <= digits[:4] <= "2099" and is_day(int(digits[4:6]), int(digits[6:8]))
