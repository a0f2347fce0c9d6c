"""Characters that look like ASCII letters and cannot be told from their names or decompositions.

Drawn up for matching in the Latin alphabet, letter by letter: what a reader, or a model, takes for an ``a`` is one.
What Unicode itself calls a letter with something (``WITH STROKE``), a small capital, a circled or a mathematical one
is worked out in :mod:`gateway.guards.views.folding` and not listed here.
"""

from __future__ import annotations

# Each character with the one that it looks like.
_CYRILLIC = (
    "аa вb еe ёe з3 иu йu кk мm нh оo пn рp сc тt уy хx цu ч4 шw щw ьb эe яr гr бb дd ѕs іi їi јj һh ԁd ԛq ԝw ѵv "
    "ѡw ҽe ӏl ґr АA ВB ЕE З3 ИN КK МM НH ОO Пn РP СC ТT УY ХX ЬB ЯR Гr БB ЅS ІI ЈJ ҺH ԚQ ԜW ѴV ӀI"
)
_GREEK = (
    "αa βb γy δd εe ζz ηn θo ιi κk λl μu νv οo πn ρp ςc σo τt υu χx ωw ϲc ϳj "
    "ΑA ΒB ΕE ΖZ ΗH ΙI ΚK ΛA ΜM ΝN ΟO ΡP ΣE ΤT ΥY ΧX ϹC"
)
_COPTIC = "ⲁa ⲃb ⲉe ⲏh ⲓi ⲕk ⲙm ⲛn ⲟo ⲣp ⲥc ⲧt ⲩy ⲭx"
_ARMENIAN = "աw ոn սu օo հh ցg զq յj քp ՍU ՕO ՏS ԼL"
# Their small letters follow from these.
_CHEROKEE = "ᎪA ᏴB ᏟC ᎠD ᎬE ᏀG ᎻH Ꭵi ᎫJ ᏦK ᏞL ᎷM ᏢP ᏒR ᏚS ᎢT ᏙV ᎳW ᏃZ ᎩY ᎶG"
_LISU = "ꓮA ꓐB ꓚC ꓓD ꓰE ꓝF ꓖG ꓧH ꓲI ꓙJ ꓗK ꓡL ꓟM ꓠN ꓳO ꓑP ꓣR ꓢS ꓔT ꓴU ꓦV ꓪW ꓫX ꓬY ꓜZ"
# Syllabics and strokes, as lettering tools use them.
_LETTERING = (
    "ᗩA ᗷB ᑕC ᗪD ᗴE ᖴF ᘜG ᕼH ᒍJ ᒪL ᗰM ᑎN ᑭP ᑫQ ᖇR ᔕS ᑌU ᐯV ᗯW ᙭X ᘔZ ᛕK "
    "卂A 乃B 匚C 乇E 千F 卄H 丨I 乚L 爪M 几N ㄖO 卩P 尺R 丂S ㄒT ㄩU 山W 乂X ㄚY 乙Z"
)
_LATIN = "ıi ɡg ɑa ɩi ʋv ɛe ɔc ƨs ǀl ǃi þp ðd ŋn ßs ƿp ƖI Ɛe ɣy ʅl ȝz ʒz ƷZ øo ØO łl ŁL đd ĐD"
_SIGNS = "℮e ∂d ∨v ∪u ∣l ⍺a ∅o ⊘o ×x ɸo ∩n ⊂c ∑E √v"
_PUNCTUATION = "‘' ’' ‚' ‛' ′' ´' “\" ”\" „\" ‟\" ″\" «\" »\" ‹' ›' ‐- ‑- ‒- –- —- ―- −- ⁃- ·. •. ∙. ⋅. …. ⁄/ ∕/"
_BRAILLE = "⠁a ⠃b ⠉c ⠙d ⠑e ⠋f ⠛g ⠓h ⠊i ⠚j ⠅k ⠇l ⠍m ⠝n ⠕o ⠏p ⠟q ⠗r ⠎s ⠞t ⠥u ⠧v ⠺w ⠭x ⠽y ⠵z"

LOOK_ALIKES: dict[str, str] = {
    theirs: ours
    for alphabet in (
        *(_CYRILLIC, _GREEK, _COPTIC, _ARMENIAN, _CHEROKEE, _LISU),
        *(_LETTERING, _LATIN, _SIGNS, _PUNCTUATION, _BRAILLE),
    )
    for theirs, ours in alphabet.split()
} | {"æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE"}
