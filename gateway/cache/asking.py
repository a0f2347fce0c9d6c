"""The ways of asking that change no answer: politeness before and after, and several words that say what one says."""

from __future__ import annotations

import re
from collections.abc import Mapping

# What stands before a question, cut as long as there is some. "Can you" asks a model to do something.
_BEFORE: Mapping[str, str] = {
    "en": r"(?:hi|hello|hey|dear|good (?:morning|afternoon|evening|day)|greetings)(?: (?:there|all|everyone|team"
    r"|assistant))?[,.! ]+"
    r"|(?:please|kindly|pls|so|ok|okay|well|um)[, ]+"
    r"|(?:thanks|thank you)[,.! ]+"
    r"|(?:can|could|would|will) (?:you|u|anyone|someone|somebody)(?: please| kindly| possibly| perhaps)*"
    r"(?: (?:tell|show|give|help|explain to|let|inform|advise|remind) (?:me|us)(?: know)?(?: please)?(?: with| out)?|"
    r" explain(?= (?:how|what|why|when|where|who)\b))?"
    r"|would you (?:mind|be able to|be so kind as to)(?: tell(?:ing)?| explain(?:ing)?"
    r"| show(?:ing)?)?(?: to)?(?: me| us)?"
    r"|i(?:'d| would)? (?:really |just |also )*(?:like|want|need|love|wish) to (?:know|understand|find out"
    r"|be told|hear)(?: about(?= (?:how|what|why|when|where|who)\b))?"
    r"|i (?:was|am|'m)?'?m? ?(?:just )?(?:wondering|curious|asking)(?: about)?(?: (?:if|whether) you (?:can|could"
    r"|would|might)(?: please)?(?: (?:tell|show|explain to) (?:me|us))?)?"
    r"|(?:i )?(?:have|got) (?:a|one) (?:quick |small |short )?question[:,. ]+"
    r"|(?:just )?(?:a )?(?:quick|small|simple) question[:,. ]+"
    r"|(?:do|does|would|might) (?:you|anyone|anybody|someone|somebody)(?: here)?(?: happen to)? know(?= (?:how"
    r"|what|why|when|where|who|which|if|whether)\b)"
    r"|any (?:idea|ideas|chance you know)(?= (?:how|what|why|when|where|who|which)\b)"
    r"|(?:tell|show|give) (?:me|us)"
    r"|let (?:me|us) know"
    r"|i(?:'d| would) (?:appreciate|be grateful)(?: it)? if you (?:could|can|would)(?: please)?(?: (?:tell"
    r"|show) (?:me|us))?"
    r"|help me (?:understand|find out|to understand)",
    "de": r"(?:hallo|hi|hey|guten (?:tag|morgen|abend))[,.! ]+|bitte[, ]+"
    r"|(?:kannst du|können sie|könntest du|könnten sie|würdest du|würden sie)(?: mir"
    r"| uns)?(?: bitte)?(?: mal)? (?=sagen|erklären|verraten)(?:sagen|erklären|verraten)[, ]*"
    r"|(?:kannst du|können sie|könntest du|könnten sie) (?:mir|uns)(?: bitte)? sagen[, ]+"
    r"|ich (?:möchte|würde gerne|will|wüsste gern(?:e)?)(?: gerne)?(?: wissen)?,? "
    r"|weißt du[, ]+|wissen sie[, ]+|sag(?:en sie)? mir(?: bitte)?[, ]+",
    "fr": r"(?:bonjour|salut|bonsoir)[,.! ]+|s'il (?:vous|te) pla[iî]t[, ]+"
    r"|(?:pouvez-vous|peux-tu|pourriez-vous|pourrais-tu)(?: s'il (?:vous|te) pla[iî]t)? (?:me|nous) (?:dire"
    r"|expliquer|indiquer)"
    r"|(?:je (?:veux|voudrais|aimerais) savoir)|(?:dis|dites)-moi|est-ce que|savez-vous|sais-tu",
    "es": r"[¿¡]*(?:hola|buenos días|buenas tardes)[,.! ]*|[¿¡]*por favor[, ]*"
    r"|[¿¡]*(?:puedes|puede|podrías|podría)(?: por favor)? (?:decirme|explicarme|decirnos|indicarme)"
    r"|(?:quiero|quisiera|me gustaría) saber|[¿¡]*sabes|[¿¡]*sabe usted|dime|dígame",
}
_AFTER: Mapping[str, str] = {
    "en": r"[,.!? ]+(?:please|pls|plz|kindly|thanks(?: a lot| so much| in advance)?|thank you(?: very much"
    r"| so much| in advance)?|thx|cheers|for me|if you (?:can|could|please|don't mind)|i wonder)[.!? ]*$",
    "de": r"[,.!? ]+(?:bitte|danke(?: schön| im voraus)?|vielen dank(?: im voraus)?)[.!? ]*$",
    "fr": r"[,.!? ]+(?:s'il (?:vous|te) pla[iî]t|svp|stp|merci(?: d'avance| beaucoup)?)[.!? ]*$",
    "es": r"[,.!? ]+(?:por favor|gracias(?: de antemano)?|muchas gracias)[.!? ]*$",
}
# Several words for one, in their order: what must be there at all, the pattern, and what is put for it.
_PHRASES: tuple[tuple[str, str, str], ...] = (
    (
        "way;process;procedure;step;method",
        (r"what(?:'s| is| are| would be) (?:the|a)(?: (?:right|correct|proper|good|usual))? (?:ways?|process"
        r"|procedure|steps?|method)(?: (?:to|for|of)| (?:that )?(?:i|you|we) can(?: use to)?)"),
        "how to",
    ),
    (" way;manner", r"in (?:what|which) (?:way|manner)s?", "how"),
    (
        "how ",
        (r"how (?:do|does|can|could|would|might) (?:i|you|we|one|someone|somebody|a person"
        r"|people)(?: go about)?(?= )"),
        "how to",
    ),
    ("how to", r"how to (?:be able to|manage to)", "how to"),
    ("reason;cause", r"what(?:'s| is) the (?:reason|cause)(?: (?:for|why|that|of))", "why"),
    ("reason;how come;what make;what cause", r"for (?:what|which) reasons?|how come|what makes|what causes", "why"),
    (" time;date;day;year", r"(?:at|on|in) (?:what|which) (?:time|date|day|year)(?= )|what time(?= )", "when"),
    ("place;location", r"(?:at|in) (?:what|which) (?:place|location)", "where"),
    (
        "how much;how expensive",
        r"how (?:much|expensive) (?:does|do|is|are) (.{1,60}?) (?:cost|costs)\b",
        r"what is the price of \1",
    ),
    ("meaning;definition", r"what(?:'s| is) the (?:meaning|definition) of", "define"),
    ("mean", r"what (?:does|do) (.{1,60}?) mean\b", r"define \1"),
    (
        "possible;able;there a",
        (r"is it possible (?:for (?:me|us|you) )?to|am i able to|are you able to|is there (?:a"
        r"|any) way (?:for (?:me|us) )?to"),
        "can i",
    ),
    (" to ", r"(?:has|have|had|having) to|(?:need|needs) to|is required to|are required to", "must"),
    ("going to;about to", r"(?:is|am|are|'m|'re|'s) (?:going|about) to", "will"),
    ("order to;as to", r"in order to|so as to", "to"),
    ("well as;with", r"as well as|along with|together with", "and"),
    ("lot;plenty;large number", r"a lot of|lots of|plenty of|a large number of", "many"),
    ("few;couple;number of", r"a few|a couple of|a number of", "some"),
    ("due to;owing;because;account", r"due to|owing to|because of|on account of", "because"),
    ("no one;not any", r"no one|not any", "nobody"),
    ("have", r"does ?n[o']t have|do ?n[o']t have|have no|has no", "without"),
    ("such as;for example;e.g.;instance", r"such as|for example|e\.g\.|for instance", "like"),
    ("prior", r"prior to", "before"),
    ("instead;in place;rather", r"instead of|in place of|rather than", "instead"),
    ("apart;other;aside", r"apart from|other than|aside from", "except"),
    ("united s;u.s", r"united states of america|united states|u\.s\.a?\.?(?=\W|$)", "usa"),
    ("united k;great b;u.k", r"united kingdom|great britain|u\.k\.?(?=\W|$)", "uk"),
    ("plane", r"air ?planes?|aeroplanes?", "airplane"),
)  # fmt: skip

