from __future__ import annotations

from typing import Any

import pytest

from gateway.core.errors import Misconfigured
from gateway.core.language import detect
from gateway.core.language_profiles import CODES, WORDS
from gateway.core.verdict import DetectorSpec
from gateway.guards.detectors.language import LanguageDetector, build
from gateway.plugin.guard import About
from tests.guards.evasion import PHRASES

ABOUT = About(direction="request")
SENTENCES = {
    "en": ["We went to the market because the bread there is better than ours.", "What should I do if it rains?"],
    "de": ["Wir gingen auf den Markt, weil das Brot dort besser ist.", "Was soll ich machen, wenn es regnet?"],
    "fr": [
        "Nous sommes allés au marché parce que le pain y est meilleur.",
        "Que dois-je faire si il pleut avec vous ?",
    ],
    "es": ["Fuimos al mercado porque el pan de allí es mejor que el nuestro.", "¿Qué puedo hacer cuando llueve?"],
    "it": ["Siamo andati al mercato perché il pane di quel posto è più buono.", "Che cosa devo fare se non piove più?"],
    "pt": ["Fomos ao mercado porque o pão de lá é melhor do que o nosso.", "O que você faz quando não está em casa?"],
    "nl": ["Wij gingen naar de markt omdat het brood daar beter is dan bij ons.", "Wat moet ik doen als het regent?"],
    "sv": [
        "Vi gick till marknaden för att brödet där är bättre än vårt.",
        "Vad ska jag göra när det regnar och är kallt?",
    ],
    "pl": [
        "Poszliśmy na targ, ponieważ chleb jest tam lepszy niż u nas.",
        "Co mam zrobić, jeśli nie będzie już chleba?",
    ],
    "cs": ["Šli jsme na trh, protože chleba je tam lepší než u nás.", "Co mám dělat, když už není chleba a je pozdě?"],
    "fi": ["Menimme torille, koska leipä on siellä parempaa kuin meillä.", "Mitä voi tehdä, jos se ei ole vielä auki?"],
    "hu": ["A piacra mentünk, mert ott a kenyér jobb, mint nálunk.", "Mit csinálok, ha már nincs itt és nem is volt?"],
    "ro": ["Am mers la piață pentru că pâinea este mai bună acolo.", "Ce să fac dacă nu mai este pâine și sunt acasă?"],
    "tr": [
        "Pazara gittik çünkü oradaki ekmek bizim ekmekten daha iyi.",
        "Yağmur yağarsa ne yapmalıyım ve nasıl için bir şey?",
    ],
    "ru": ["Мы пошли на рынок, потому что хлеб там лучше, чем у нас, и это хорошо. Мы были рады."],
    "uk": ["Ми пішли на ринок, бо хліб там кращий, ніж у нас, і її син теж."],
    "bg": ["Отидохме на пазара, защото хлябът там е по-добър от нашия."],
    "el": ["Πήγαμε στην αγορά γιατί το ψωμί εκεί είναι καλύτερο."],
    "he": ["הלכנו לשוק כי הלחם שם טוב יותר."],
    "ar": ["ذهبنا إلى السوق لأن الخبز هناك أفضل."],
    "fa": ["ما به بازار رفتیم چون نان آنجا بهتر از نان گرم ما است."],
    "hi": ["हम बाज़ार गए क्योंकि वहाँ की रोटी बेहतर है।"],
    "th": ["เราไปตลาดเพราะขนมปังที่นั่นดีกว่า"],
    "ja": ["そこのパンの方が美味しいので市場に行きました。"],
    "zh": ["我们去了市场,因为那里的面包比较好。"],
    "ko": ["그곳의 빵이 더 맛있어서 시장에 갔습니다."],
}


@pytest.mark.parametrize("code", SENTENCES)
def test_a_sentence_is_in_its_language(code: str) -> None:
    for sentence in SENTENCES[code]:
        found = detect(sentence)
        assert found is not None, sentence
        assert found[0] == code
        assert 0 < found[1] <= 1


@pytest.mark.parametrize(
    "text",
    [
        "def f(x): return [y for y in x if y % 2]" * 2,
        "SELECT id, name FROM users WHERE age > 30 ORDER BY name LIMIT 10;",
        "Müller, Schmidt, Schneider, Fischer, Weber, Meyer, Wagner",
        "lorem ipsum dolor sit amet consectetur adipiscing elit",
        "4711 0815 42 3.14159 2026-01-01T00:00:00Z",
        "😀😀😀 !!! ???",
        "qwertz asdf yxcv uiop hjkl bnm",
        "ABC слово λόγος 字 ab вг δε",
    ],
)
def test_what_cannot_be_told_is_unknown(text: str) -> None:
    assert detect(text) is None


@pytest.mark.parametrize("code", PHRASES)
def test_a_short_order_is_in_its_language_or_unknown(code: str) -> None:
    told = [found[0] for phrase in PHRASES[code] if (found := detect(phrase)) is not None]
    assert told.count(code) >= 0.35 * len(PHRASES[code])
    assert len(told) - told.count(code) <= 1


def find(text: str, **options: Any) -> list[tuple[str, int, int]]:
    detector = build(DetectorSpec(name="tongue", use="language", options=options))
    return [(finding.kind, finding.start, finding.end) for finding in detector.find(text, ABOUT)]


def test_what_is_not_allowed_is_found_as_a_whole() -> None:
    german = SENTENCES["de"][0]
    assert find(german, allow=["en", "fr"]) == [("language/de", 0, 0)]
    assert find(german, allow=["en", "de"]) == []
    assert find(german, deny=["de"]) == [("language/de", 0, 0)]
    assert find(german, deny=["en"]) == []


def test_short_texts_are_not_judged() -> None:
    assert find(SENTENCES["th"][0], allow=["en"], min_chars=30) == []
    assert find(SENTENCES["th"][0], allow=["en"], min_chars=20) == [("language/th", 0, 0)]
    assert find("123 456 789 012 345 abc def", allow=["de"], min_chars=20) == []


def test_a_long_text_is_judged_by_its_beginning_and_its_end() -> None:
    assert find(SENTENCES["de"][0] * 1000, allow=["en"]) == [("language/de", 0, 0)]


def test_findings_below_the_score_do_not_count() -> None:
    detector = LanguageDetector("tongue", allow=["en"], min_score=1.1)
    assert detector.find(SENTENCES["de"][0], ABOUT) == []


def test_a_language_that_cannot_be_told_is_refused() -> None:
    with pytest.raises(Misconfigured, match="'xx'"):
        find("text", allow=["xx"])


def test_profiles_are_of_a_kind() -> None:
    assert set(SENTENCES) <= CODES
    assert len(WORDS) >= 15
    assert all(40 <= len(words) <= 130 for words in WORDS.values())
    assert all(word == word.lower() for words in WORDS.values() for word in words)
