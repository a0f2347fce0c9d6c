"""Which language a text is in, told by its script and its commonest words. Good enough to route by, and no more.

A script that one language alone uses decides by itself; of languages that share one, the words decide that every
second sentence has, and letters that only few of them know. What is too short or too mixed to say stays unknown.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

# So much of a text is looked at: more of it says nothing more.
MAX_CHARS = 600
_MAX_WORDS = 80
# The best language must have so many points, and so many times those of the next one.
_MIN_POINTS, _MARGIN = 0.7, 1.2
_LETTER_POINTS = 0.5
_WORD = re.compile(r"[^\W\d_]{2,}")

# Scripts by ranges of code points, with the language that a text in them is in, where it is one.
_SCRIPTS: tuple[tuple[int, int, str], ...] = (
    (0x0370, 0x03FF, "el"), (0x1F00, 0x1FFF, "el"), (0x0400, 0x052F, "cyrillic"), (0x0530, 0x058F, "hy"),
    (0x0590, 0x05FF, "he"), (0x0600, 0x06FF, "arabic"), (0x0750, 0x077F, "arabic"), (0x0900, 0x097F, "hi"),
    (0x0980, 0x09FF, "bn"), (0x0A00, 0x0A7F, "pa"), (0x0A80, 0x0AFF, "gu"), (0x0B80, 0x0BFF, "ta"),
    (0x0C00, 0x0C7F, "te"), (0x0C80, 0x0CFF, "kn"), (0x0D00, 0x0D7F, "ml"), (0x0E00, 0x0E7F, "th"),
    (0x10A0, 0x10FF, "ka"), (0x1100, 0x11FF, "ko"), (0x3040, 0x30FF, "ja"), (0x3400, 0x9FFF, "zh"),
    (0xAC00, 0xD7AF, "ko"),
)  # fmt: skip

_LATIN = {
    "en": "write tell explain give make should could has about the and of to in is that it for you with are this not "
    "have what be on as can from do your how my i a was which please will would an there me if or",
    "de": "schreib schreibe erkläre gib über als hat war habe der die und das ist nicht ich ein eine zu mit den von "
    "auf für sie wir wie was kann sich dem auch es aus bei einen werden oder wenn mir bitte haben wird noch "
    "nur",
    "fr": "écris explique donne sont ai ont une quelle cette quels le la les et des est un que pour dans pas qui "
    "vous je sur avec ce du en il plus mais nous au par comment être ou mon moi quel",
    "es": "escribe explica dame cuál sobre tiene puedo ha son el la los las y de que en un una es por con para no se "
    "su como más pero lo al del mi qué cómo está este puedes hay yo muy",
    "it": "scrivi spiega dammi posso sul sulla breve ho ha qual il la le e di che è un una per non con si come sono "
    "del della più ma gli mi questo nel alla cosa puoi lo anche quale",
    "pt": "escreva explique posso sobre minha tem são uma qual o a os as e de que em um é para não com por se como "
    "mais mas do da no na meu você ao isso está ou também",
    "nl": "schrijf leg geef over heeft wat kun kunt uw mij de het een en van ik is niet dat op te zijn met voor die "
    "er aan je hoe ook maar om kan naar bij deze wij hebben of mijn",
    "sv": "skriv förklara ge ska blir något mycket också mitt och det att en är som för på jag med inte ett "
    "den av till har vi kan hur om du från vad min men så de eller var mig",
    "da": "skriv forklar giv skal bliver noget meget af efter også og det at en er som for på jeg med ikke et den "
    "til har vi kan hvordan om du fra hvad min men så de eller hvor mig",
    "no": "skriv forklar gi skal blir noe mye av etter også og det at en er som for på jeg med ikke et den til har "
    "vi kan hvordan om du fra hva min men så de eller hvor meg",
    "fi": "kirjoita selitä anna sekä siitä lyhyt onko mikä ne sen ja on ei että se hän oli ovat mutta kun niin kuin "
    "mitä miten minun minä sinä tai voi voit myös joka tämä olen kanssa",
    "pl": "napisz wyjaśnij podaj mogę moje jaka jaki jakie ma i w na nie się z do jest to że co jak dla mnie ale o "
    "od po czy przez są jestem proszę który być tego",
    "cs": "napiš vysvětli mohu jaké jaká jaký jsi má svůj a se v je na že to s z do pro jak ale co mi o by jsem jsou "
    "které nebo byl také už být když můj prosím",
    "sk": "napíš vysvetli môžem aké aká aký si má svoj a sa v je na že to s z do pre ako ale čo mi o by som sú ktoré "
    "alebo bol tiež už byť keď môj prosím",
    "ro": "scrie explică pot fi are mea despre poți este și în de la cu nu o un pe să care din mai pentru ce cum "
    "sunt dar eu am se al ale prin sau meu",
    "hu": "írj magyarázd tudom mit kérem mert ha vagyok lesz a az és hogy nem is egy ez van meg de kell volt csak "
    "mint milyen hogyan vagy én mi lehet nekem ezt",
    "tr": "yaz açıkla nedir hakkında kısa nerede mıdır var ki ve bir bu da de için ne ile çok nasıl mı ben mi olarak "
    "daha ama gibi kadar benim bana olan değil",
    "id": "tulis jelaskan berikan tentang oleh juga tolong kami jika yang dan di ini itu untuk dengan tidak saya "
    "dari apa adalah bagaimana pada ke bisa anda akan atau dalam ada",
    "vi": "viết giải thích hãy về bài tại sao vì nào và của là có không tôi cho một được trong các với này bạn như "
    "thế đã những để người khi làm gì",
    "ca": "escriu explica quina quin dóna puc sobre té el la els les i de que en un una és per amb no se com més "
    "però del al meva què està són aquest també hi",
}
_CYRILLIC = {
    "ru": "напиши объясни какая какой какие могу сделай о ли почему и в не на я что с это как по но из у за к мне "
    "для так есть вы мы его она они бы только или меня быть",
    "uk": "напиши поясни яка який які можу зроби про чи чому і в не на я що з це як по але із у за до мені для так є "
    "ви ми його вона вони б тільки або мене бути та",
    "bg": "напиши обясни каква какъв какви мога направи защо ли и в не на аз че с това как по но от у за към ми така "
    "е вие ние той тя те би само или мен бъде се да",
    "sr": "напиши објасни која који могу зашто ли и у не на ја да са то како по али из за ка ми је тако ви он она "
    "они би само или мене бити се што",
}
_ARABIC = {
    "ar": "في من على أن إلى ما هذا هو عن مع كيف لا التي الذي كان هل هذه لم أو كل يمكن أنا",
    "fa": "و در به از که این را با است برای آن چه یک می من خود تا کرد بر هم شما چگونه های",
    "ur": "کے کی میں ہے سے اور کا کو پر یہ نے کیا ہیں ایک وہ مجھے نہیں تھا کر آپ",
}
# Letters that few languages of a script have.
_LETTERS = {
    "ß": "de", "ä": "de fi sv sk", "ö": "de fi sv hu tr", "ü": "de tr hu", "ñ": "es", "¿": "es", "ã": "pt vi",
    "õ": "pt", "ç": "fr pt tr ca", "è": "fr it ca", "ê": "fr pt vi", "œ": "fr", "å": "sv da no", "ø": "da no",
    "æ": "da no", "ł": "pl", "ą": "pl", "ę": "pl", "ż": "pl", "ś": "pl", "ř": "cs", "ě": "cs", "ů": "cs",
    "č": "cs sk", "š": "cs sk", "ž": "cs sk", "ľ": "sk", "ô": "sk fr", "ĺ": "sk", "ș": "ro", "ț": "ro", "ă": "ro vi",
    "î": "ro fr", "ő": "hu", "ű": "hu", "ı": "tr", "ğ": "tr", "ş": "tr", "đ": "vi", "ư": "vi", "ơ": "vi", "ạ": "vi",
    "ế": "vi", "ò": "it ca", "ì": "it", "ы": "ru", "э": "ru", "ё": "ru", "і": "uk", "ї": "uk", "є": "uk", "ъ": "bg",
    "ђ": "sr", "ћ": "sr", "љ": "sr", "њ": "sr", "џ": "sr", "ј": "sr", "پ": "fa ur", "گ": "fa ur", "چ": "fa ur",
    "ٹ": "ur", "ے": "ur", "ں": "ur", "ہ": "ur", "ة": "ar", "أ": "ar", "إ": "ar",
}  # fmt: skip


def _shared_out(words: dict[str, str]) -> dict[str, tuple[tuple[str, float], ...]]:
    """For each word the languages that have it; a word of many says less for each."""
    having: dict[str, list[str]] = {}
    for language, listed in words.items():
        for word in dict.fromkeys(listed.split()):
            having.setdefault(word, []).append(language)
    return {word: tuple((each, 1.0 / len(those)) for each in those) for word, those in having.items()}


_WORDS = {name: _shared_out(words) for name, words in (("", _LATIN), ("cyrillic", _CYRILLIC), ("arabic", _ARABIC))}
_MARKS = {letter: tuple(languages.split()) for letter, languages in _LETTERS.items()}
LANGUAGES = frozenset((*_LATIN, *_CYRILLIC, *_ARABIC, *(each for _, _, each in _SCRIPTS if len(each) == 2)))


def language_of(text: str) -> str:
    """Tell the language of a text.

    Returns:
        Its ISO 639-1 code; empty where it cannot be told.
    """
    text = text[:MAX_CHARS].lower()
    script = "" if text.isascii() else _script(text)
    words = _WORDS.get(script)
    return script if words is None else _by_words(text, words)


def _script(text: str) -> str:
    """The script that most of a text's letters are in: empty for the Latin one, else its name or its language."""
    counts = Counter(map(_script_of, filter(str.isalpha, text)))
    if not counts:
        return ""
    if counts["ja"] and counts["ja"] * 10 >= counts["zh"]:
        # Japanese has both; a Chinese text has no kana.
        counts["ja"] += counts.pop("zh", 0)
    return counts.most_common(1)[0][0]


def _script_of(char: str) -> str:
    code = ord(char)
    if code < 0x0370:
        return ""
    return next((name for first, last, name in _SCRIPTS if first <= code <= last), "")


def _by_words(text: str, words: dict[str, tuple[tuple[str, float], ...]]) -> str:
    points: dict[str, float] = {}
    for word in _WORD.findall(text)[:_MAX_WORDS]:
        for language, weight in words.get(word, ()):
            points[language] = points.get(language, 0.0) + weight
    if not text.isascii():
        _by_letters(points, set(text), {language for those in words.values() for language, _ in those})
    if not points:
        return ""
    best = max(points, key=points.__getitem__)
    most = points.pop(best)
    return "" if most < max(_MIN_POINTS, _MARGIN * max(points.values(), default=0.0)) else best


def _by_letters(points: dict[str, float], letters: Iterable[str], among: set[str]) -> None:
    for letter in letters:
        for language in _MARKS.get(letter, ()):
            if language in among:
                points[language] = points.get(language, 0.0) + _LETTER_POINTS
