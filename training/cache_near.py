"""Makes near misses: a question with one edit that changes its answer, by kind of edit.

What is swapped for what is in two halves. One half is learned from and the other measured with, on other sources, so
that what is measured is not whether the lists were learned.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence

import msgspec

from gateway.cache.little_words import LITTLE

_GROUPS: Mapping[str, Sequence[str]] = {
    "units": (
        "kilometers miles meters feet", "kilograms pounds ounces grams", "dollars euros yen rupees", "hours minutes seconds days",
        "celsius fahrenheit kelvin", "weeks months years quarters", "liters gallons pints cups", "megabytes gigabytes terabytes kilobytes",
        "inches centimeters millimeters yards", "mg g kg lb", "km mi m ft", "USD EUR GBP JPY", "percent points dollars", "GB MB TB KB",
    ),
    "dates": (
        "january march may july", "february april june august", "monday wednesday friday sunday", "tuesday thursday saturday",
        "today tomorrow yesterday", "morning evening afternoon", "september november", "october december", "am pm", "summer winter spring",
        "tonight tomorrow", "weekend weekday",
    ),
    "comparatives": (
        "more less", "most least", "best worst", "better worse", "larger smaller", "bigger smaller", "highest lowest", "faster slower",
        "cheaper dearer", "minimum maximum", "min max", "older younger", "longest shortest", "earlier later", "cheapest priciest",
        "fewer more", "higher lower", "largest smallest", "nearest farthest", "first last", "oldest newest", "easier harder",
        "tallest shortest", "hottest coldest", "biggest smallest", "greater smaller", "longer shorter", "stronger weaker",
    ),
    "direction": (
        "before after", "above below", "from to", "to from", "over under", "up down", "into out", "inside outside", "with without",
        "since until", "on off", "for against", "left right", "north south east west", "upload download", "import export",
        "increase decrease", "enable disable", "buy sell", "open close", "start stop", "add remove", "lend borrow", "send receive",
        "encrypt decrypt", "push pull", "install uninstall", "login logout", "raise lower", "accept reject", "deposit withdraw",
        "arrive depart", "connect disconnect", "allow forbid", "lock unlock", "win lose", "hire fire", "incoming outgoing",
        "internal external", "ascending descending", "input output", "client server", "read write", "source target", "teach learn",
        "import delete", "expand collapse", "attach detach", "grow shrink", "credit debit", "parent child", "employer employee",
    ),
    "quantities": (
        "all none", "all any", "every no", "first second", "first last", "both neither", "only also", "each any", "some all", "many few",
        "always never", "once twice", "next previous", "half double", "single multiple", "another same", "everyone nobody",
        "third fourth", "everything nothing", "sometimes always", "last next",
    ),
    "modality": (
        "can should", "must may", "should must", "can must", "could should", "will did", "is was", "are were", "does did", "has will",
        "required optional", "can cannot", "should shouldn't", "would must",
    ),
    "asked": ("who when", "when where", "how why", "where why", "what who", "why when", "how when", "who where", "what why"),
    "persons": (
        "my your", "his her", "he she", "their my", "our their", "i she", "him her", "mother father", "son daughter", "husband wife",
        "boy girl", "man woman", "doctor patient", "teacher student", "manager engineer", "landlord tenant", "brother sister", "king queen",
        "beginner expert", "adult child", "dog cat", "lawyer judge", "uncle aunt", "nurse surgeon",
    ),
    "forms": (
        "json yaml xml csv", "html markdown latex", "table list paragraph", "english german french spanish", "python java rust go",
        "email letter tweet", "summary outline poem", "pdf docx txt", "formal informal", "short long", "bash powershell", "mysql postgres",
        "italian japanese chinese korean", "linux windows macos", "iphone android", "react angular", "docker podman", "excel word",
        "gmail outlook", "aws azure gcp",
    ),
    "opposites": (
        "hot cold", "safe unsafe", "legal illegal", "true false", "public private", "active inactive", "old new", "rich poor",
        "possible impossible", "healthy unhealthy", "positive negative", "happy sad", "light dark", "strong weak", "free paid",
        "expensive cheap", "local remote", "valid invalid", "success failure", "advantages disadvantages", "pros cons", "cause effect",
        "benefits risks", "love hate", "war peace", "male female", "dead alive", "wet dry", "raw cooked", "visible hidden", "profit loss",
        "winner loser", "question answer", "ancient modern", "fresh frozen", "indoor outdoor", "thick thin", "deep shallow", "black white",
        "red blue green yellow", "breakfast lunch dinner", "football basketball tennis", "guitar piano violin", "sister cousin",
        "coffee tea", "beef chicken pork", "car bike train", "cake bread",
    ),
}  # fmt: skip
# Put before a noun, these ask for something else.
_MODIFIERS = (
    "free", "vegan", "electric", "gaming", "open-source", "second-hand", "organic", "commercial", "medieval", "French", "digital", "female",
    "homemade", "professional", "temporary", "corporate", "cheap", "average", "annual", "nuclear", "private", "military", "synthetic", "fake",
    "encrypted", "deprecated", "failed", "empty", "nested", "optional", "unofficial", "foreign", "used", "baby", "wild",
)  # fmt: skip
_ENDINGS = (
    "for beginners", "for children", "without sugar", "in Germany", "in one sentence", "as a table", "on Windows", "in Spanish", "for diabetics",
    "under 500 dollars", "at night", "in the 19th century", "in 50 words", "using recursion", "for free", "during pregnancy", "as a lawyer",
    "in winter", "with a budget of 100 euros", "offline", "after surgery", "on Mars", "as a poem", "before 2010", "with two examples",
    "for the elderly", "by train", "on a phone", "without code", "except on Sundays",
)  # fmt: skip
_FUNCTIONAL = re.compile(
    r"\b(is|are|was|were|can|should|will|does|do|did|could|would|must|has|have)\b(?! not|n't)", re.IGNORECASE
)
_NAME = re.compile(r"(?<=[a-z,] )[A-Z][a-z]{2,}(?: [A-Z][a-z]{2,})*")
_PLAIN_WORD = re.compile(r"[a-z]{4,}")
# A noun, where nothing says that it is one thing.
_BEHIND = re.compile(r"(?<=\bthe )[a-z]{4,}|(?<=\bmy )[a-z]{4,}|(?<=\bour )[a-z]{4,}|(?<=\byour )[a-z]{4,}")

# Turned round, these give no sentence.
_LITTLE = frozenset(LITTLE["en"]) | {"going", "want", "able", "need"}

Edit = Callable[[str, random.Random], str | None]


class Near(msgspec.Struct, frozen=True):
    """A question, and another that looks like it and has another answer."""

    one: str
    other: str
    kind: str


def half(text: str, which: int) -> bool:
    """Return whether something is of a half, 0 or 1; the same on every machine."""
    return sum(text.encode()) % 2 == which


def _put(text: str, span: tuple[int, int], new: str) -> str:
    old = text[span[0] : span[1]]
    if old.isupper() and len(old) > 1:
        new = new.upper()
    elif old[:1].isupper():
        new = new[:1].upper() + new[1:]
    return text[: span[0]] + new + text[span[1] :]


def swaps(kind: str, which: int) -> Edit:
    """Return an edit that swaps a word of a group for another."""
    groups = [group.split() for group in _GROUPS[kind] if half(group, which)]
    others = {word: [each for each in group if each != word] for group in groups for word in group}
    pattern = re.compile(r"\b(?:" + "|".join(sorted(others, key=len, reverse=True)) + r")\b", re.IGNORECASE)

    def edit(text: str, rng: random.Random) -> str | None:
        found = [each for each in pattern.finditer(text) if others.get(each[0].lower()) or others.get(each[0])]
        if not found:
            return None
        one = rng.choice(found)
        return _put(text, one.span(), rng.choice(others.get(one[0].lower()) or others[one[0]]))

    return edit


def number(text: str, rng: random.Random) -> str | None:
    """Change a number, in figures or in words."""
    found = list(
        re.finditer(r"\d+(?:[.,]\d+)*|\b(?:two|three|four|five|six|seven|eight|nine|ten|twenty|hundred)\b", text)
    )
    if not found:
        return None
    one = rng.choice(found)
    if not one[0][0].isdigit():
        words = ["two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "twenty"]
        return _put(text, one.span(), rng.choice([word for word in words if word != one[0]]))
    digits = list(one[0])
    at = rng.choice([place for place, sign in enumerate(digits) if sign.isdigit()])
    digits[at] = rng.choice([sign for sign in "123456789" if sign != digits[at]])
    made = "".join(digits)
    if rng.random() < 0.2:
        made = one[0] + "0"
    return _put(text, one.span(), made)


def negation(text: str, rng: random.Random) -> str | None:
    """Deny what was said, or say what was denied."""
    if (found := re.search(r"n't\b| not\b", text)) is not None:
        return text[: found.start()] + text[found.end() :]
    verbs = list(_FUNCTIONAL.finditer(text))
    if not verbs:
        return None
    one = rng.choice(verbs)
    if one[0].lower() in ("can", "will", "must") or rng.random() < 0.5:
        return text[: one.end()] + " not" + text[one.end() :]
    return text[: one.end()] + "n't" + text[one.end() :]


def names(pool: Sequence[str]) -> Edit:
    """Return an edit that puts another name in."""

    def edit(text: str, rng: random.Random) -> str | None:
        found = list(_NAME.finditer(text))
        if not found:
            return None
        one = rng.choice(found)
        new = rng.choice(pool)
        return None if new in text or one[0] in new else text[: one.start()] + new + text[one.end() :]

    return edit


def turned(text: str, rng: random.Random) -> str | None:
    """Swap what stands on both sides of a word that has a direction."""
    found = re.search(
        r"\b([A-Za-z]{3,}) (to|than|into|before|after|over|with|by|instead of|from|or not|minus|in) (?:the |a )?([A-Za-z]{3,})\b",
        text,
    )
    if (
        found is None
        or found[1].lower() == found[3].lower()
        or found[1].lower() in _LITTLE
        or found[3].lower() in _LITTLE
    ):
        return None
    return text[: found.start(1)] + found[3] + text[found.end(1) : found.start(3)] + found[1] + text[found.end(3) :]


def names_turned(text: str, rng: random.Random) -> str | None:
    """Swap two names."""
    found = list(_NAME.finditer(text))
    if len(found) < 2:
        return None
    one, other = found[0], found[1]
    between = text[one.end() : other.start()].strip(" ,")
    if not between or re.search(r"\b(?:and|or|vs|versus)\b", between) or one[0] == other[0]:
        return None
    return text[: one.start()] + other[0] + text[one.end() : other.start()] + one[0] + text[other.end() :]


def sisters(sisters_of: Mapping[str, Sequence[str]], which: int) -> Edit:
    """Return an edit that puts another thing of the same sort in a word's place: "dog", "cat"."""

    def edit(text: str, rng: random.Random) -> str | None:
        found = [each for each in _PLAIN_WORD.finditer(text) if half(each[0], which) and each[0] in sisters_of]
        if not found:
            return None
        one = rng.choice(found)
        return _put(text, one.span(), rng.choice(sisters_of[one[0]]))

    return edit


