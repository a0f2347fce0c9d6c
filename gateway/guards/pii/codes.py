"""Codes of countries, and what may stand last in a host's name."""

from __future__ import annotations

# ISO 3166, and Kosovo.
_COUNTRIES = """
AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA CC
CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD
GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH
KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW
MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC
SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY
UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW
"""
# Suffixes of files and names of attributes that people write behind an "@" and a dot.
_SUFFIXES = """
utf png jpg jpeg gif svg webp ico bmp tiff avif mp3 mp4 css scss html htm xml json yaml yml toml ini cfg conf txt csv
tsv log pdf doc docx xls xlsx ppt pptx gz tar bz2 whl egg jar war exe dll deb rpm apk bin dat bak tmp lock sum mod
tsx jsx vue php cpp hpp hxx java class scala swift kt lua sql sqlite ipynb wasm map min shape format get set conj
dtype item mean
"""
COUNTRIES = frozenset(_COUNTRIES.split())
# The last label of two letters: a country's code, or one of the few that are no country's.
DOMAINS = frozenset(("ac", "eu", "su", "uk", *_COUNTRIES.lower().split()))
SUFFIXES = frozenset(_SUFFIXES.split())
