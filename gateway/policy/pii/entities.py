"""Entities that are the same everywhere: money, addresses of people and machines, documents, patients."""

from __future__ import annotations

from gateway.policy.pii.kind import CODE, HEAD, NUMBER, Kind

PHONE_WORDS = (
    *("phone", "phones", "telephone", "tel", "mobile", "cell", "cellphone", "fax", "call", "call me", "dial", "sms"),
    *("whatsapp", "phone number", "mobile number", "hotline", "text me", "contact number", "msisdn"),
    *("telefon", "telefonnummer", "rufnummer", "handy", "handynummer", "mobil", "mobilnummer", "festnetz"),
    *("téléphone", "portable", "numéro", "teléfono", "telefono", "móvil", "movil", "celular", "cellulare", "cell"),
    *("telefone", "telemóvel", "telefoon", "mobiel", "puhelin", "puh", "tlf", "tlf nr", "numer telefonu", "komórka"),
    *(
        "telefonszám",
        "τηλέφωνο",
        "κινητό",
        "телефон",
        "тел",
        "телефонен",
        "电话",
        "手机",
        "電話",
        "携帯",
        "전화",
        "휴대폰",
    ),
)
_IP_WORDS = (
    *("ip", "ips", "ip address", "ip addr", "ipv4", "ipv6", "addr", "host", "hostname", "server", "gateway", "dns"),
    *("remote addr", "ping", "client", "inet", "inet6", "subnet", "firewall", "nameserver", "ip adresse", "adresse ip"),
    *("dirección ip", "indirizzo ip", "endereço ip"),
)
_MAC_WORDS = ("mac", "mac address", "hwaddr", "ethernet", "ether", "lladdr", "bssid")
_IMEI_WORDS = ("imei", "imeis", "device id", "device identifier", "handset", "phone serial")
_COIN_WORDS = ("eth", "ether", "ethereum", "wallet", "address", "erc20", "erc 20", "usdt", "usdc", "metamask", "crypto")
_BIC_WORDS = ("bic", "swift", "swift code", "bic code", "iban", "bank code", "bankleitzahl", "code banque", "swiftcode")
_PASSPORT_WORDS = (
    *("passport", "passports", "passport no", "passport number", "travel document", "pass nr", "reisepass"),
    *("passnummer", "reisepassnummer", "passeport", "pasaporte", "passaporto", "passaporte", "paspoort"),
    *("paspoortnummer", "passi", "pass nummer", "paszport", "paszportu", "útlevél", "pașaport", "cestovní pas"),
    *(
        "διαβατήριο",
        "диабатирио",
        "паспорт",
        "паспорта",
        "护照",
        "護照",
        "パスポート",
        "旅券",
        "여권",
        "جواز",
        "दस्तावेज़",
    ),
)

_ACCOUNT = "[A-Z]{2}[0-9]{2}(?:[ -]?[A-Z0-9]){11,30}"
_NEXT = r"[\s,;:/|]{1,3}"
_IPV4 = r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?:\.[0-9]{1,3})?"
_IPV6 = "[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{0,4}){1,7}:[0-9A-Fa-f]{1,4}"
_IMEI = "[0-9]{2}[ -]?[0-9]{6}[ -]?[0-9]{6}[ -]?[0-9]"
_LINE_END = r"(?:\\r|\\n|[\r\n]){1,2}"
_MBI = "[AC-HJKMNP-RT-Y]"