def modified(nouns: frozenset[str], which: int, others: Sequence[str] = ()) -> Edit:
    """Return an edit that narrows down what is asked for.

    Args:
        nouns: What may be narrowed down.
        which: Half of what is put before and behind.
        others: What may be put before as well.
    """
    modifiers = [word for word in _MODIFIERS if half(word, which)]
    modifiers += [word for word in others if half(word, which)]
    endings = [words for words in _ENDINGS if half(words, which)]

    def edit(text: str, rng: random.Random) -> str | None:
        if rng.random() < 0.4:
            bare = text.rstrip("?.! ")
            made = f"{bare} {rng.choice(endings)}{text[len(bare) :]}"
            return made if len(text) < 160 else None
        found = [each for each in _PLAIN_WORD.finditer(text) if each[0] in nouns]
        if not found:
            return None
        one = rng.choice(found)
        return text[: one.start()] + rng.choice(modifiers) + " " + text[one.start() :]

    return edit


def number_of(nouns: frozenset[str]) -> Edit:
    """Return an edit that asks about one instead of many, or the other way round."""

    def edit(text: str, rng: random.Random) -> str | None:
        found = [each for each in _BEHIND.finditer(text) if each[0] in nouns or each[0].removesuffix("s") in nouns]
        if not found:
            return None
        one = rng.choice(found)
        new = one[0][:-1] if one[0].endswith("s") else one[0] + "s"
        return text[: one.start()] + new + text[one.end() :]

    return edit


