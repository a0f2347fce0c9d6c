"""What tells languages apart: scripts, letters that only one has, and the little words that every text is full of."""

from __future__ import annotations

import re

# Scripts by their letters, and the language that is meant by a text in one. Where several share a script, letters tell.
SCRIPTS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (code, re.compile(f"[{letters}]"))
    for code, letters in (
        ("ja", "\u3041-\u30ff\u31f0-\u31ff\uff66-\uff9d"),
        ("zh", "\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff"),
        ("ko", "\u1100-\u11ff\u3130-\u318f\uac00-\ud7a3"),
        ("ru", "\u0400-\u052f"),
        ("el", "\u0370-\u03ff\u1f00-\u1fff"),
        ("he", "\u0590-\u05ff"),
        ("ar", "\u0600-\u06ff\u0750-\u077f\u08a0-\u08ff"),
        ("hi", "\u0900-\u097f"),
        ("bn", "\u0980-\u09ff"),
        ("pa", "\u0a00-\u0a7f"),
        ("gu", "\u0a80-\u0aff"),
        ("ta", "\u0b80-\u0bff"),
        ("te", "\u0c00-\u0c7f"),
        ("kn", "\u0c80-\u0cff"),
        ("ml", "\u0d00-\u0d7f"),
        ("si", "\u0d80-\u0dff"),
        ("th", "\u0e00-\u0e7f"),
        ("lo", "\u0e80-\u0eff"),
        ("my", "\u1000-\u109f"),
        ("ka", "\u10a0-\u10ff"),
        ("am", "\u1200-\u137f"),
        ("km", "\u1780-\u17ff"),
        ("hy", "\u0530-\u058f"),
        ("latin", "A-Za-z\u00aa\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u1e00-\u1eff"),
    )
)
# Letters of a language that another one with the same script does not have, the most telling first.
LETTERS: dict[str, tuple[tuple[str, re.Pattern[str]], ...]] = {
    "ru": (
        ("be", re.compile("[ўЎ]")),
        ("uk", re.compile("[їєґЇЄҐіІ]")),
        ("sr", re.compile("[ђћџјљњЂЋЏЈЉЊ]")),
        ("ru", re.compile("[ыэёЫЭЁ]")),
        ("bg", re.compile("[а-я]ъ[а-я]|ъ[тк]")),
    ),
    "ar": (
        ("ur", re.compile("[ٹڈڑےں]")),
        ("fa", re.compile("[پچژگ]")),
    ),
}
# Words by language, the most frequent ones, in lower case.
WORDS: dict[str, frozenset[str]] = {
    code: frozenset(words.split())
    for code, words in {
        "en": (
            "the of and to in is that it for was on are with as be this have from or had by not but what all "
            "were we when your can said there an each which she do how their if will about out many then them "
            "these so some her would make him into has two more no could my than been who its now did get you "
            "i he they our should please"
        ),
        "de": (
            "der die und in den von zu das mit sich des auf für ist im dem nicht ein eine als auch es an "
            "werden aus er hat dass sie nach wird bei einer um am sind noch wie einem über einen so zum war "
            "haben nur oder aber vor zur bis mehr durch man sein wurde ich du wir ihr mir mich dir was wenn "
            "kann bitte alle deine meine keine dieser"
        ),
        "fr": (
            "de la le et les des en un du une que est pour qui dans a par plus pas au sur ne se ce il sont "
            "avec ou son lui nous comme mais on sa cette ont aux été être leur fait elle vous je tu mes tes "
            "ses votre notre si tout bien où sans peut ces deux même ils était moi toutes quelles quel cela "
            "aussi très qu"
        ),
        "es": (
            "de la que el en y a los se del las un por con no una su para es al lo como más o pero sus le ha "
            "me si sin sobre este ya entre cuando todo esta ser son dos también fue había era muy años hasta "
            "desde está mi porque qué sólo han yo hay vez puede todos así nos ni parte tiene él uno donde "
            "bien tu tus te eres ahora todas"
        ),
        "it": (
            "di e il la che in a per un è del non una con sono le si da come dei nel alla al lo più i gli "
            "della ha anche ma o su se delle questo ci loro dal essere tra stato suo tutti io tu mi ti sei "
            "quando perché cosa molto quello questa così ai hanno dopo solo era fatto nella dalla degli puoi "
            "tuo tue mio mia"
        ),
        "pt": (
            "de a o que e do da em um para é com não uma os no se na por mais as dos como mas foi ao ele das "
            "tem à seu sua ou ser quando muito há nos já está eu também só pelo pela até isso ela entre era "
            "depois sem mesmo aos ter seus quem nas me esse eles você essa num nem suas meu às minha têm numa "
            "pelos são"
        ),
        "nl": (
            "de van het een en in is dat op te zijn met voor niet aan er om ook als dan maar bij nog uit of "
            "door over ze werd naar wordt heeft hij worden die ik je deze kan was geen meer wat haar had zich "
            "hun moet veel dit wel mijn we al tot onder zo heb jouw wij waar hoe alle zou hebben"
        ),
        "sv": (
            "och i att det som en på är av för med den till inte har de om ett han men var jag sig från vi så "
            "kan när man hade eller nu där skulle efter upp också vid då ut mot sin ska vara mycket detta hon "
            "alla mer denna bara blev inom under du dig mig min din hur vad utan sedan över någon andra"
        ),
        "da": (
            "og i at det er en til af på for med den de som ikke der har et jeg han var fra vi men så kan om "
            "sig skal vil eller blev være ved efter havde også nu når hun over ud op mod hvor kun dig mig du "
            "min din hvad hvis meget alle denne noget andre blive dette deres må kunne"
        ),
        "no": (
            "og i det på som er en til av å for med at den har de ikke om et jeg var fra vi men så kan seg "
            "skal vil eller ble være ved etter hadde også nå når hun over ut opp mot hvor bare deg meg du min "
            "din hva hvis mye alle denne noe andre bli dette deres må kunne gjøre"
        ),
        "fi": (
            "ja on ei se että oli hän mutta kun niin kuin myös joka ovat ole tai sen olla minä sinä hänen "
            "mitä nyt vain jos siitä voi jo he me te tämä sitten vielä mukaan jälkeen kanssa ennen kaikki "
            "hyvin tämän ollut sekä minun sinun missä miten koska"
        ),
        "pl": (
            "i w na z się nie do to że jest o jak a po co ale za od by dla tak ze przez być są jego czy już "
            "tylko ich oraz może które który przy jej jako tym ma też był była lub go mi ja ty mnie ci cię "
            "wszystkie gdy bardzo jeśli kiedy więc tego ten ta nad pod bez"
        ),
        "cs": (
            "a v se na je že s z do o to i ve jako za by k po ale pro od si který jsou byl které tak jeho než "
            "při až už jen nebo být jak co aby má bylo před také mezi jsem jste mi já ty mě tě podle všechny "
            "když velmi pokud kdy tedy toho ten ta nad pod bez není může"
        ),
        "ro": (
            "de și în a la cu pe o din că nu un se care mai este pentru sunt ce au ca dar fi lui prin sau al "
            "ale său sa era după când fost până foarte despre între toate acest această ei el ea eu tu noi "
            "voi mă te îmi îți dacă cum unde fără doar poate"
        ),
        "hu": (
            "a az és hogy nem is egy van volt ez ezt azt csak de mint meg ki be már még ha vagy mert nagyon "
            "el én te ő mi ti ők minden itt ott után előtt majd lehet kell pedig amely aki ami sem nincs lesz "
            "most úgy így saját között neki nekem"
        ),
        "tr": (
            "ve bir bu da de için ile ne çok olarak daha gibi olan var ama kadar en o her sonra ben sen biz "
            "siz onlar değil mi mı ki ya şey nasıl neden bana sana tüm bütün olduğu oldu önce yok ise hem "
            "veya çünkü lütfen benim senin kendi nerede zaman"
        ),
    }.items()
}
# Letters that are in hardly any word of other languages in this list.
OWN_LETTERS: dict[str, str] = {
    "de": "ß", "fr": "œùû", "es": "ñ¿¡", "it": "ìò", "pt": "ãõ", "pl": "łąęśćźż", "cs": "řěůžč", "ro": "șțăşţ",
    "hu": "őű", "tr": "ğış", "no": "", "da": "", "sv": "", "fi": "", "nl": "", "en": "",
}  # fmt: skip
CODES = frozenset(
    (
        *WORDS,
        *(code for code, _ in SCRIPTS if code != "latin"),
        *(code for each in LETTERS.values() for code, _ in each),
    )
)