MONEY: tuple[Kind, ...] = (
    Kind(entity="CARD", name="CARD", expression=NUMBER, sizes=(14, 15, 16, 17, 18, 19), check="card", strength="proof"),
    Kind(entity="IBAN", name="IBAN", expression=_ACCOUNT, check="iban", strength="proof"),
    Kind(
        entity="IBAN", name="IBAN_SMALL", expression="[a-z]{2}[0-9]{2}[a-z0-9]{11,30}", check="iban", strength="proof"
    ),
    Kind(entity="BIC", name="BIC", expression=CODE, sizes=(8, 11), check="bic", strength="form", words=_BIC_WORDS),
    Kind(
        entity="BIC",
        name="BIC_BEHIND_IBAN",
        expression=rf"[A-Z]{{2}}[0-9]{{2}}[A-Z0-9 -]{{11,38}}{_NEXT}(?:BIC[\s:]{{1,2}})?[A-Z0-9]{{8,11}}",
        check="bic_behind_iban",
        strength="format",
    ),
    Kind(
        entity="BIC",
        name="BIC_BEFORE_IBAN",
        expression=rf"{HEAD}[A-Z0-9]{{8,11}}{_NEXT}(?:IBAN[\s:]{{1,2}})?[A-Z]{{2}}[0-9]{{2}}[ -]?[A-Z0-9]{{4}}",
        check="bic_before_iban",
        strength="format",
        bare=True,
    ),
    Kind(
        entity="CRYPTO",
        name="CRYPTO_BASE58",
        expression="[13LMDTX][1-9A-HJ-NP-Za-km-z]{25,33}",
        check="base58",
        strength="proof",
    ),
    Kind(
        entity="CRYPTO",
        name="CRYPTO_BECH32",
        expression="(?:bc|BC|ltc|LTC)1[02-9ac-hj-np-zAC-HJ-NP-Z]{38,60}",
        check="bech32",
        strength="proof",
    ),
    Kind(entity="CRYPTO", name="CRYPTO_ETHEREUM", expression="0x[0-9a-fA-F]{40}", check="ethereum", strength="proof"),
    Kind(
        entity="CRYPTO",
        name="CRYPTO_ETHEREUM_NAMED",
        expression="0x[0-9a-fA-F]{40}",
        check="hexadecimal",
        strength="form",
        words=_COIN_WORDS,
    ),
)

ADDRESSES: tuple[Kind, ...] = (
    Kind(
        entity="EMAIL",
        name="EMAIL",
        expression="[A-Za-z0-9._%+'-]{1,64}@[A-Za-z0-9]",
        check="email",
        strength="proof",
        bare=True,
    ),
    *(
        Kind(
            entity="IP",
            name=f"{name}{'_NAMED' if words else ''}",
            expression=expression,
            check=f"{name.lower()}{'_private' if private else ''}{'' if words else '_long'}",
            strength="form" if words else "proof",
            words=words,
            private=private,
        )
        for name, expression in (("IPV4", _IPV4), ("IPV6", _IPV6))
        for words in ((), _IP_WORDS)
        for private in (False, True)
    ),
    Kind(
        entity="MAC",
        name="MAC",
        expression="(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2})?",
        check="mac",
        strength="proof",
    ),
    Kind(
        entity="MAC",
        name="MAC_DOTTED",
        expression=r"[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}",
        check="mac_dotted",
        strength="form",
        words=_MAC_WORDS,
    ),
    Kind(
        entity="IMEI",
        name="IMEI",
        expression=NUMBER,
        sizes=(15,),
        form=_IMEI,
        check="imei_booked",
        strength="proof",
    ),
    Kind(
        entity="IMEI",
        name="IMEI_NAMED",
        expression=NUMBER,
        sizes=(15,),
        form=_IMEI,
        check="imei",
        strength="weak",
        words=_IMEI_WORDS,
    ),
    Kind(
        entity="PHONE",
        name="PHONE",
        expression=r"\+[(]?[0-9][0-9 ()./-]{5,21}[0-9](?:\b|_)",
        check="phone_plus",
        strength="proof",
        bare=True,
    ),
    Kind(
        entity="PHONE",
        name="PHONE_ZEROS",
        expression="00[1-9][0-9 ()./-]{5,20}[0-9]",
        check="phone_zeros_spaced",
        strength="proof",
    ),
    Kind(
        entity="PHONE",
        name="PHONE_ZEROS_NAMED",
        expression="00[1-9][0-9 ()./-]{5,20}[0-9]",
        check="phone_zeros",
        strength="weak",
        words=PHONE_WORDS,
    ),
)

# With a leading bracket there is no word boundary.
NATIONAL_PHONE = rf"(?:\(|{HEAD})[0-9][0-9 ()./-]{{4,19}}[0-9](?:\b|_)"