def code(text: str, rng: random.Random) -> str | None:
    """Change an identifier, a path, a version or a word in quotes."""
    found = list(re.finditer(r"(?<!\w)[\"'`][^\"'`]{2,40}[\"'`](?!\w)|\b\w+[_./]\w+\b|\bv?\d+\.\d+(?:\.\d+)?\b", text))
    if not found:
        return None
    one = rng.choice(found)
    at = rng.randrange(one.start() + 1, max(one.start() + 2, one.end() - 1))
    sign = rng.choice("abcdefghkmnprstuvwxyz" if text[at].isalpha() else "123456789")
    return text[:at] + sign + text[at + 1 :] if sign != text[at].lower() else None


class Words(msgspec.Struct, frozen=True):
    """Words that edits take.

    Attributes:
        sisters: Words with others of the same sort.
        nouns: What may be narrowed down, or be one or many.
        modifiers: What may be put before a noun.
    """

    sisters: Mapping[str, Sequence[str]]
    nouns: frozenset[str]
    modifiers: Sequence[str] = ()


def edits(which: int, pool: Sequence[str], words: Words) -> dict[str, Edit]:
    """Return the edits of a half; names are taken from the pool."""
    kinds: dict[str, Edit] = {kind: swaps(kind, which) for kind in _GROUPS}
    kinds |= {
        "numbers": number,
        "negation": negation,
        "names": names(pool),
        "turned": turned,
        "names turned": names_turned,
    }
    kinds |= {
        "sisters": sisters(words.sisters, which),
        "modified": modified(words.nouns, which, words.modifiers),
        "one or many": number_of(words.nouns),
        "code": code,
    }
    return kinds


def near_misses(texts: Sequence[str], kinds: Mapping[str, Edit], most: int, seed: int) -> list[Near]:
    """Return near misses, as many of each kind as there are to be had, up to ``most``."""
    made: list[Near] = []
    for kind, edit in kinds.items():
        left = most
        # By kind, so that another list of one kind changes nothing of the others.
        rng = random.Random(f"{seed} {kind}")
        for text in rng.sample(list(texts), len(texts)):
            new = edit(text, rng)
            if new is not None and new.lower().split() != text.lower().split():
                made.append(Near(text, new, kind))
                left -= 1
                if not left:
                    break
    return made
