"""What a question says, taken down once: what must agree with another question before its answer serves this one too.

Content is kept word by word, each with the preposition that governs it and with marks; everything else becomes facts by
the name of the guard that compares them. What is not understood counts as content, so that it has to be the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import msgspec

from gateway.cache.asking import bare
from gateway.cache.lexicon import ALSO, Lexicon, lexicon
from gateway.cache.little_words import LITTLE, words
from gateway.cache.measures import DATES, ORDINALS, UNITS
from gateway.cache.notes import NAME, NUMBER, PLURAL, Notes, dated

# Raised when what is read changes: questions of another version are not compared.
VERSION = 2
# A longer text is not taken down: it is served to its very self only.
MOST_CHARS, MOST_WORDS = 4_000, 160

_QUOTED = re.compile(
    r'"([^"\n]{1,400})"|«\s?([^»\n]{1,400}?)\s?»|(?<![\w])\'([^\'\n]{1,400})\'(?!\w)|`([^`\n]{1,400})`'
)
_CURLY = str.maketrans({"’": "'", "‘": "'", "‚": "'", "“": '"', "”": '"', "„": '"', "\u00a0": " ", "\u202f": " "})
_TOKEN = re.compile(
    r"(?P<code>https?://[^\s<>\"]+[^\s<>\".,;:!?)]|[\w.+-]+@[\w-]+(?:\.[\w-]+)+"
    r"|(?<![\w/.])(?:[~.]{0,2}/|[A-Za-z]:\\)[\w.\\/~-]*\w|(?<!\S)--?[A-Za-z][\w-]*"
    r"|[A-Za-z_]\w*(?:(?:\.|::|->|/|_)\w+)+(?:\(\))?|[A-Za-z_]\w*\(\)|(?<!\w)\.?\w+\.[a-z]\w{1,4}(?!\w)"
    r"|[^\W\d_]+[\d_][\w]*|_\w+|[a-z]+[A-Z]\w*|[A-Z][a-z]+[A-Z]\w*|[A-Za-z]\+\+|[A-Za-z]#(?!\w))"
    r"|(?P<date>\d{4}-\d{1,2}-\d{1,2}|\d{1,2}[/.]\d{1,2}[/.]\d{2,4}(?![\d.])|\d{1,2}:\d{2}(?::\d{2})?)"
    r"|(?P<number>[\$€£¥₹]?\d+(?:[.,' ]\d{3}(?!\d))*(?:[.,]\d+)*)(?P<behind>[^\W\d_]+|%|°\s?[CFcf])?"
    r"|(?P<word>[^\W\d_]+(?:'[^\W\d_]+)*(?:-[^\W\d_]+)*)"
    r"|(?P<end>[.!?]+(?=\s|$)|[:\n])"
    r"|(?P<sign>==|!=|<=|>=|=>|&&|\|\||<<|>>|[*^~<>=€£¥₹$%&+\\/|#-])"
)
_STRICT = words(
    "from into before after above below up down out off inside against until since through away beyond towards near"
)
_BARE_CAN = frozenset({"how", "what", "where", "when", "who"})
_AUXILIARY = words(
    "is are am was were do does did can could should would will must may might has have had"
    " isn't aren't don't doesn't didn't can't"
)
# In capitals, these are names.
_ALSO_NAMES = frozenset(("us", "it", "who", "may", "am"))
# What stands before things rather than before what is done.
_BEFORE_THINGS = words(
    "the my your our his her their its these those this that of in on for with from to all some any many several few no"
    " each every both "
    "two three and or"
)
_NO_ONE = words("which this that the no any each every another good other some only")


class Question(msgspec.Struct, frozen=True, array_like=True):
    """What a question says.

    Attributes:
        version: Of what is taken down.
        language: ISO 639-1, or empty.
        words: Its content, as forms that others can be compared with, in their order.
        raws: The same as they are written, in small letters.
        roles: What governs each, such as "from"; empty where nothing does.
        marks: For each word whether it is a plural, a name, code, a number.
        facts: By the name of the guard that compares them.
        glue: The little words, for how alike two wordings are.
        whole: The text itself, in small letters, where it is too long to be taken down.
        shades: Its embedding, as :mod:`gateway.cache.shades` keeps it; empty where it is not known.
        pieces: The whole of it, as a cross-encoder reads it; empty where none can.
    """

    version: int
    language: str
    words: tuple[str, ...]
    raws: tuple[str, ...]
    roles: tuple[str, ...]
    marks: tuple[int, ...]
    facts: dict[str, tuple[str, ...]]
    glue: tuple[str, ...]
    whole: str = ""
    shades: bytes = b""
    pieces: bytes = b""


def read_question(text: str, language: str, shades: bytes = b"", pieces: bytes = b"") -> Question:
    """Take a question down.

    Args:
        text: What is asked.
        language: ISO 639-1, or empty.
        shades: What is kept of its embedding.
        pieces: What a cross-encoder reads.
    """
    known = language if language in LITTLE else "en"
    text = text.translate(_CURLY)
    if len(text) > MOST_CHARS:
        return _too_long(text, language)
    reader = _Reader(known, bare(text, known))
    return reader.taken(language, shades, pieces) if len(reader.words) <= MOST_WORDS else _too_long(text, language)


def _too_long(text: str, language: str) -> Question:
    return Question(VERSION, language, (), (), (), (), {}, (), " ".join(text.lower().split()))


class _Reader(Notes):
    """Reads one question."""

    def __init__(self, language: str, text: str) -> None:
        super().__init__(language)
        self._little: Mapping[str, str] = LITTLE[language]
        self._lexicon: Lexicon = lexicon()
        self._text = text
        self._glue: list[str] = []
        # Capitals tell nothing where every noun or every word has one.
        self._capitals = language != "de" and not _titled(text)
        for found in _TOKEN.finditer(text):
            self._take(found)

    def taken(self, language: str, shades: bytes, pieces: bytes) -> Question:
        """Return what was read."""
        if quotes := [" ".join("".join(found).lower().split()) for found in _QUOTED.findall(self._text) if any(found)]:
            self._facts["quotes"] = quotes
        self._asked()
        return Question(
            VERSION,
            language,
            tuple(self.words),
            tuple(self._raws),
            tuple(self._roles),
            tuple(self._marks),
            {name: tuple(facts if name in _IN_ORDER else sorted(facts)) for name, facts in self._facts.items()},
            tuple(self._glue),
            shades=shades,
            pieces=pieces,
        )

    def _take(self, found: re.Match[str]) -> None:
        kind, token = found.lastgroup, found[0]
        self._follows = self._text[found.end() : found.end() + 2].strip().isdigit()
        number = False
        if kind == "word":
            number = self._word(token)
        elif kind == "end":
            self._first, self._role = True, ""
            return
        elif kind in ("number", "behind"):
            number = self._figure(found)
        elif kind == "code":
            self._code(token)
        elif kind == "date":
            self._fact("dates", dated(token))
            self._content(token, dated(token), NUMBER)
        elif kind == "sign" and found[0] not in "-/*#|\\":
            if token in UNITS:
                self._fact("units", UNITS[token])
            else:
                self._fact("code", token)
        # "Two hundred and fifty" is one number.
        kept = found[0] == "and" and self._number and self.words[-1].endswith("00")
        self._number, self._first = number or kept, False
        self._before = token.lower()

    def _word(self, token: str) -> bool:
        """Take a word down; returns whether it is a number."""
        word = token.lower()
        if word.endswith("'s") and word[:-2] in DATES:
            word = word[:-2]
        number = self._numbers.get(word)
        if number is not None and not (word == "one" and (self._before in _NO_ONE or not self._english)):
            return self._joined(number) or self._said(str(number), str(number))
        if self._english and word in ORDINALS and not (word == "second" and self._number):
            return self._said(f"#{ORDINALS[word]}", word)
        if self._measure(token, word):
            return False
        for part in self._parts(token, word):
            self._plain(token, part)
        return False

    def _parts(self, token: str, word: str) -> Iterator[str]:
        """Yield a word, or what it is contracted of."""
        if word in self._little or ("'" not in word and "-" not in word):
            yield word
        elif word.endswith("n't"):
            yield word[:-3]
            yield "not"
        elif "'" in word:
            first, _, rest = word.rpartition("'")
            if rest == "s" and first not in self._little and token[0] != "'":
                # Whose it is: as if "of" stood before it.
                self._role = self._role or "of"
                yield first
                self._role = ""
                return
            yield from filter(
                None, (first, "'" + rest if "'" + rest in self._little else rest if len(rest) > 2 else "")
            )
        else:
            yield from word.split("-") if len(word) > 5 else (word,)

    def _plain(self, token: str, word: str) -> None:
        kind = self._little.get(word)
        if kind is not None and not (self._capitals and token.isupper() and word in _ALSO_NAMES):
            self._small(kind, word)
            return
        if self._capitals and token in ("US", "USA"):
            word = "usa"
        degree = self._lexicon.degrees.get(word) if self._english else None
        if degree is not None:
            self._fact("comparatives", degree[0])
            self._content(word, degree[1:])
            return
        form, plural = self._lexicon.form(word) if self._english else (word, False)
        name = token[0].isupper() and self._capitals and not (self._first and self._lexicon.knows(form))
        if name:
            self._fact("names", self._lexicon.of(ALSO.get(word, form)))
        # "Plays" is what somebody does, unless it stands where things do.
        plural = plural and (self._before in _BEFORE_THINGS or self._number or not self._lexicon.is_verb(form))
        # Names of several words are governed by what governs the first.
        if name and self._marks and self._marks[-1] & NAME and self._before == self._raws[-1]:
            self._role = self._roles[-1]
        self._content(word, form, (NAME if name else 0) | (PLURAL if plural else 0))

    def _small(self, kind: str, word: str) -> None:
        group, _, value = kind.partition(":")
        if group == "-":
            if word in ("a", "an", "the", "this", "that", "these", "those") or not self._spent:
                return
            self._role, self._spent = "", False
            return
        self._glue.append(value)
        was_spent = self._spent
        if self._spent:
            self._role, self._spent = "", False
        # "To" behind a thing says where to; behind "how" it says nothing.
        if group in ("to", "in", "and") and not (value == "to" and not was_spent):
            # The stricter of two in a row stays: "than in", "from under".
            if self._role not in _STRICT and self._role not in ("than", "or"):
                self._role = value
        elif value == "than":
            self._role = value
        if value in ("i", "you"):
            self._glue.pop()
        if group in _GUARD_OF and (group != "to" or value in _STRICT):
            self._fact(_GUARD_OF[group], value)
        if value == "or":
            self._fact("quantities", value)

    def _asked(self) -> None:
        """Say what is asked for: the words that ask, or "whether" where a yes or no is."""
        asks = [each for each in self._facts.get("asked", ()) if each != "what"]
        start = self._text[:12].lower().split(" ", 1)[0].strip("¿\"'")
        whether = self._english and not asks and "asked" not in self._facts and start in _AUXILIARY
        self._facts["asked"] = asks or ["whether" if whether else "what"]
        asked = self._facts["asked"][0]
        if asked in _BARE_CAN and (persons := self._facts.get("person")):
            # "How do I", "how do you", "how do we" ask the same.
            self._set("person", [each for each in persons if each not in ("i", "you")])
        if modal := self._facts.get("modality"):
            dropped = ("would", "can") if asked in _BARE_CAN else ("would",)
            self._set("modality", [each for each in modal if each not in dropped])

    def _set(self, guard: str, facts: list[str]) -> None:
        if facts:
            self._facts[guard] = facts
        else:
            del self._facts[guard]


_GUARD_OF: Mapping[str, str] = {
    "not": "negation",
    "more": "comparatives",
    "all": "quantities",
    "must": "modality",
    "when": "tense",
    "me": "person",
    "ask": "asked",
    "to": "direction",
}
_IN_ORDER = frozenset({"asked", "quotes", "names"})


def _titled(text: str) -> bool:
    """Return whether most words of a text begin with a capital, as in a headline."""
    words = [word for word in text.split()[:60] if word[0].isalpha()]
    long = [word for word in words if len(word) > 3]
    return len(long) > 3 and sum(word[0].isupper() for word in long) > 0.7 * len(long)