PAPERS: tuple[Kind, ...] = (
    Kind(
        entity="PASSPORT",
        name="PASSPORT_MRZ",
        expression=rf"(?:[PV][A-Z<][A-Z<]{{3}}[A-Z0-9<]{{39}}{_LINE_END})?[A-Z0-9<]{{9}}[0-9<][A-Z<]{{3}}[0-9]{{7}}"
        "[MFX<][0-9]{7}[A-Z0-9<]{14}[0-9<][0-9]",
        check="mrz",
        strength="proof",
        bare=True,
    ),
    Kind(
        entity="PASSPORT",
        name="PASSPORT_MRZ_TWO",
        expression=rf"[ACIPV][A-Z0-9<][A-Z<]{{3}}[A-Z0-9<]{{31}}{_LINE_END}[A-Z0-9<]{{9}}[0-9<][A-Z<]{{3}}[0-9]{{7}}"
        "[MFX<][0-9]{7}[A-Z0-9<]{8}",
        check="mrz",
        strength="proof",
        bare=True,
    ),
    Kind(
        entity="PASSPORT",
        name="PASSPORT_MRZ_THREE",
        expression=rf"[ACI][A-Z0-9<][A-Z<]{{3}}[A-Z0-9<]{{9}}[0-9<][A-Z0-9<]{{15}}{_LINE_END}[0-9]{{7}}[MFX<][0-9]{{7}}"
        rf"[A-Z<]{{3}}[A-Z0-9<]{{11}}[0-9](?:{_LINE_END}[A-Z<]{{30}})?",
        check="mrz",
        strength="proof",
        bare=True,
    ),
    Kind(
        entity="PASSPORT",
        name="PASSPORT",
        expression=CODE,
        sizes=(7, 8, 9),
        check="passport",
        strength="form",
        words=_PASSPORT_WORDS,
    ),
    Kind(
        entity="PASSPORT",
        name="PASSPORT_RU",
        expression=NUMBER,
        sizes=(10,),
        form="[0-9]{2}[ ]?[0-9]{2}[ ]?[0-9]{6}",
        check="passport",
        strength="form",
        words=("паспорт", "паспорта", "серия и номер"),
    ),
)


def _patient(name: str, form: str, sizes: tuple[int, ...], words: tuple[str, ...], expression: str = NUMBER) -> Kind:
    return Kind(
        entity="MEDICAL_ID",
        name=f"MEDICAL_ID_{name.upper()}",
        expression=expression,
        form=form,
        sizes=sizes,
        check=name,
        strength="form" if name == "mbi" else "weak",
        words=(*words, "patient id", "health insurance", "health card", "medical record"),
    )


PATIENTS: tuple[Kind, ...] = (
    _patient("npi", "[12][0-9]{9}", (10,), ("npi", "national provider", "provider id", "provider identifier")),
    _patient(
        "mbi",
        "",
        (),
        ("mbi", "medicare", "medicare number", "medicare id", "beneficiary", "beneficiary identifier"),
        f"[1-9]{_MBI}[0-9AC-HJKMNP-RT-Y][0-9]-?{_MBI}[0-9AC-HJKMNP-RT-Y][0-9]-?{_MBI}{{2}}[0-9]{{2}}",
    ),
    _patient("dea", "[A-Z][A-Z9][0-9]{7}", (9,), ("dea", "dea number", "dea no", "prescriber"), CODE),
    _patient("nhs", "[0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{4}", (10,), ("nhs", "nhs number", "nhs no", "patient")),
    _patient(
        "kvnr",
        "[A-Z][0-9]{9}",
        (10,),
        (
            *("kvnr", "krankenversichertennummer", "krankenversicherung", "versichertennummer", "versicherten nr"),
            *("krankenkasse", "gesundheitskarte"),
        ),
        CODE,
    ),
    _patient(
        "medicare",
        "[2-6][0-9]{3}[ -]?[0-9]{5}[ -]?[0-9](?:[ /-]?[0-9])?",
        (10, 11),
        ("medicare", "medicare card", "irn"),
    ),
    _patient(
        "ohip",
        "[0-9]{4}[ -]?[0-9]{3}[ -]?[0-9]{3}",
        (10,),
        ("ohip", "health number", "carte santé", "carte sante"),
    ),
    _patient(
        "nhi",
        "[A-HJ-NP-Z]{3}[0-9]{2}(?:[0-9]{2}|[A-HJ-NP-Z]{2})",
        (7,),
        ("nhi", "nhi number", "national health index"),
        CODE,
    ),
)
