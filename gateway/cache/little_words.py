"""What the little words of a question say, by language: each word of these lists stands for a class of words.

A word that is on no list is content, and must be found in the other question too. So a list that lacks a word costs a
hit, and a list that has one too many serves a wrong answer: only words that change no answer are dropped (``-``).

Classes: ``-`` says nothing; ``not:…`` denies; ``more:…`` compares; ``all:…`` says how many or which; ``must:…`` says
what may be; ``when:…`` says past or future; ``me:…`` says whose; ``ask:…`` asks; ``to:…`` says where to and where from,
and must be there in both; ``in:…`` is the same but means little by itself; ``and:…`` joins.
"""

from __future__ import annotations

from collections.abc import Mapping

_EN = """
-: a an the is are am be been being isn's do does doing it its it's this that these those there here which such
-: please kindly hi hello hey dear thanks thank thx pls plz ok okay well so just actually really basically simply
me:i: i we us i'm i've i'd
me:you: you you're you've
-: one ourselves myself yourself 's 're 'm 've 'd 'll have has having get got gets getting
-: too very quite also then rather etc oh um uh ain
not:not: not n't no don isn doesn didn aren wasn weren won wouldn couldn shouldn hasn haven hadn can't cannot nobody
not:not: nothing nowhere neither nor none cant dont doesnt didnt isnt arent wasnt werent wont wouldnt couldnt shouldnt
not:not: hasnt havent hadnt mustnt needn needn't mustn
not:without: without w/o lacking
not:never: never
not:except: except excluding besides unless
not:hardly: hardly barely scarcely rarely seldom
not:instead: instead
more:more: more greater additional extra further exceed exceeds exceeding
more:less: less fewer
more:most: most maximum max maximal maximally
more:least: least minimum min minimal minimally
more:than: than
more:good: better
more:best: best
more:bad: worse
more:worst: worst
more:equal: equal equals same identical
in:as: as
all:all: all every each everyone everybody everything entire whole always
all:any: any anyone anybody anything either
-: some several
all:some: someone somebody something
all:many: many much lot lots
all:few: few
all:often: often usually frequently
all:sometimes: sometimes occasionally
all:both: both
all:only: only solely exclusively
all:first: first initial initially earliest
all:last: last final finally
all:latest: latest newest recent recently
all:previous: previous previously past former
all:next: next upcoming following
all:other: other another else others
all:half: half
all:twice: twice double
all:once: once
all:even: even
all:still: still yet already again anymore
must:must: must required mandatory obligatory shall
must:should: should ought
must:can: can could able
must:may: may might allowed permitted
must:would: would
when:past: was were did had used
when:future: will gonna
when:now: now currently presently
me:1: my mine our ours me
me:2: your yours
me:he: he him himself
me:his: his
me:she: she herself
me:her: her hers
me:they: they them themselves
me:their: their theirs
ask:who: who whom whose who's
ask:what: what what's whats
ask:when: when when's
ask:where: where where's
ask:why: why why's
ask:how: how how's
to:from: from
to:to: to
to:into: into onto
to:before: before prior ahead
to:after: after afterwards
to:above: above over
to:below: below under beneath underneath
to:up: up upward upwards
to:down: down downward downwards
to:out: out outside outward
to:off: off
to:inside: inside within
to:against: against
to:until: until till
to:since: since
to:through: through via across
to:between: between among
to:towards: toward towards
to:by: by
not:unlike: unlike
to:like: like
to:if: if whether
to:because: because
to:but: but although though however while whereas
to:around: around
to:away: away back forward backward backwards forwards
to:near: near
to:during: during
to:beyond: beyond
in:in: in
in:on: on upon
in:at: at
in:of: of
in:for: for
in:with: with
in:about: about regarding concerning
and:and: and plus &
and:or: or
and:vs: versus vs vs.
"""

_DE = """
-: der die das den dem des ein eine einen einem einer eines
-: ist sind bin bist sei es dies diese dieser dieses diesem diesen
-: bitte hallo hi danke mal eigentlich denn doch einfach gerade sie man sich so da dort hier gibt haben hat habe
-: hast welche welcher welches welchen welchem auch sehr also ihr dass daß mir mich dir dich uns euch ihnen zu zum zur
not:not: nicht kein keine keinen keinem keiner keines nichts niemand weder noch nein
not:without: ohne
not:never: nie niemals
not:except: außer ausser ausgenommen
not:instead: statt anstatt
more:more: mehr größer höher
more:less: weniger geringer
more:most: meisten meiste am maximal maximum höchstens
more:least: wenigsten wenigste mindestens minimal minimum
more:than: als
more:good: besser
more:best: beste besten bester bestes
more:bad: schlechter
more:worst: schlechteste schlechtesten
more:equal: gleich
all:all: alle alles allen aller jede jeder jedes jeden jedem immer ganz ganze
all:any: irgendein irgendeine
-: einige manche
all:many: viele viel
all:few: wenig
all:often: oft
all:sometimes: manchmal
all:both: beide beiden
all:only: nur ausschließlich
all:first: erste ersten erster erstes zuerst
all:last: letzte letzten letzter letztes vorige vorigen
all:next: nächste nächsten nächster nächstes
all:other: andere anderen anderer anderes
all:half: halb halbe
all:twice: doppelt zweimal
all:still: schon wieder
must:must: muss muß müssen musst
must:should: soll sollte sollen sollten
must:can: kann können könnte kannst könnten
must:may: darf dürfen darfst
must:would: würde würden
when:past: war waren wurde wurden hatte hatten
when:future: wird werden werde
when:now: jetzt nun derzeit aktuell
me:i: ich wir
me:you: du
me:1: mein meine meinen meinem meiner unser unsere unseren
me:2: dein deine deinen deinem deiner euer eure
me:he: er ihn ihm sein seine seinen seinem seiner
me:they: ihre ihren ihrem ihrer
ask:who: wer wen wem wessen
ask:what: was
ask:when: wann
ask:where: wo wohin woher
ask:why: warum wieso weshalb
ask:how: wie
to:from: von aus vom
to:to: nach bis
to:before: vor vorher
to:after: danach nachher
to:above: über
to:below: unter
to:up: auf hoch
to:down: runter herunter ab
to:out: raus heraus
to:off: weg
to:against: gegen
to:since: seit
to:through: durch
to:between: zwischen
to:by: bei durch
to:if: wenn ob falls
to:because: weil
to:but: aber obwohl während sondern
in:in: in im ins
in:on: an
in:for: für
in:with: mit
and:and: und
and:or: oder
"""

