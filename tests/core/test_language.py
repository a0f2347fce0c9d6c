"""Told by script and by common words; never told wrong where three plain sentences of each language stand for it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.language import LANGUAGES, MAX_CHARS, language_of

SENTENCES: dict[str, tuple[str, ...]] = {
    "en": (
        "What is the capital of France?",
        "Write me a short poem about the sea.",
        "How can I pay the invoice that you have sent me?",
    ),
    "de": (
        "Was ist die Hauptstadt von Frankreich?",
        "Schreibe ein kurzes Gedicht über das Meer.",
        "Wie kann ich meine Rechnung bezahlen?",
    ),
    "fr": (
        "Quelle est la capitale de la France ?",
        "Écris un court poème sur la mer.",
        "Comment puis-je payer ma facture ?",
    ),
    "es": ("¿Cuál es la capital de Francia?", "Escribe un poema corto sobre el mar.", "Cómo puedo pagar mi factura"),
    "it": (
        "Qual è la capitale della Francia?",
        "Scrivi una breve poesia sul mare.",
        "Come posso pagare la mia fattura?",
    ),
    "pt": ("Qual é a capital da França?", "Escreva um poema curto sobre o mar.", "Como posso pagar a minha fatura?"),
    "nl": (
        "Wat is de hoofdstad van Frankrijk?",
        "Schrijf een kort gedicht over de zee.",
        "Hoe kan ik mijn rekening betalen?",
    ),
    "sv": ("Vad är huvudstaden i Frankrike?", "Skriv en kort dikt om havet.", "Hur kan jag betala min räkning?"),
    "da": ("Hvad er hovedstaden i Frankrig?", "Skriv et kort digt om havet.", "Hvordan kan jeg betale min regning?"),
    "no": ("Hva er hovedstaden i Frankrike?", "Skriv et kort dikt om havet.", "Hvordan kan jeg betale regningen min?"),
    "fi": ("Mikä on Ranskan pääkaupunki?", "Kirjoita lyhyt runo merestä.", "Miten voin maksaa laskuni?"),
    "pl": ("Jaka jest stolica Francji?", "Napisz krótki wiersz o morzu.", "Jak mogę zapłacić mój rachunek?"),
    "cs": ("Jaké je hlavní město Francie?", "Napiš krátkou báseň o moři.", "Jak mohu zaplatit svůj účet?"),
    "ro": ("Care este capitala Franței?", "Scrie o poezie scurtă despre mare.", "Cum pot să plătesc factura mea?"),
    "hu": (
        "Mi Franciaország fővárosa?",
        "Írj egy rövid verset a tengerről.",
        "Hogyan tudom kifizetni a számlámat?",
    ),
    "tr": (
        "Fransa'nın başkenti neresidir?",
        "Deniz hakkında kısa bir şiir yaz.",
        "Faturamı nasıl ödeyebilirim?",
    ),
    "id": (
        "Apa ibu kota Prancis?",
        "Tulis puisi pendek tentang laut yang indah.",
        "Bagaimana saya bisa membayar tagihan saya?",
    ),
    "vi": (
        "Thủ đô của nước Pháp là gì?",
        "Viết một bài thơ ngắn về biển.",
        "Làm thế nào để tôi thanh toán hóa đơn?",
    ),
    "ru": ("Какая столица Франции?", "Напиши короткое стихотворение о море.", "Как я могу оплатить счёт?"),
    "uk": ("Яка столиця Франції?", "Напиши короткий вірш про море.", "Як я можу оплатити рахунок?"),
    "ar": ("ما هي عاصمة فرنسا؟ هل يمكن أن تكتب عن هذا؟",),
    "fa": ("پایتخت فرانسه کجاست و چگونه به آن می رسم؟",),
    "zh": ("法国的首都是哪里？", "请写一首关于大海的短诗。"),
    "ja": ("フランスの首都はどこですか？", "海についての短い詩を書いてください。"),
    "ko": ("프랑스의 수도는 어디인가요?",),
    "el": ("Ποια είναι η πρωτεύουσα της Γαλλίας;",),
    "he": ("מהי בירת צרפת?",),
    "th": ("เมืองหลวงของฝรั่งเศสคืออะไร",),
    "hi": ("फ्रांस की राजधानी क्या है?",),
}


@pytest.mark.parametrize("language", SENTENCES)
def test_sentences_of_a_language_are_never_taken_for_another_one(language: str) -> None:
    told = [language_of(text) for text in SENTENCES[language]]
    assert set(told) <= {language, ""}
    # All of them together leave no doubt.
    assert language_of(" ".join(SENTENCES[language])) == language


def test_nearly_all_short_sentences_are_told() -> None:
    told = [language_of(text) == language for language, texts in SENTENCES.items() for text in texts]
    assert sum(told) >= 0.9 * len(told)


@pytest.mark.parametrize("text", ["", "42", "ok", "x = y ** 2", "😀😀", "Zürich", "INV-2024-00017"])
def test_what_says_too_little_stays_unknown(text: str) -> None:
    assert language_of(text) == ""


@given(st.text(max_size=80))
def test_any_text_is_of_a_known_language_or_of_none(text: str) -> None:
    assert language_of(text) in LANGUAGES | {""}


def test_only_the_start_of_a_long_text_is_looked_at() -> None:
    start = "Please write a function that sorts a list of numbers. " * 20
    assert len(start) > MAX_CHARS
    assert language_of(start + "Wie kann ich das nicht? " * 1000) == "en"
