"""What is taken down of a question while it is read: content, numbers, units, dates, code.

Numbers, units and dates are content and facts at once: as content they have a place among the words.
"""

from __future__ import annotations

import re
from decimal import InvalidOperation

from gateway.cache.little_words import words
from gateway.cache.measures import DATES, NUMBERS, SCALES, UNIT_WORDS, UNITS, UNSURE_MONTHS, plain, scaled

# What a word is, besides a word.
PLURAL, NAME, CODE, NUMBER = 1, 2, 4, 8
_MANY = words("mornings evenings afternoons nights weekends summers winters")
_BEFORE_MONTHS = words("in on since until by of last next this")


class Notes:
    """Takes down what is read.

    Args:
        language: That the words for numbers are in.
    """

    def __init__(self, language: str) -> None:
        self._english = language == "en"
        self._numbers = NUMBERS[language]
        self.words: list[str] = []
        self._raws: list[str] = []
        self._roles: list[str] = []
        self._marks: list[int] = []
        self._facts: dict[str, list[str]] = {}
        self._role = ""
        # Whether content came since the preposition: then the next little word ends its reign.
        self._spent = False
        # The next word begins a sentence.
        self._first = True
        # The last token was a number: a unit, a month or "am" may follow.
        self._number = False
        self._before = ""
        # A figure comes next.
        self._follows = False

    def _content(self, raw: str, word: str, mark: int = 0) -> None:
        self.words.append(word)
        self._raws.append(raw)
        self._roles.append(self._role)
        self._marks.append(mark)
        self._spent, self._role = True, ""

    def _code(self, token: str) -> None:
        # Names of things have digits too, and are written in either case: "Python3". An identifier is as it is.
        plain_name = token.isalnum() and (token[0].isdigit() or not any(map(str.isupper, token[1:])))
        key = token.lower() if plain_name else token
        self._fact("code", key)
        self._content(token.lower(), key, CODE)

    def _figure(self, found: re.Match[str]) -> bool:
        digits, behind = found["number"], (found["behind"] or "").replace(" ", "").lower()
        if digits[0] in "$€£¥₹":
            self._fact("units", UNITS[digits[0]])
            digits = digits[1:]
        number = plain(digits)
        if behind in ("st", "nd", "rd", "th"):
            return self._said(number if self._before in DATES else "#" + number, found[0])
        if behind in ("am", "pm"):
            self._fact("dates", behind)
        elif behind in SCALES:
            number = _times(number, SCALES[behind])
        elif behind in UNITS:
            self._fact("units", UNITS[behind])
        elif behind:
            self._code(found[0].lower())
            return False
        return self._said(number, found[0])

    def _said(self, number: str, raw: str) -> bool:
        """Take a number down. Two words in a row are one number: "twenty five", "two million"."""
        self._fact("numbers", number)
        self._content(raw.lower(), number, NUMBER)
        return True

    def _joined(self, number: int) -> bool:
        """Put a number word to the number before it, where the two are one."""
        before = self.words[-1] if self._number and self._marks[-1] & NUMBER else ""
        if not before.isdigit():
            return False
        last = int(before)
        if (number >= 100 and number % 10 == 0) or number == 12:
            made = last * number if last < number else last + number
        elif last >= 20 and (last % 100 == 0 or (last % 10 == 0 and number < 10)) and number < max(100, last):
            made = last + number
        else:
            return False
        self._facts["numbers"][-1] = self.words[-1] = str(made)
        self._raws[-1] = self.words[-1]
        return True

    def _measure(self, token: str, word: str) -> bool:
        """Take a unit or a date down, if it is one."""
        units = UNITS if self._number else UNIT_WORDS
        if (unit := units.get(word)) is not None:
            self._fact("units", unit)
            # "The years", but not "5 years".
            self._content(word, unit, PLURAL if word.endswith("s") and len(word) > 3 and not self._number else 0)
            return True
        date = DATES.get(word)
        if date is None:
            return False
        beside = self._number or self._follows or self._before in _BEFORE_MONTHS
        if word in UNSURE_MONTHS and not (beside or (token[0].isupper() and not self._first)):
            return False
        self._fact("dates", date)
        self._content(word, date, PLURAL if word in _MANY else 0)
        if (self._number or self._before == "of") and len(self.words) > 1 and self.words[-2].startswith("#"):
            # The 5th of March is March 5.
            self.words[-2] = self._facts["numbers"][-1] = self.words[-2][1:]
        return True

    def _fact(self, guard: str, fact: str) -> None:
        self._facts.setdefault(guard, []).append(fact)


def dated(token: str) -> str:
    """Return a date or a time of day, without what may be there or not."""
    if ":" in token:
        return token.lstrip("0")
    return "-".join(part.lstrip("0") for part in re.split(r"[-/.]", token))


def _times(number: str, size: int) -> str:
    try:
        return scaled(number, size)
    except InvalidOperation:
        return number
