"""What the cache knows about words: what a form is a form of, what means the same, what is the opposite."""

from __future__ import annotations

import gzip
from functools import lru_cache
from pathlib import Path

import msgspec

FILE = Path(__file__).parents[1] / "_models" / "cache-words.json.gz"
# How sure two words are to mean the same: a usual sense of both, or one among others.
SAME, ALIKE = 1, 2
RAREST = 10
# Abbreviations that are written like other words, and what WordNet has as two words or not at all.
ALSO = {
    "men": "man", "women": "woman", "pics": "picture", "photo": "photograph", "photos": "photograph", "pic": "picture",
    "tv": "television", "tvs": "television", "app": "application", "apps": "application", "info": "information",
    "config": "configuration", "repo": "repository", "docs": "documentation", "e-mail": "email", "e-mails": "email",
    "fridge": "refrigerator", "vacations": "holiday", "vacation": "holiday", "uk": "britain", "program": "programme",
    "programs": "programme",
    "british": "britain", "pwd": "password", "db": "database", "dbs": "database", "temp": "temperature",
}  # fmt: skip
# What one does and the other undoes, or what is done at either end; WordNet has few of these for opposites.
_CONVERSE = tuple(
    frozenset(pair.split("/"))
    for pair in [
        "read/write",
        "teach/learn",
        "lend/borrow",
        "send/receive",
        "give/take",
        "buy/sell",
        "import/export",
        "upload/download",
        "encode/decode",
        "encrypt/decrypt",
        "compress/decompress",
        "compress/extract",
        "zip/unzip",
        "install/uninstall",
        "subscribe/unsubscribe",
        "mount/unmount",
        "follow/unfollow",
        "serialize/deserialize",
        "marshal/unmarshal",
        "push/pull",
        "push/pop",
        "hire/fire",
        "deposit/withdraw",
        "credit/debit",
        "attach/detach",
        "enable/disable",
        "allow/block",
        "pack/unpack",
        "plug/unplug",
        "bind/unbind",
        "immigrate/emigrate",
        "employ/dismiss",
        "insert/delete",
        "insert/remove",
        "add/delete",
        "create/destroy",
        "build/demolish",
        "commit/revert",
        "publish/retract",
        "archive/restore",
        "backup/restore",
        "stake/unstake",
        "mute/unmute",
        "pin/unpin",
    ]
)


class _Words(msgspec.Struct, frozen=True):
    base: dict[str, str]
    plurals: list[str]
    verbs: list[str]
    degrees: dict[str, str]
    senses: dict[str, list[int]]
    opposites: dict[str, list[str]]
    pertains: dict[str, str]
    sorts: dict[str, frozenset[int]]
    kinds: dict[str, frozenset[int]]
    seen: dict[int, str]