_FR = """
-: le la les l' un une des du de d' est sont suis es être ce cet cette ces c' qu' que il y a s' se t' m' on
-: bonjour salut svp merci stp je j' nous vous tu te donc alors
-: ai as avons avez ont ça ici là très aussi quel quelle quels
-: quelles lequel laquelle ne n' moi toi
not:not: pas non aucun aucune rien personne ni
not:without: sans
not:never: jamais
not:except: sauf excepté
more:more: plus davantage
more:less: moins
more:most: maximum maximal
more:least: minimum minimal
more:good: meilleur meilleure mieux
more:bad: pire
more:equal: même égal
in:as: comme
all:all: tout tous toute toutes chaque toujours
-: quelques plusieurs
all:many: beaucoup
all:often: souvent
all:sometimes: parfois
all:only: seulement uniquement seul seule
all:first: premier première premiers premières
all:last: dernier dernière derniers dernières
all:next: prochain prochaine suivant suivante
all:other: autre autres
all:half: demi moitié
all:still: encore déjà
must:must: dois doit faut devons devez doivent
must:should: devrais devrait devrions
must:can: peux peut pouvons pouvez peuvent puis pourrais pourrait pourriez
when:past: était étaient étais avait avaient
when:future: sera seront vais va
when:now: maintenant actuellement
me:1: mon ma mes notre nos
me:2: ton ta tes votre vos
me:he: son sa ses lui
me:they: leur leurs elles ils elle
ask:who: qui
ask:what: quoi
ask:when: quand
ask:where: où
ask:why: pourquoi
ask:how: comment
ask:many: combien
to:from: depuis
to:to: à au aux vers
to:before: avant
to:after: après
to:above: dessus
to:below: sous dessous
to:off: hors
to:against: contre
to:through: par via
to:between: entre
to:if: si
to:because: parce car
to:but: mais
in:in: dans en
in:on: sur
in:for: pour
in:with: avec
and:and: et
and:or: ou
"""

_ES = """
-: el la los las lo un una unos unas es son soy eres ser
-: está están estoy hay esto este esta estos estas ese esa eso que se
-: favor hola gracias yo tú usted nosotros te me nos le les
-: ha han he hemos muy también cuál cuáles qué así pues del al
not:not: no ningún ninguna ninguno nada nadie tampoco ni
not:without: sin
not:never: nunca jamás
not:except: excepto salvo
more:more: más mayor
more:less: menos menor
more:most: máximo máxima
more:least: mínimo mínima
more:good: mejor
more:bad: peor
more:equal: mismo misma igual
in:as: como
all:all: todo toda todos todas cada siempre
-: algunos algunas varios varias
all:many: muchos muchas mucho
all:few: pocos pocas poco
all:both: ambos ambas
all:only: solo sólo solamente únicamente
all:first: primer primero primera primeros
all:last: último última últimos últimas pasado pasada
all:next: próximo próxima siguiente
all:other: otro otra otros otras
all:half: medio media mitad
all:still: todavía aún ya
must:must: debo debe debes deben tengo tiene
must:should: debería deberías deberían
must:can: puedo puede puedes pueden podría podrías
when:past: era eran fue fueron estaba estaban había
when:future: será serán voy va
when:now: ahora actualmente
me:1: mi mis nuestro nuestra nuestros
me:2: tu tus vuestro vuestra
me:he: su sus él ella ellos ellas
ask:who: quién quiénes
ask:when: cuándo
ask:where: dónde adónde
ask:how: cómo
ask:many: cuánto cuánta cuántos cuántas
to:from: desde
to:to: a hasta hacia
to:before: antes
to:after: después
to:above: sobre encima
to:below: bajo debajo
to:against: contra
to:by: por
to:between: entre
to:if: si
to:because: porque
to:but: pero aunque
in:of: de
in:in: en
in:for: para
in:with: con
and:and: y e
and:or: o u
"""


def _read(listed: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in filter(None, listed.splitlines()):
        kind, words = line.rsplit(": ", 1)
        for word in words.split():
            found.setdefault(word, kind)
    return found


def words(listed: str) -> frozenset[str]:
    """Return words, as they stand in a line."""
    return frozenset(listed.split())


LITTLE: Mapping[str, Mapping[str, str]] = {
    "en": _read(_EN),
    "de": _read(_DE),
    "fr": _read(_FR),
    "es": _read(_ES),
}
