"""Makes paraphrases: a question asked in another way that has the same answer, by kind of change."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence

from training.cache_near import Near, half

_BEFORE = (
    "Please tell me ", "Could you tell me ", "Hi, ", "Hello! ", "I would like to know ", "Can you please tell me ", "I was wondering ",
    "Do you know ", "Hey, quick question: ", "Kindly tell me ", "I'd like to know ", "Just a quick question, ",
)  # fmt: skip
_AFTER = (" Thanks!", " please", ", please?", " Thank you in advance.", " thanks")
_BEFORE_ORDERS = ("Please ", "Can you ", "Could you please ", "Hi, ", "Kindly ", "Would you ", "Hello, please ")
_SYNONYMS = (
    "buy purchase", "begin start", "movie film", "photo picture", "car automobile", "big large", "repair mend", "couch sofa",
    "physician doctor", "quick fast", "fix repair", "delete remove", "create make", "error mistake", "phone telephone", "shut close",
    "job occupation", "kids children", "autumn fall", "holiday vacation", "attorney lawyer", "mobile cellular", "happen occur",
    "choose select", "obtain get", "assist help", "require need", "show display", "house home", "reply answer", "nation country",
    "cheap inexpensive", "ill sick", "little small", "seek search", "permit allow", "finish complete", "send mail", "clothes clothing",
    "speak talk", "street road", "gift present", "garbage trash", "explain describe", "method way", "build construct",
)  # fmt: skip
_SPELLINGS = (
    "color colour", "favorite favourite", "organize organise", "center centre", "behavior behaviour", "analyze analyse", "gray grey",
    "license licence", "traveling travelling", "program programme", "theater theatre", "recognize recognise", "email e-mail", "tv television",
)  # fmt: skip
_CONTRACTIONS = (
    ("what is", "what's"), ("who is", "who's"), ("do not", "don't"), ("does not", "doesn't"), ("i am", "i'm"), ("can not", "can't"),
    ("cannot", "can't"), ("is not", "isn't"), ("where is", "where's"), ("how is", "how's"), ("did not", "didn't"), ("it is", "it's"),
    ("i have", "i've"), ("are not", "aren't"), ("will not", "won't"),
)  # fmt: skip
_HOW = (
    "how do i ",
    "how can i ",
    "how to ",
    "how do you ",
    "what is the way to ",
    "how can one ",
    "what is the best-known way to ",
)
_ASKED = re.compile(r"(?:what|who|when|where|why|how|which)\b", re.IGNORECASE)
_LED = re.compile(
    r"^(?P<rest>.{12,}?) (?P<moved>(?:in|on|for|with|during|after|before|at) (?:the |a |my )?[A-Za-z]+(?: [A-Z][a-z]+)?)(?P<end>[?.]?)$"
)

Change = Callable[[str, random.Random], str | None]


def _swapped(pairs: Sequence[str], which: int) -> Change:
    listed = [(pair.split()[0], pair.split()[1]) for pair in pairs if half(pair, which)]
    others = dict(listed) | {other: one for one, other in listed}
    pattern = re.compile(r"\b(?:" + "|".join(others) + r")\b", re.IGNORECASE)

    def change(text: str, rng: random.Random) -> str | None:
        found = list(pattern.finditer(text))
        if not found:
            return None
        one = rng.choice(found)
        new = others[one[0].lower()]
        return text[: one.start()] + (new.capitalize() if one[0][0].isupper() else new) + text[one.end() :]

    return change


def _polite(text: str, rng: random.Random) -> str | None:
    if _ASKED.match(text):
        before = rng.choice(_BEFORE)
        return before + (text[0].lower() + text[1:] if before.endswith(" ") and not before.endswith("! ") else text)
    if text[-1:] == "?" or not text[:1].isupper():
        return None
    return rng.choice(_BEFORE_ORDERS) + text[0].lower() + text[1:]


def _thankful(text: str, rng: random.Random) -> str | None:
    ending = rng.choice(_AFTER)
    return text.rstrip("?.! ") + ending if ending[0] == "," or rng.random() < 0.5 else text + ending


def _contracted(text: str, rng: random.Random) -> str | None:
    low = text.lower()
    for long, short in rng.sample(_CONTRACTIONS, len(_CONTRACTIONS)):
        for old, new in ((long, short), (short, long)):
            at = low.find(old)
            if at >= 0 and (at == 0 or low[at - 1] == " ") and low[at + len(old) : at + len(old) + 1] in (" ", "?"):
                made = new.capitalize() if text[at].isupper() else new
                return text[:at] + made + text[at + len(old) :]
    return None


def _plainly(text: str, rng: random.Random) -> str | None:
    made = rng.choice(
        (text.lower(), text.rstrip("?.!"), text.upper(), text + "?", text.lower().rstrip("?.!"), text.replace(",", ""))
    )
    return made if made != text else None


def _misspelt(text: str, rng: random.Random) -> str | None:
    found = list(re.finditer(r"\b[a-z]{6,}\b", text))
    if not found:
        return None
    one = rng.choice(found)
    at = rng.randrange(1, len(one[0]) - 2)
    word = one[0]
    made = rng.choice(
        (
            word[:at] + word[at + 1] + word[at] + word[at + 2 :],
            word[:at] + word[at + 1 :],
            word[:at] + word[at] + word[at:],
        )
    )
    return text[: one.start()] + made + text[one.end() :] if made != word else None


def _moved(text: str, rng: random.Random) -> str | None:
    found = _LED.match(text)
    if found is None:
        return None
    rest = found["rest"]
    return f"{found['moved'][0].upper()}{found['moved'][1:]}, {rest[0].lower() if not rest.startswith('I ') else rest[0]}{rest[1:]}{found['end']}"


def _possessive(text: str, rng: random.Random) -> str | None:
    found = re.search(r"\bthe ([a-z]+) of ([A-Z][a-z]+)\b", text)
    return text[: found.start()] + f"{found[2]}'s {found[1]}" + text[found.end() :] if found else None


def _how(text: str, rng: random.Random) -> str | None:
    low = text.lower()
    for start in _HOW[:4]:
        if low.startswith(start):
            new = rng.choice([each for each in _HOW[:6] if each != start])
            return new.capitalize() + text[len(start) :]
    return None


def _twice(changes: Mapping[str, Change]) -> Change:
    kinds = list(changes.values())

    def change(text: str, rng: random.Random) -> str | None:
        one, other = rng.sample(kinds, 2)
        first = one(text, rng)
        return None if first is None else other(first, rng)

    return change


def changes(which: int) -> dict[str, Change]:
    """Return the changes of a half."""
    made: dict[str, Change] = {
        "polite": _polite, "thankful": _thankful, "contracted": _contracted, "plainly": _plainly, "misspelt": _misspelt, "moved": _moved,
        "possessive": _possessive, "how": _how, "synonyms": _swapped(_SYNONYMS, which), "spellings": _swapped(_SPELLINGS, which),
    }  # fmt: skip
    return made | {"two": _twice(dict(made))}


def paraphrases(texts: Sequence[str], kinds: Mapping[str, Change], most: int, seed: int) -> list[Near]:
    """Return paraphrases, as many of each kind as there are to be had, up to ``most``."""
    found: list[Near] = []
    for kind, change in kinds.items():
        left = most
        rng = random.Random(f"{seed} {kind}")
        for text in rng.sample(list(texts), len(texts)):
            new = change(text, rng)
            if new is not None and new != text:
                found.append(Near(text, new, kind))
                left -= 1
                if not left:
                    break
    return found