class Lexicon:
    """Knows words. Reading it takes some 50 ms, so it is read once: :func:`lexicon`.

    Args:
        data: The file, unpacked.
    """

    __slots__ = (
        *("_base", "_forms", "_kinds", "_opposites", "_pertains", "_plurals", "_seen", "_senses", "_sorts", "_verbs"),
        "degrees",
    )

    def __init__(self, data: bytes) -> None:
        words = msgspec.json.decode(data, type=_Words)
        self._base = words.base | ALSO
        self._plurals = frozenset(words.plurals) | {"men", "women"}
        self._verbs = frozenset(words.verbs)
        self.degrees = words.degrees
        self._pertains, self._sorts, self._kinds = words.pertains, words.sorts, words.kinds
        self._senses = {word: tuple(senses) for word, senses in words.senses.items()}
        self._opposites = {word: frozenset(its) for word, its in words.opposites.items()}
        for one, other in (sorted(pair) for pair in _CONVERSE):
            self._opposites[one] = self._opposites.get(one, frozenset()) | {other}
        self._seen = {word: power for power, its in words.seen.items() for word in its.split()}
        # What was looked up lately; a word's form takes a microsecond or two, and words come again.
        self._forms: dict[str, tuple[str, bool]] = {}

    def form(self, word: str) -> tuple[str, bool]:
        """Return what a word is a form of, and whether it is a plural."""
        known = self._forms.get(word)
        if known is None:
            if len(self._forms) > 20_000:
                self._forms.clear()
            known = self._forms[word] = self._formed(word)
        return known

    def _formed(self, word: str) -> tuple[str, bool]:
        if (base := self._base.get(word)) is not None:
            return base, word in self._plurals
        if len(word) < 4 or not word.isascii():
            return word, False
        if word.endswith("s") and not word.endswith(("ss", "us", "is")):
            if word.endswith("ies") and len(word) > 4:
                return word[:-3] + "y", True
            if word.endswith(("sses", "xes", "zzes", "ches", "shes")):
                return word[:-2], True
            return self._base.get(word[:-1], word[:-1]), True
        for ending in ("ing", "ed"):
            if word.endswith(ending) and len(word) > len(ending) + 2:
                return self._verb(word, word[: -len(ending)]), False
        return word, False

    def _verb(self, word: str, stem: str) -> str:
        doubled = stem[-1] == stem[-2] and stem[-1] not in "ls"
        # "rating" is of "rate", though there is "rat"; "singing" is of "sing", though there is "singe".
        short = stem[-2] in "aeiou" or stem[-1] in "aeiou"
        for candidate in (stem[:-1], stem) if doubled else (stem + "e", stem) if short else (stem, stem + "e"):
            if candidate in self._verbs:
                return candidate
        if stem.endswith("i") and stem[:-1] + "y" in self._verbs:
            return stem[:-1] + "y"
        return stem[:-1] if stem[-1] == stem[-2] and stem[:-1] in self._verbs else word

    def knows(self, word: str) -> bool:
        """Return whether a word is an ordinary one."""
        return word in self._senses or word in self._opposites or word in self._verbs

    def is_verb(self, word: str) -> bool:
        """Return whether a word may be a verb."""
        return word in self._verbs

    def alike(self, one: str, other: str) -> int:
        """Return whether two words mean the same: :data:`SAME`, :data:`ALIKE` or 0."""
        theirs = self._senses.get(other, ())
        if self.of(one) == self.of(other):
            return ALIKE
        best = 0
        for sense in self._senses.get(one, ()):
            for its in theirs:
                if sense >> 2 == its >> 2:
                    found = SAME if not (sense & 3 or its & 3) else ALIKE
                    best = found if not best else min(best, found)
        return best

    def of(self, word: str) -> str:
        """Return the noun that an adjective is of: "france" for "french"; the word itself where it is none."""
        return self._pertains.get(word, word)

    def sisters(self, one: str, other: str) -> bool:
        """Return whether two words are things of one sort, neither of them the other: "dog", "cat"."""
        kinds = self._kinds
        if one not in kinds or other not in kinds or self.broader(one, other):
            return False
        return not kinds[one].isdisjoint(kinds[other])

    def broader(self, one: str, other: str) -> bool:
        """Return whether one of two words says in general what the other says: "slice", "cut"."""
        kinds, sorts, none = self._kinds, self._sorts, frozenset[int]()
        return not kinds.get(one, none).isdisjoint(sorts.get(other, none)) or not kinds.get(other, none).isdisjoint(
            sorts.get(one, none)
        )

    def rarity(self, word: str) -> int:
        """Return how rare a word is: 10 where it is not known, one less for each time that it is twice as usual."""
        return max(0, RAREST - self._seen.get(word, 0))

    def usual(self, word: str) -> bool:
        """Return whether a word is a usual noun or verb."""
        return word in self._kinds

    def opposed(self, one: str, other: str) -> bool:
        """Return whether two words are opposites."""
        return other in self._opposites.get(one, ()) or one in self._opposites.get(other, ())


@lru_cache(1)
def lexicon() -> Lexicon:
    """Return the lexicon that is shipped."""
    return Lexicon(gzip.decompress(FILE.read_bytes()))
