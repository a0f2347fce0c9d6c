"""Numbers that are words, units, months and days: what they are, in whichever of four languages they are written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal

_UNITS = """
km: km kms kilometer kilometers kilometre kilometres kilomètre kilomètres kilómetro kilómetros
m: meter meters metre metres mètre mètres metro metros
cm: cm centimeter centimeters centimetre centimetres zentimeter centimètre centimètres centímetro centímetros
mm: mm millimeter millimeters millimetre millimetres
mi: mi mile miles meile meilen
yd: yd yard yards
ft: ft foot feet
in: inch inches zoll pouce pouces
kg: kg kgs kilogram kilograms kilogramme kilo kilos kilogramm kilogramo kilogramos
g: gram grams gramm gramme grammes gramo gramos
mg: mg milligram milligrams
lb: lb lbs pound-weight
oz: oz ounce ounces
t: ton tons tonne tonnes tonnen
l: liter liters litre litres litro litros
ml: ml milliliter milliliters millilitre
gal: gal gallon gallons
cup: cup cups tasse tassen
%: % percent percentage pct prozent pourcent porcentaje percents
$: $ usd dollar dollars dólar dólares
€: € eur euro euros
£: £ gbp sterling
¥: ¥ jpy yen
₹: ₹ inr rupee rupees
chf: chf franken
pound: pound pounds pfund livre livres libra libras
°c: °c celsius centigrade
°f: °f fahrenheit
kelvin: kelvin
s: s sec secs second seconds sekunde sekunden seconde secondes segundo segundos
ms: ms millisecond milliseconds
min: mins minute minutes minuten minuto minutos
h: h hr hrs hour hours stunde stunden heure heures hora horas
day: day days tag tage tagen jour jours día días
week: week weeks wk wks woche wochen semaine semaines semana semanas
month: month months monat monate monaten mois mes meses
year: year years yr yrs jahr jahre jahren an ans année années año años
decade: decade decades
century: century centuries jahrhundert
b: byte bytes
kb: kb kilobyte kilobytes
mb: mb megabyte megabytes
gb: gb gigabyte gigabytes
tb: tb terabyte terabytes
kib: kib
mib: mib
gib: gib
bit: bit bits
mbit: mbit mbps
gbit: gbit gbps
hz: hz hertz
khz: khz
mhz: mhz
ghz: ghz
w: watt watts
kw: kw kilowatt kilowatts
kwh: kwh
mw: megawatt megawatts
v: volt volts
kmh: km/h kmh kph
mph: mph
cal: cal calorie calories kcal
px: px pixel pixels
acre: acre acres
ha: ha hectare hectares hektar
"""
# As words by themselves these are no units, only behind a number.
_ONLY_BEHIND = {
    "g",
    "m",
    "l",
    "t",
    "s",
    "h",
    "in",
    "mi",
    "v",
    "w",
    "b",
    "min",
    "an",
    "mes",
    "tag",
    "ft",
    "cal",
    "second",
    "minute",
}

_MONTHS = """
m1: january jan januar jänner janvier enero ene
m2: february feb februar février febrero
m3: march mar märz mars marzo
m4: april apr avril abril
m5: may mai mayo
m6: june jun juni juin junio
m7: july jul juli juillet julio
m8: august aug août agosto
m9: september sep sept septembre septiembre
m10: october oct oktober okt octobre octubre
m11: november nov novembre noviembre
m12: december dec dezember dez décembre diciembre
mon: monday mondays montag lundi lunes
tue: tuesday tuesdays tues dienstag mardi martes
wed: wednesday wednesdays mittwoch mercredi miércoles
thu: thursday thursdays thurs donnerstag jeudi jueves
fri: friday fridays freitag vendredi viernes
sat: saturday saturdays samstag sonnabend samedi sábado
sun: sunday sundays sonntag dimanche domingo
today: today heute aujourd'hui hoy
tonight: tonight
tomorrow: tomorrow morgen demain mañana
yesterday: yesterday gestern hier ayer
morning: morning mornings
afternoon: afternoon
evening: evening evenings abend soir
night: night nights nacht nuit noche
noon: noon midday mittag midi
midnight: midnight mitternacht minuit medianoche
am: am a.m
pm: pm p.m
weekend: weekend weekends wochenende
summer: summer sommer été verano
winter: winter hiver invierno
autumn: autumn fall herbst automne otoño
spring: frühling printemps primavera
"""
# Words of other kinds too: a month only with a capital or beside a number.
UNSURE_MONTHS = frozenset(
    {"may", "mar", "march", "jan", "mars", "mai", "dec", "sep", "nov", "am", "hier", "mayo", "fall", "été", "ene"}
)

_ONES = {
    "en": "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
    " seventeen eighteen nineteen",
    "de": "null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn"
    " siebzehn achtzehn neunzehn",
    "fr": "zéro - deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize",
    "es": "cero - dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince dieciséis diecisiete"
    " dieciocho diecinueve",
}
_TENS = {
    "en": "twenty thirty forty fifty sixty seventy eighty ninety",
    "de": "zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig",
    "fr": "vingt trente quarante cinquante soixante",
    "es": "veinte treinta cuarenta cincuenta sesenta setenta ochenta noventa",
}
_HUNDREDS = {
    "hundred": 100, "hundert": 100, "cent": 100, "cien": 100, "ciento": 100,
    "thousand": 1000, "tausend": 1000, "mille": 1000, "mil": 1000,
    "million": 10**6, "millions": 10**6, "millionen": 10**6, "millón": 10**6, "millones": 10**6,
    "billion": 10**9, "billions": 10**9, "milliarde": 10**9, "milliarden": 10**9, "milliard": 10**9,
    "trillion": 10**12, "billionen": 10**12, "dozen": 12, "dutzend": 12, "douzaine": 12, "docena": 12,
}  # fmt: skip
# Behind a number, written on to it or not.
SCALES: Mapping[str, int] = {"k": 1000, "mio": 10**6, "mn": 10**6, "bn": 10**9, "mrd": 10**9} | {
    word: size for word, size in _HUNDREDS.items() if size != 12
}
_ORDINALS = (
    "- - second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth"
    " sixteenth seventeenth eighteenth nineteenth twentieth"
)


def _listed(text: str) -> dict[str, str]:
    return {
        word: kind for kind, words in (line.split(": ") for line in text.splitlines() if line) for word in words.split()
    }


def _number_words(code: str) -> Iterator[tuple[str, int]]:
    ones, tens = _ONES[code].split(), _TENS[code].split()
    yield from ((word, number) for number, word in enumerate(ones) if word != "-")
    for ten, word in enumerate(tens, 2):
        yield word, 10 * ten
        for one in range(1, 10):
            if code == "de":
                yield ("ein" if one == 1 else ones[one]) + "und" + word, 10 * ten + one
            elif ones[one] != "-":
                yield f"{word}-{ones[one]}", 10 * ten + one


UNITS: Mapping[str, str] = _listed(_UNITS)
# What is a unit without a number before it too.
UNIT_WORDS: Mapping[str, str] = {word: unit for word, unit in UNITS.items() if word not in _ONLY_BEHIND}
DATES: Mapping[str, str] = _listed(_MONTHS)
NUMBERS: Mapping[str, Mapping[str, int]] = {code: dict(_number_words(code)) | _HUNDREDS for code in _ONES}
ORDINALS: Mapping[str, int] = {word: number for number, word in enumerate(_ORDINALS.split()) if word != "-"}


def plain(digits: str) -> str:
    """Return a number as it is written in figures, in one way: ``1,000.50`` and ``1.000,5`` are ``1000.5``."""
    cleaned = digits.replace(" ", "").replace("\u00a0", "").replace("\u202f", "").replace("'", "").replace("’", "")
    if "," in cleaned and "." in cleaned:
        mark = max(cleaned.rfind(","), cleaned.rfind("."))
        cleaned = cleaned[:mark].replace(",", "").replace(".", "") + "." + cleaned[mark + 1 :]
    for sign in ",.":
        parts = cleaned.split(sign)
        if len(parts) > 2 or (sign == "," and len(parts) == 2 and len(parts[1]) == 3 and parts[0] != "0"):
            cleaned = "".join(parts) if all(len(part) == 3 for part in parts[1:]) else cleaned
        elif sign == "," and len(parts) == 2:
            cleaned = ".".join(parts)
    whole, mark, rest = cleaned.partition(".")
    if not mark or "." in rest:
        return cleaned.lstrip("0") or "0" if not mark else cleaned
    # "3.10" is a version after "3.9", and "1.000" may be a thousand: only what is surely no more than zeros goes.
    return (whole.lstrip("0") or "0") + ("" if len(rest) < 3 and not rest.strip("0") else f".{rest}")


def scaled(number: str, size: int) -> str:
    """Return a number times a size, in figures; one with several points is no number, and stays as it is."""
    if number.count(".") > 1:
        return number
    return plain(format(Decimal(number) * size, "f"))