_CUT_BEFORE = {code: re.compile(rf"(?:{made})\b[,: ]*", re.IGNORECASE) for code, made in _BEFORE.items()}
_CUT_AFTER = {code: re.compile(made, re.IGNORECASE) for code, made in _AFTER.items()}
_MOST_CUTS = 4
_READ = [
    (tuple(hints.split(";")), re.compile(rf"\b(?:{made})(?!\w)", re.IGNORECASE), one) for hints, made, one in _PHRASES
]


def bare(text: str, language: str) -> str:
    """Return a question without what is said out of politeness before and after it, and with one word for several."""
    before, after = _CUT_BEFORE.get(language), _CUT_AFTER.get(language)
    if before is None or after is None:
        return text
    text = text.strip()
    for _ in range(_MOST_CUTS):
        found = before.match(text)
        if found is None or found.end() >= len(text) - 2:
            break
        text = text[found.end() :].lstrip(" ,¿¡")
    for _ in range(_MOST_CUTS):
        found = after.search(text, max(0, len(text) - 60))
        if found is None or found.start() < 3:
            break
        text = text[: found.start()]
    if language != "en":
        return text
    low = text.lower()
    for hints, pattern, one in _READ:
        for hint in hints:
            if hint in low:
                text = pattern.sub(one, text)
                break
    return text
