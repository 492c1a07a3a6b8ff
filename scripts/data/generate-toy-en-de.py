#!/usr/bin/env python3
"""Generates the toy English-German parallel corpus in data/toy-en-de.

    python3 scripts/data/generate-toy-en-de.py           writes train, validation and test
    python3 scripts/data/generate-toy-en-de.py --check   verifies the files on disk and prints statistics

One small grammar generates both languages in parallel, so that every English sentence has exactly one German
translation. The output is a function of this file: all randomness is Random(SEED).random(), whose numbers are the same
in every Python 3, and no step depends on the order of a set.
"""

import argparse
import functools
import os
import random
import sys
from dataclasses import dataclass, field, replace

SEED = 20170612
TRAIN, VALIDATION, TEST = 20000, 1000, 1000
MIN_COUNT = 20      # each word form occurs at least this often in train
MAX_WORDS = 20      # longest sentence, punctuation not counted
HELD_OUT = ("The cat sat on the mat.", "Die Katze saß auf der Matte.")
OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "data", "toy-en-de")


# ---------------------------------------------------------------- lexicon ----

# singular plural | German gender plural [oblique singular of weak nouns] | tags | adjectives
# "-" marks a form the corpus does not use. A noun is also tagged with its own name.
NOUNS = """
man men            | Mann m Männer            | person adult      | old young friendly tired happy
woman women        | Frau f Frauen            | person adult      | old young friendly tired happy
teacher teachers   | Lehrer m Lehrer          | person adult mine | old young friendly tired
doctor doctors     | Arzt m Ärzte             | person adult mine | old young friendly tired
farmer farmers     | Bauer m Bauern Bauern    | person adult      | old young friendly happy
neighbour neighbours | Nachbar m Nachbarn Nachbarn | person adult mine | old young friendly
boy boys           | Junge m Jungen Jungen    | person young      | small happy tired hungry
girl girls         | Mädchen n Mädchen        | person young      | small happy tired hungry
child children     | Kind n Kinder            | person young      | small happy tired hungry
mother -           | Mutter f -               | person kin        | tired happy
father -           | Vater m -                | person kin        | tired happy
brother brothers   | Bruder m Brüder          | person kin        | small tired happy
sister sisters     | Schwester f Schwestern   | person kin        | small tired happy
friend friends     | Freund m Freunde         | person kin        | old happy
cat cats           | Katze f Katzen           | animal pet hunter | old young black white hungry small
dog dogs           | Hund m Hunde             | animal pet hunter | old young black white hungry big
rabbit rabbits     | Kaninchen n Kaninchen    | animal pet herb   | young black white hungry small
mouse mice         | Maus f Mäuse             | animal pet        | white hungry small
horse horses       | Pferd n Pferde           | animal farm herb  | old young black white big
cow cows           | Kuh f Kühe               | animal farm herb  | old young black white big
bird birds         | Vogel m Vögel            | animal            | young black white big small
book books         | Buch n Bücher            | text flat thing   | old new good long
letter letters     | Brief m Briefe           | text flat thing   | old new long
apple apples       | Apfel m Äpfel            | food plant        | fresh red big small good
egg eggs           | Ei n Eier                | food treat        | fresh big white
cake cakes         | Kuchen m Kuchen          | food treat        | fresh big good
bread -            | Brot n -                 | mass meal         | fresh good warm
tea -              | Tee m -                  | mass drink        | cold good warm
milk -             | Milch f -                | mass drink        | fresh cold warm
water -            | Wasser n -               | mass drink        | fresh cold warm
ball balls         | Ball m Bälle             | thing             | red new small
key keys           | Schlüssel m Schlüssel    | flat thing        | old new small
flower flowers     | Blume f Blumen           | thing             | beautiful red white fresh
picture pictures   | Bild n Bilder            | thing             | old new beautiful big small
car cars           | Auto n Autos             | machine           | old new red black
train trains       | Zug m Züge               | machine           | long old new
house houses       | Haus n Häuser            | building own      | old new big small white beautiful
garden -           | Garten m -               | own               | big small beautiful
kitchen -          | Küche f -                | own               | big small new
school -           | Schule f -               | building          | old new big
park -             | Park m -                 |                   | big beautiful
forest -           | Wald m -                 |                   | big old
city -             | Stadt f -                |                   | big old beautiful
station -          | Bahnhof m -              |                   | old new big
lake -             | See m -                  |                   | big small beautiful
bridge -           | Brücke f -               |                   | old new long
tree trees         | Baum m Bäume             |                   | big old
table -            | Tisch m -                |                   | big old new
chair chairs       | Stuhl m Stühle           |                   | old new small
sofa -             | Sofa n -                 |                   | old new red
bed -              | Bett n -                 |                   | big old new
bench -            | Bank f -                 |                   | old long red
mat -              | Matte f -                |                   | old red small
roof -             | Dach n -                 |                   | old red
door -             | Tür f -                  |                   | big old
window -           | Fenster n -              |                   | big small
"""

ADJECTIVES = dict(pair.split(":") for pair in """
old:alt young:jung big:groß small:klein new:neu good:gut beautiful:schön red:rot black:schwarz
white:weiß fresh:frisch cold:kalt warm:warm long:lang friendly:freundlich tired:müde
hungry:hungrig happy:glücklich sick:krank""".split())

# Predicates of "to be", by tag of the subject.
PREDICATES = [("person", "tired hungry happy sick"), ("animal", "tired hungry sick"),
              ("food", "fresh good"), ("mass", "fresh good"), ("text", "long new"),
              ("building", "old beautiful big")]

# base 3rd past participle [particle]  | infinitive 1st 3rd past participle ("+" after a separable
# prefix, "*" after the participle of a verb that takes sein) | subject tags | arguments | flags
# Arguments: acc:TAGS and dat:TAGS are objects, PREPOSITION:TAGS a prepositional object, @NAME a
# place from PLACES; "?" makes it optional.
# Flags: d = lasts (may follow "while"), h = may be a habit, s = state (present and past only),
# q/l = may happen quickly/slowly, n = takes many things (so number words are likely),
# o = has an outcome (may have "already" happened).
VERBS = """
sit sits sat sat             | sitzen sitze sitzt saß gesessen             | person       | @seat      | dh
sit sits sat sat             | sitzen sitze sitzt saß gesessen             | pet          | @perch     | dh
sit sits sat sat             | sitzen sitze sitzt saß gesessen             | bird         | @roost     | dh
sleep sleeps slept slept     | schlafen schlafe schläft schlief geschlafen | person       | @rest?     | dh
sleep sleeps slept slept     | schlafen schlafe schläft schlief geschlafen | pet          | @perch?    | dh
sleep sleeps slept slept     | schlafen schlafe schläft schlief geschlafen | farm         | @pasture?  | dh
stand stands stood stood     | stehen stehe steht stand gestanden          | person       | @spot      | d
stand stands stood stood     | stehen stehe steht stand gestanden          | farm         | @pasture   | d
lie lies lay lain            | liegen liege liegt lag gelegen              | person       | @rest      | dh
lie lies lay lain            | liegen liege liegt lag gelegen              | pet          | @perch     | dh
lie lies lay lain            | liegen liege liegt lag gelegen              | flat         | @shelf     | d
work works worked worked     | arbeiten arbeite arbeitet arbeitete gearbeitet | adult kin | @area?     | dh
dance dances danced danced   | tanzen tanze tanzt tanzte getanzt           | person       | with:person @area? | dh
play plays played played     | spielen spiele spielt spielte gespielt      | person       | with:young,pet,ball,friend,brother,sister @area? | dhn
play plays played played     | spielen spiele spielt spielte gespielt      | pet          | with:young,pet,ball @area? | dh
wait waits waited waited     | warten warte wartet wartete gewartet        | person       | for:person,train,letter @stop? | dh
speak speaks spoke spoken    | sprechen spreche spricht sprach gesprochen  | person       | with:person @area? | dhn
run runs ran run             | laufen laufe läuft lief gelaufen*           | person animal -bird | @course | hq
jump jumps jumped jumped     | springen springe springt sprang gesprungen* | young pet    | @leap      | hq
go goes went gone            | gehen gehe geht ging gegangen*              | person       | @errand    | hql
read reads read read         | lesen lese liest las gelesen                | person       | acc:text @seat? | dho
read reads read read         | lesen lese liest las gelesen                | person       | acc:text   | dhno
buy buys bought bought       | kaufen kaufe kauft kaufte gekauft           | person       | acc:text,food,mass,flower,picture,ball,machine,chair -train -letter | no
sell sells sold sold         | verkaufen verkaufe verkauft verkaufte verkauft | adult kin | acc:text,food,mass,flower,picture,farm,machine,house,chair -train -letter @stall? | no
see sees saw seen            | sehen sehe sieht sah gesehen                | person animal | acc:person,animal,machine,house,tree @area? | n
find finds found found       | finden finde findet fand gefunden           | person       | acc:key,ball,pet,letter,flower,picture,book @area? | no
look looks looked looked for | suchen suche sucht suchte gesucht           | person       | acc:key,ball,pet,letter,young,friend @area? | d
know knows knew known        | kennen kenne kennt kannte gekannt           | person       | acc:person,city,park,forest,book,picture,house | s
eat eats ate eaten           | essen esse isst aß gegessen                 | person       | acc:food,meal @seat? | dhno
eat eats ate eaten           | fressen fresse frisst fraß gefressen        | herb         | acc:plant,bread,flower | dhno
eat eats ate eaten           | fressen fresse frisst fraß gefressen        | hunter mouse | acc:treat,meal | dho
drink drinks drank drunk     | trinken trinke trinkt trank getrunken       | person       | acc:drink @area? | dho
drink drinks drank drunk     | trinken trinke trinkt trank getrunken       | animal -bird | acc:milk,water | dho
wash washes washed washed    | waschen wasche wäscht wusch gewaschen       | person       | acc:dog,farm,plant,machine,window -train ~water? | o
feed feeds fed fed           | füttern füttere füttert fütterte gefüttert  | person       | acc:animal ~feed? | dhno
visit visits visited visited | besuchen besuche besucht besuchte besucht   | person       | acc:person,city | hno
chase chases chased chased   | jagen jage jagt jagte gejagt                | dog          | acc:cat,rabbit,mouse,bird @course? | h
chase chases chased chased   | jagen jage jagt jagte gejagt                | cat          | acc:mouse,bird @area? | h
have has had had             | haben habe hat hatte gehabt                 | person       | acc:pet,farm,text,machine,food,flower,picture,ball,friend -train -letter | sn
help helps helped helped     | helfen helfe hilft half geholfen            | person       | dat:person,animal -mouse -bird @area? | dhn
follow follows followed followed | folgen folge folgt folgte gefolgt*       | person pet   | dat:person,pet @course? | h
listen listens listened listened to | zu+hören höre hört hörte zugehört    | person       | dat:person @area? | dh
give gives gave given        | geben gebe gibt gab gegeben                 | person       | dat:person acc:text,food,flower,ball,key,picture | no
give gives gave given        | geben gebe gibt gab gegeben                 | person       | dat:herb acc:plant,meal,water | hno
bring brings brought brought | bringen bringe bringt brachte gebracht      | person       | dat:person acc:text,food,mass,flower,chair,key | hno
put puts put put             | legen lege legt legte gelegt                | person       | acc:flat @target | o
call calls called called     | an+rufen rufe ruft rief angerufen           | person       | acc:person | ho
invite invites invited invited | ein+laden lade lädt lud eingeladen        | person       | acc:person | no
pick picks picked picked up  | ab+holen hole holt holte abgeholt           | adult kin    | acc:person @pickup? | ho
open opens opened opened     | auf+machen mache macht machte aufgemacht    | person       | acc:door,window,letter | o
get gets got got up          | auf+stehen stehe steht stand aufgestanden*  | person       |            | ho
fall falls fell fallen asleep | ein+schlafen schlafe schläft schlief eingeschlafen* | person | @rest?  | o
fall falls fell fallen asleep | ein+schlafen schlafe schläft schlief eingeschlafen* | pet | @perch?    | o
arrive arrives arrived arrived | an+kommen komme kommt kam angekommen*    | person train | @arrival?  | o
come comes came come back    | zurück+kommen komme kommt kam zurückgekommen* | person animal -bird -mouse | @origin? | o
be is was been               | sein bin ist war gewesen*                   | predicate    | pred       | s
"""

# English preposition, German preposition, case, nouns. "on" is "auf" with the dative after
# "sit" and with the accusative after "put": the verb picks the list and so the case.
PLACES = {
    "seat": "on auf dat mat chair sofa bed bench | under unter dat tree | at an dat table window lake |"
            "in in dat garden kitchen park school house | in_front_of vor dat house door |"
            "next_to neben dat door window tree | behind hinter dat house tree",
    "perch": "on auf dat mat chair sofa bed bench roof table | under unter dat table bed bench tree sofa |"
             "behind hinter dat sofa door tree | next_to neben dat bed window chair |"
             "in_front_of vor dat door house | in in dat garden kitchen house",
    "roost": "on auf dat roof bench chair table bridge mat | in in dat garden park |"
             "in_front_of vor dat window door",
    "rest": "on auf dat bed sofa bench mat | in in dat bed garden park | under unter dat tree | next_to neben dat lake",
    "pasture": "under unter dat tree | behind hinter dat house school | in in dat garden forest park |"
               "next_to neben dat house tree bridge lake | in_front_of vor dat house",
    "spot": "at an dat window door lake table | on auf dat bridge roof | in_front_of vor dat house school door station |"
            "behind hinter dat house tree door | next_to neben dat bed chair bench | under unter dat tree",
    "shelf": "on auf dat table chair bed sofa bench mat | under unter dat bed chair sofa mat |"
             "next_to neben dat bed window door | in in dat kitchen garden | behind hinter dat sofa door",
    "area": "in in dat garden kitchen house park forest school city | on auf dat bridge | under unter dat tree |"
            "behind hinter dat house school | in_front_of vor dat house school station | next_to neben dat lake",
    "stop": "at an dat station window lake | in_front_of vor dat school house station | in in dat garden park kitchen |"
            "on auf dat bridge bench",
    "stall": "in in dat city park | in_front_of vor dat station school | on auf dat bridge | behind hinter dat house",
    "course": "through durch acc garden park forest city house kitchen | around um acc house tree lake school |"
              "over über acc bridge | into in acc garden house forest park | out_of aus dat house garden forest park",
    "leap": "onto auf acc table chair bed sofa bench roof mat | over über acc chair bench mat | into in acc lake",
    "errand": "to zu dat station school bridge lake doctor teacher neighbour farmer mother friend |"
              "into in acc kitchen garden forest park city house | through durch acc park forest city |"
              "out_of aus dat house kitchen garden school | over über acc bridge",
    "target": "on auf acc table chair bed sofa bench mat | under unter acc bed mat chair |"
              "next_to neben acc bed window door",
    "pickup": "at an dat station lake | in_front_of vor dat school house",
    "arrival": "at an dat station lake | in in dat city",
    "origin": "from aus dat garden park forest city school kitchen",
}

PREPOSITIONS = {"with": ("mit", "dat"), "for": ("auf", "acc")}
CONTRACTIONS = {("in", "dem"): "im", ("an", "dem"): "am", ("zu", "dem"): "zum", ("zu", "der"): "zur",
                ("in", "das"): "ins", ("an", "das"): "ans"}

PRONOUNS = {  # nominative, object; German nominative, accusative, dative; person and number
    "I": ("me", "ich", "mich", "mir", "1sg"), "he": ("him", "er", "ihn", "ihm", "3sg"),
    "she": ("her", "sie", "sie", "ihr", "3sg"), "we": ("us", "wir", "uns", "uns", "pl"),
    "they": ("them", "sie", "sie", "ihnen", "pl")}
OWN = {"I": "my", "he": "his", "she": "her", "we": "our", "they": "their"}
POSSESSIVES = {"my": "mein", "our": "unser", "his": "sein", "her": "ihr", "their": "ihr"}

MODALS = {  # English; German singular and plural
    "can": ("kann", "können"), "must": ("muss", "müssen"), "should": ("sollte", "sollten"),
    "want": ("will", "wollen"), "hadto": ("musste", "mussten"), "wanted": ("wollte", "wollten")}

TIMES = {  # by tense, so that tense and adverb agree
    "pres": [("today", "heute"), ("in the morning", "am Morgen"), ("in the evening", "am Abend")],
    "habit": [("every day", "jeden Tag"), ("every evening", "jeden Abend"), ("every morning", "jeden Morgen")],
    "past": [("yesterday", "gestern"), ("last week", "letzte Woche"), ("on Sunday", "am Sonntag"),
             ("in the evening", "am Abend"), ("in the morning", "am Morgen")],
    "perf": [("today", "heute")],
    "fut": [("tomorrow", "morgen"), ("next week", "nächste Woche"), ("on Sunday", "am Sonntag")],
    "can": [("today", "heute"), ("tomorrow", "morgen")],
    "must": [("today", "heute"), ("tomorrow", "morgen"), ("on Sunday", "am Sonntag")],
    "should": [("today", "heute"), ("tomorrow", "morgen")],
    "want": [("today", "heute"), ("tomorrow", "morgen"), ("next week", "nächste Woche")],
    "hadto": [("yesterday", "gestern"), ("last week", "letzte Woche")],
    "wanted": [("yesterday", "gestern"), ("last week", "letzte Woche")],
    "plup": []}

UNITS = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen " \
        "sixteen seventeen eighteen nineteen".split()
EINER = "ein zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn " \
        "sechzehn siebzehn achtzehn neunzehn".split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
ZEHNER = "zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig".split()


def number(n):
    """English and German number word of 2..99: German puts the unit before the ten."""
    if n < 20:
        return UNITS[n - 1], EINER[n - 1]
    ten, unit = TENS[n // 10 - 2], n % 10
    zehner = ZEHNER[n // 10 - 2]
    return (ten + "-" + UNITS[unit - 1], EINER[unit - 1] + "und" + zehner) if unit else (ten, zehner)


@dataclass
class Noun:
    en: str
    en_pl: str
    de: str
    gender: str
    de_pl: str
    oblique: str        # accusative and dative singular
    tags: list
    adjectives: list

    def ownable(self):      # "my cat" and "my mother", but not "my woman" or "my carrot"
        return any(t in self.tags for t in ("kin", "mine", "animal", "thing", "own", "machine")) and self.en != "train"

    def form(self, case, plural):
        if not plural:
            return self.de if case == "nom" else self.oblique
        # The dative plural takes an -n unless the plural ends in -n or -s.
        return self.de_pl + ("n" if case == "dat" and self.de_pl[-1] not in "ns" else "")


@dataclass
class Verb:
    en: list            # base, third person, past, participle
    particle: str
    de: list            # infinitive without prefix, first, third, past, participle
    prefix: str
    sein: bool
    subjects: list
    arguments: list
    flags: str

    def past_is_base(self):     # "they read": present or past?
        return self.en[0] == self.en[2]


def rows(table):
    return [[cell.split() for cell in line.split("|")] for line in table.strip().split("\n")]


def read_nouns():
    nouns = []
    for english, german, tags, adjectives in rows(NOUNS):
        nouns.append(Noun(english[0], english[1], german[0], german[1], german[2],
                          german[3] if len(german) > 3 else german[0], [english[0]] + tags, adjectives))
    return nouns


def read_verbs():
    verbs = []
    for english, german, subjects, arguments, flags in rows(VERBS):
        prefix, plus, infinitive = german[0].rpartition("+")
        verbs.append(Verb(english[:4], " ".join(english[4:]), [infinitive] + german[1:4] + [german[4].rstrip("*")],
                          prefix, german[4].endswith("*"), subjects, arguments, flags[0] if flags else ""))
    return verbs


ALL_NOUNS, ALL_VERBS = read_nouns(), read_verbs()


def tagged(tags):
    """The nouns with one of the tags; "-x" takes x out again."""
    banned = [t[1:] for t in tags if t[0] == "-"]
    return [n for n in ALL_NOUNS if any(t in n.tags for t in tags) and not any(t in n.tags for t in banned)]


# ---------------------------------------------------------------- grammar ----

# Endings by case, then masculine, feminine, neuter, plural ("" is no ending).
DEFINITE = {"nom": "der die das die", "acc": "den die das die", "dat": "dem der dem den"}
RELATIVE = {"nom": "der die das die", "acc": "den die das die", "dat": "dem der dem denen", "gen": "dessen deren dessen deren"}
DIES = {"nom": "er e es e", "acc": "en e es e", "dat": "em er em en"}       # dieser, jeder, welcher
DIES_WORDS = {"this": "dies", "every": "jed", "all": "all", "which": "welch"}
EIN = {"nom": "- e - e", "acc": "en e - e", "dat": "em er em en"}           # ein, kein, mein
WEAK = {"nom": "e e e en", "acc": "en e e en", "dat": "en en en en"}
MIXED = {"nom": "er e es en", "acc": "en e es en", "dat": "en en en en"}
STRONG = {"nom": "er e es e", "acc": "en e es e", "dat": "em er em en"}


def lookup(table, case, gender):
    return table[case].split()["mfnp".index(gender)].replace("-", "")


@dataclass
class NP:
    """A noun phrase or pronoun: English words and German words by case."""
    en: list
    de: dict
    agr: str                    # 1sg, 3sg or pl
    gender: str = ""            # m, f, n, or p for plural
    noun: Noun = None
    det: str = ""
    pronoun: bool = False
    counted: bool = False       # contains a number word
    rel_en: list = field(default_factory=list)
    rel_de: list = field(default_factory=list)
    obj_en: list = field(default_factory=list)      # "him" beside "he"

    def definite(self):
        return self.det in ("the", "this", "every", "all") or self.det in POSSESSIVES

    def nominative(self):
        return self.de["nom"] + self.rel_de

    def human(self):
        return self.noun is None or "person" in self.noun.tags


def noun_phrase(noun, plural=False, det="the", adjective="", count=0, negated=False):
    """The phrase in both languages. With negated, "a" and no article become "kein"."""
    english, german = [], {"nom": [], "acc": [], "dat": []}
    gender = "p" if plural else noun.gender
    words = {"the": "the", "a": "a", "every": "every", "no": "no", "many": "many", "some": "some",
             "all": "all the", "this": "these" if plural else "this", "bare": ""}
    english += words.get(det, det).split()
    number_en, number_de = number(count) if count else ("", "")
    english += [w for w in (number_en, adjective, noun.en_pl if plural else noun.en) if w]
    for case in german:
        if det == "the":
            article, endings = lookup(DEFINITE, case, gender), WEAK
        elif det in DIES_WORDS:
            article, endings = DIES_WORDS[det] + lookup(DIES, case, gender), WEAK
        elif det in POSSESSIVES:
            article, endings = POSSESSIVES[det] + lookup(EIN, case, gender), MIXED
        elif det == "no" or (negated and det in ("a", "bare")):
            article, endings = "kein" + lookup(EIN, case, gender), MIXED
        elif det == "a":
            article, endings = "ein" + lookup(EIN, case, gender), MIXED
        elif det in ("many", "some"):
            article, endings = {"many": "viel", "some": "einig"}[det] + lookup(DIES, case, "p"), STRONG
        else:
            article, endings = "", STRONG
        declined = ""
        if adjective:
            stem = ADJECTIVES[adjective]
            declined = (stem[:-1] if stem.endswith("e") else stem) + lookup(endings, case, gender)
        german[case] = [w for w in (article, number_de, declined, noun.form(case, plural)) if w]
    return NP(english, german, "pl" if plural else "3sg", gender, noun, det, counted=bool(count), obj_en=english)


def pronoun(word):
    obj, nom, acc, dat, agr = PRONOUNS[word]
    gender = {"he": "m", "she": "f"}.get(word, "p" if agr == "pl" else "")
    return NP([word], {"nom": [nom], "acc": [acc], "dat": [dat]}, agr, gender, det=word, pronoun=True, obj_en=[obj])


def join_subjects(a, b):
    return NP(a.en + ["and"] + b.en, {"nom": a.de["nom"] + ["und"] + b.de["nom"]}, "pl", "p", a.noun, "and",
              counted=a.counted or b.counted)


def prepositional(preposition, case, np):
    german = np.de[case]
    if np.det == "the" and not np.rel_de and (preposition, german[0]) in CONTRACTIONS:
        return [CONTRACTIONS[preposition, german[0]]] + german[1:]
    return [preposition] + german


class Retry(Exception):
    """Rejects the current draw; the sampler draws again."""


# German words between the subject and the verb at the end stand in the order of these slots:
# what is known comes early, what is new or belongs closely to the verb comes late.
PRON, WHEN, DAT, DEF, NOT, MANNER, PLACE, INDEF, GOAL = range(9)


@dataclass
class Part:
    """A complement or adverbial of a clause."""
    kind: str           # acc, dat, prep, place, with, pred
    en: list
    slot: int
    de: list
    np: NP = None
    prep: tuple = ()


@dataclass
class Clause:
    subject: NP
    verb: Verb
    tense: str
    parts: list = field(default_factory=list)
    negation: str = ""      # not, never, already: they share a place in German
    often: tuple = ()       # often, always
    manner: tuple = ()
    time: tuple = ()
    relative: NP = None     # the object that a relative clause may follow

    # English

    def verb_group(self, question=False):
        """Auxiliary (or None) and the rest, ending with the main verb."""
        base, third, past, participle = self.verb.en
        agr, tense = self.subject.agr, self.tense
        adverbs = [self.often[0]] if self.often else []
        if self.negation in ("never", "already"):
            adverbs.append(self.negation)
        negative = self.negation == "not"
        no = ["not"] if negative else []
        if base == "be" and tense in ("pres", "past"):
            form = {"pres": {"1sg": "am", "3sg": "is", "pl": "are"},
                    "past": {"1sg": "was", "3sg": "was", "pl": "were"}}[tense][agr]
            return form, no + adverbs
        if tense in ("perf", "plup"):
            auxiliary = "had" if tense == "plup" else "has" if agr == "3sg" else "have"
            return auxiliary, no + adverbs + [participle]
        if tense == "can" and negative and not question:
            return "cannot", [base]
        if tense in ("fut", "can", "must", "should"):
            return {"fut": "will"}.get(tense, tense), no + adverbs + [base]
        if tense in ("want", "wanted"):
            base, third, past, rest = "want", "wants", "wanted", ["to", base]
        elif tense == "hadto":
            base, third, past, rest = "have", "has", "had", ["to", base]
        else:
            rest = []
        is_past = tense in ("past", "wanted", "hadto")
        if question or negative:
            return ("did" if is_past else "does" if agr == "3sg" else "do"), no + adverbs + [base] + rest
        return None, adverbs + [past if is_past else third if agr == "3sg" else base] + rest

    def english_complements(self):
        parts, words = list(self.parts), [self.verb.particle] if self.verb.particle else []
        if words == ["up"] and parts and parts[0].np.pronoun:
            words = parts.pop(0).en + words     # "picks him up", but "picks up the boy"
        if self.manner:
            words.append(self.manner[0])        # only with verbs whose complements are all places
        for part in parts:
            words += part.en
        return words + (self.time[0].split() if self.time else [])

    def english(self, question=False, bare_subject=False):
        auxiliary, rest = self.verb_group(question)
        subject = [] if bare_subject else self.subject.en + self.subject.rel_en
        head = [auxiliary] if auxiliary else []
        return (head + subject if question else subject + head) + rest + self.english_complements()

    # German

    def finite(self):
        """Finite verb, and what stands at the end of the clause."""
        infinitive, first, third, past, participle = self.verb.de
        agr, tense = self.subject.agr, self.tense
        plural_past = past + ("n" if past.endswith("e") else "en")
        if tense == "pres":
            plural = "sind" if infinitive == "sein" else infinitive
            return {"1sg": first, "3sg": third, "pl": plural}[agr], []
        if tense == "past":
            return plural_past if agr == "pl" else past, []
        if tense in ("perf", "plup"):
            forms = {("perf", True): "bin ist sind", ("perf", False): "habe hat haben",
                     ("plup", True): "war war waren", ("plup", False): "hatte hatte hatten"}
            return forms[tense, self.verb.sein].split()[["1sg", "3sg", "pl"].index(agr)], [participle]
        if tense == "fut":
            return {"1sg": "werde", "3sg": "wird", "pl": "werden"}[agr], [self.verb.prefix + infinitive]
        return MODALS[tense][agr == "pl"], [self.verb.prefix + infinitive]

    def middle(self):
        slots = [(p.slot, p.de) for p in self.parts]
        if self.time:
            slots.append((WHEN, self.time[1].split()))
        if self.often:
            slots.append((WHEN, [self.often[1]]))
        if self.manner:
            slots.append((MANNER, [self.manner[1]]))
        # "kein" already carries the negation.
        keine = any(p.np and p.kind == "acc" and p.np.det in ("a", "bare") for p in self.parts)
        word = {"not": [] if keine else ["nicht"], "already": ["schon"],
                "never": ["noch", "nie"] if self.tense == "perf" else ["nie"], "": []}[self.negation]
        slots.append((NOT, word))
        return [w for slot, words in sorted(slots, key=lambda s: s[0]) for w in words]

    def extraposed(self):
        """A relative clause on an object follows the verb at the end."""
        return [w for p in self.parts if p.np for w in p.np.rel_de]

    def german(self, order, front=None):
        finite, end = self.finite()
        subject = self.subject.nominative() if self.subject else []
        middle, prefix = self.middle(), self.verb.prefix
        late = self.subject.counted if self.subject.det == "bare" else not self.subject.definite()
        if subject and late and not self.subject.pronoun and (front is not None or order == "final") and \
                any(p.slot == PRON for p in self.parts):
            raise Retry     # "rief ihn ein Lehrer an": a new subject would follow the pronoun
        if order == "final":
            joined = (prefix if not end else "") + finite
            return (front or []) + subject + middle + end + [joined] + self.extraposed()
        if not end and prefix:
            end = [prefix]
        if front is None and order == "v2":
            return subject + [finite] + middle + end + self.extraposed()
        if not end and middle and not self.subject.pronoun and any(p.slot == PRON and p.de == middle for p in self.parts):
            raise Retry     # "helfen die Bauern mir" or "helfen mir die Bauern" is a matter of taste
        return (front or []) + [finite] + subject + middle + end + self.extraposed()

    def zu_infinitive(self):
        infinitive = [self.verb.prefix + "zu" + self.verb.de[0]] if self.verb.prefix else ["zu", self.verb.de[0]]
        return self.middle() + infinitive


def unclear(fronted, subject, verb, case="acc"):
    """Whether a German reader could take the fronted object for the subject: ("die Kinder, die die Frauen sehen")"""
    return case == "acc" and "m" not in (fronted.gender, subject.gender) and subject.agr == fronted.agr and \
        subject.det not in ("I", "we") and fronted.noun in tagged([t for t in verb.subjects if t != "predicate"] + ["-predicate"])


def sentence(words, mark):
    """Words and punctuation tokens to text: "a" or "an", commas, capital letter."""
    out = []
    for i, word in enumerate(words):
        if word == ",":
            # The comma that closes a clause is lost before another one or the full stop.
            if i + 1 < len(words) and words[i + 1] != "," and out:
                out[-1] += ","
            continue
        if word == "a" and words[i + 1][0] in "aeiou":
            word = "an"
        out.append(word)
    text = " ".join(out) + mark
    return text[0].upper() + text[1:]


# --------------------------------------------------------------- sampling ----

TENSE_NAMES = {"pres": "present", "past": "past", "perf": "perfect", "plup": "pluperfect", "fut": "future"}
SIMPLE_TENSES = "pres:26 past:36 perf:16 fut:7 can:4 must:3 should:2 want:3 hadto:1.5 wanted:1.5"


@functools.lru_cache(maxsize=None)
def place_table(name):
    """The entries of PLACES, one per noun, so that every noun is equally likely."""
    entries = []
    for item in PLACES[name].split("|"):
        en, de, case, *words = item.split()
        entries += [(en, de, case, noun) for noun in tagged(words)]
    return entries


class Sampler:
    def __init__(self, seed):
        self.random = random.Random(seed).random
        self.deck, self.dealt = [], []
        self.trace = []     # phenomena of the clauses in the sentence being built

    def chance(self, p):
        return self.random() < p

    def pick(self, items):
        return items[int(self.random() * len(items))]

    def weighted(self, text):
        """Draws from "name:weight name:weight"."""
        pairs = [item.split(":") for item in text.split()]
        total = 0.0
        for _, weight in pairs:     # not sum(), which rounds differently from Python 3.12 on
            total += float(weight)
        point = self.random() * total
        for name, weight in pairs:
            point -= float(weight)
            if point < 0:
                return name
        return pairs[-1][0]

    # Noun phrases

    def owner(self, subject):
        """A possessive that fits the subject. The girl and the child get none of their own:
        German speakers differ between "sein" and "ihr" there."""
        own = ""
        if subject is not None and subject.human():
            if subject.det in PRONOUNS:
                own = OWN[subject.det]
            else:
                own = {"m": "his", "f": "her", "p": "their"}.get(subject.gender, "")
        if own and self.chance(0.7):
            return own
        return self.pick(["my", "our"])

    def adjective(self, noun, p=0.3):
        return self.pick(noun.adjectives) if noun.adjectives and self.chance(p) else ""

    def subject(self, tags, plain=False, initial=False, pronouns=True):
        """plain: no quantifier (with negation its scope would be unclear)."""
        if "predicate" in tags:
            tags = [self.weighted("person:10 animal:6 food:2 mass:2 text:2 building:2")]
        if pronouns and self.chance(0.22) and any(t in ("person", "adult") for t in tags):
            return pronoun(self.pick(list(PRONOUNS)))
        noun = self.pick(tagged(tags))
        if "mass" in noun.tags:
            return noun_phrase(noun, det="the", adjective="")
        if not plain and self.chance(0.06) and ("person" in noun.tags or "animal" in noun.tags):
            others = tagged(["-" + noun.en] + tags)
            other = self.pick(others) if others else noun
            if other is not noun and "kin" not in noun.tags and "kin" not in other.tags:
                det = self.pick(["the", "the", "a"])
                return join_subjects(noun_phrase(noun, det=det), noun_phrase(other, det=det))
        plural = noun.en_pl != "-" and self.chance(0.36)
        count = 0
        own = " my:1 our:1" if noun.ownable() else ""
        if "kin" in noun.tags:
            det = self.weighted("the:1 my:3 our:3 his:2 her:2 their:1")
        elif plural:
            det = self.weighted(("the:8 this:2 num:12" if plain else "the:8 this:2 num:12 many:2 some:2 all:2 no:1") + own)
        else:
            det = self.weighted(("the:12 this:2" if plain else "the:12 this:2 a:3.5 every:1.2 no:1") + own)
        if det == "num":    # no number word opens a sentence, so that none needs a capitalised form
            det, count = ("the" if initial or plain or self.chance(0.4) else "bare"), self.count()
        return noun_phrase(noun, plural, det, self.adjective(noun, 0.25), count)

    def count(self):
        """2..99, dealt like cards so that all are equally frequent."""
        if not self.deck:
            self.deck = self.shuffled(list(range(2, 100)))
        self.dealt.append(self.deck.pop())
        return self.dealt[-1]

    def shuffled(self, items):      # random.shuffle may change from one Python to the next
        for i in range(len(items) - 1, 0, -1):
            j = int(self.random() * (i + 1))
            items[i], items[j] = items[j], items[i]
        return items

    def object(self, verb, nouns, subject, negated=False, counted=False, relative=False, dative=False):
        noun = self.pick(nouns)
        if subject is not None and subject.noun is not None and noun is subject.noun:
            raise Retry
        if "mass" in noun.tags:
            det = "the" if relative else self.weighted("bare:2 the:1")
            return noun_phrase(noun, det=det, adjective=self.adjective(noun), negated=negated)
        plural = noun.en_pl != "-" and self.chance(0.62 if counted else 0.32)
        count = 0
        if verb.en[0] == "have":
            det = self.weighted("num:6 many:1 some:1") if plural else "a"
        elif relative:
            det = self.weighted("the:6 a:2") if not plural else self.weighted("the:6 many:1 some:1")
        elif "kin" in noun.tags:
            det = "own" if self.chance(0.9) else "the"
        elif negated:
            det = self.weighted("the:5 this:1.5 own:1.5 bare:4" if plural else "the:5 this:1.5 own:1.5 a:4")
            if dative and det in ("a", "bare"):
                det = "the"
        elif plural:
            det = self.weighted("num:12 many:1 some:1 the:1 bare:1" if counted else
                                "the:5 this:1.5 own:1.5 bare:3 many:1.5 some:1.5 all:1 num:4")
        else:
            det = self.weighted("the:7 this:1.5 own:2.5 a:5")
        if det == "own":
            det = self.owner(subject) if noun.ownable() else "the"
        if det == "num":
            det, count = "bare", self.count()
            if self.chance(0.12):
                det = "the"
        return noun_phrase(noun, plural, det, self.adjective(noun), count, negated)

    def object_pronoun(self, subject):
        word = self.pick(list(PRONOUNS))
        first = ("I", "we")     # "I see me" and "we see me" are out
        if subject is None or (subject.det in first and word in first):
            raise Retry
        return pronoun(word)

    def place(self, name, subject, negated=False):
        en, de, case, noun = self.pick(place_table(name))
        if subject is not None and noun is subject.noun:
            raise Retry
        if "kin" in noun.tags:
            det = self.owner(subject)
        elif "own" in noun.tags or "mine" in noun.tags:
            det = self.weighted("the:8 own:2.5 a:0.7" if not negated else "the:8 own:2")
        else:
            det = self.weighted("the:10 a:1.5 this:1" if not negated else "the:10 this:1")
        if det == "own":
            det = self.owner(subject)
        np = noun_phrase(noun, det=det, adjective=self.adjective(noun, 0.2))
        slot = PLACE if case == "dat" and de not in ("zu", "aus") else GOAL
        return Part("place", en.split("_") + np.en, slot, prepositional(de, case, np), np, (en, de, case))

    # Clauses

    def arguments(self, clause, relative=False, pronouns=True):
        verb, subject, negated = clause.verb, clause.subject, clause.negation == "not"
        banned = [a for a in verb.arguments if a[0] == "-"]
        for argument in verb.arguments:
            if argument[0] == "-":
                continue
            if argument.endswith("?"):
                if relative or clause.time or not self.chance(0.45):
                    continue
                argument = argument[:-1]
            if argument[0] == "@":
                clause.parts.append(self.place(argument[1:], subject, negated))
            elif argument[0] == "~":
                if not negated:
                    clause.parts.append(self.instrument(argument[1:], clause.parts[0].np))
            elif argument == "pred":
                tags = subject.noun.tags if subject.noun else ["person"]
                words = [w for tag, w in PREDICATES if tag in tags]
                adjective = self.pick(words[0].split()) if words else ""
                if clause.tense == "fut" and adjective not in ("tired", "hungry", "happy", "sick"):
                    raise Retry
                if not adjective or (clause.time and adjective not in ("tired", "hungry", "happy", "sick")):
                    raise Retry
                clause.parts.append(Part("pred", [adjective], GOAL, [ADJECTIVES[adjective]]))
            else:
                kind, tags = argument.split(":")
                nouns = tagged(tags.split(",") + banned)
                ditransitive = verb.arguments[0][:3] == "dat" and len(verb.arguments) > 1 and \
                    verb.arguments[1][:3] == "acc"
                counted = "n" in verb.flags and not negated and not clause.often and \
                    not (ditransitive and kind == "dat") and self.chance(0.65 if verb.en[0] != "have" else 0.9)
                last = relative and argument == [a for a in verb.arguments if ":" in a][-1]
                if pronouns and self.chance(0.2) and not last and any("person" in n.tags for n in nouns) \
                        and verb.en[0] not in ("have", "play"):
                    np = self.object_pronoun(subject)
                else:
                    np = self.object(verb, nouns, subject, negated, counted, last, kind != "acc")
                    if ditransitive and kind == "dat" and np.det in ("bare", "many", "some", "all"):
                        raise Retry     # "gives children books" is hard to read
                    if kind in PREPOSITIONS and np.det == "a" and negated or \
                            ditransitive and kind == "dat" and np.det == "a" and clause.negation:
                        raise Retry
                if verb.en[0] in ("know", "see", "visit", "invite") and np.det == "bare" and not np.counted:
                    raise Retry     # "knows boys" needs an article
                clause.parts.append(self.argument_part(kind, np, ditransitive))
                if last:
                    clause.relative = np
        if len(clause.parts) > 1 and clause.parts[0].np and clause.parts[0].np.det == "she" and \
                clause.parts[0].kind == "dat" and clause.parts[1].kind == "acc" and clause.parts[1].np.det == "bare":
            raise Retry     # "gives her bread": "her" could be the possessive
        names = [p.np.noun.en for p in clause.parts if p.np and p.np.noun]
        if len(names) > len(dict.fromkeys(names)):
            raise Retry     # "gives the teacher the teacher"

    def argument_part(self, kind, np, ditransitive):
        if kind in PREPOSITIONS:
            de, case = PREPOSITIONS[kind]
            return Part("prep", [kind] + np.obj_en, GOAL, prepositional(de, case, np), np, (kind, de, case))
        if np.pronoun:
            slot = PRON
        elif kind == "dat" and (ditransitive or np.definite()):
            slot = DAT
        else:
            slot = DEF if np.definite() else INDEF
        return Part(kind, np.obj_en, slot, np.de[kind], np)

    def instrument(self, name, target):
        words = {"water": ["water"], "feed": ["milk", "bread"]}[name]
        if name == "feed" and target.noun and ("farm" in target.noun.tags or target.noun.en in ("bird", "rabbit")):
            words = ["bread"]
        noun = tagged([self.pick(words)])[0]
        adjective = self.pick([a for a in noun.adjectives if a != "good"])
        np = noun_phrase(noun, det="bare", adjective=adjective)
        return Part("with", ["with"] + np.en, GOAL, ["mit"] + np.de["dat"], np)

    def clause(self, tense=None, subject=None, verbs=None, flags="", negation=True, adverbs=True, plain=False,
               initial=True, relative=False, pronouns=True, time=None, quantifiers=True):
        """One clause. Most parameters forbid something the surrounding sentence cannot hold:
        plain: no quantified subject; initial: the subject opens the sentence; relative: the last
        object is left ready for a relative clause; time: True asks for a time, False forbids it."""
        verbs = [v for v in (ALL_VERBS if verbs is None else verbs) if all(f in v.flags for f in flags)]
        tense = tense or self.weighted(SIMPLE_TENSES)
        negation = "not" if negation and self.chance(0.15) else ""
        plain = plain or bool(negation)
        if subject is not None:
            verbs = [v for v in verbs if self.fits(subject, v)]
        verb = self.pick(verbs)
        if not self.tense_fits(verb, tense, negation):
            raise Retry
        if subject is None:
            subject = self.subject(verb.subjects, plain or not quantifiers, initial, pronouns)
        animate = subject.noun is None or any(t in subject.noun.tags for t in ("person", "animal"))
        if tense in MODALS and (not animate or subject.det in ("no", "every", "many", "some", "all")):
            raise Retry
        if verb.past_is_base() and subject.agr != "3sg" and tense in ("pres", "past"):
            raise Retry     # "they read" would have two translations
        clause = Clause(subject, verb, tense, negation=negation)
        self.trace += [TENSE_NAMES.get(tense, "modal verb")] + (["separable verb"] if verb.prefix else [])
        if adverbs and animate and not negation and not relative and subject.det != "no":
            self.frequency(clause)
        wants_time = self.chance(0.22) if time is None else time
        if wants_time and not relative and not clause.often and clause.negation in ("", "not") and \
                (time or "s" not in verb.flags):
            clause.time = self.time(clause)
        self.arguments(clause, relative, pronouns)
        if any(self.implausible(clause, part) for part in clause.parts if part.np):
            raise Retry
        self.trace += (["negation"] if clause.negation == "not" else []) + \
            (["dative object"] if any(p.kind == "dat" for p in clause.parts) else [])
        manners = [w for flag, w in (("q", ("quickly", "schnell")), ("l", ("slowly", "langsam"))) if flag in verb.flags]
        if manners and not clause.negation and self.chance(0.3):
            clause.manner = self.pick(manners)
        return clause

    def tense_fits(self, verb, tense, negation):
        name = verb.en[0]
        if "s" in verb.flags and tense not in ("pres", "past") and not (name == "be" and tense == "fut"):
            return False
        if negation and (tense in ("must", "hadto", "plup") or name == "have"):
            return False    # "must not" is "darf nicht"; "had no" and "did not have" would share a translation
        return not (name == "arrive" and tense in MODALS or name == "fall" and tense in ("must", "should", "hadto"))

    def frequency(self, clause):
        """Sometimes adds often, always, never or already."""
        tense, flags = clause.tense, clause.verb.flags
        definite = clause.subject.pronoun or (clause.subject.definite() and clause.subject.det not in ("every", "all"))
        if tense == "pres" and "h" in flags and self.chance(0.22):
            clause.often = self.pick([("often", "oft"), ("always", "immer"), ("often", "oft")])
            if self.chance(0.3) and definite:
                clause.often, clause.negation = (), "never"
        elif tense == "perf" and definite and self.chance(0.35):
            clause.negation = self.pick((["already"] if "o" in flags else []) +
                                        (["never"] if "h" in flags or "n" in flags else []) + [""])

    def implausible(self, clause, part):
        np = part.np
        vague = np.det in ("many", "some", "all")
        if np.det == "bare" and not np.counted and "mass" not in np.noun.tags and \
                any(p.kind == "dat" and p is not part for p in clause.parts):
            return True     # "gives the man chairs"
        if clause.negation == "not" and np.det in ("a", "bare") and len(clause.parts) > 1 and part.kind == "acc":
            return True     # "keinen" beside a place or a person is too rare to learn
        habit = clause.often or clause.negation == "never" or (clause.time and clause.time[0].startswith("every"))
        if habit and np.counted:
            return True
        if habit and part.kind == "acc" and clause.tense == "pres" and np.definite() and \
                not any(t in np.noun.tags for t in ("person", "animal")):
            return True     # nobody eats the apple every day
        if vague and clause.subject.det == "no" or clause.negation and (np.counted or vague):
            return True     # which of the two comes first?
        # The place of "nicht" would be a matter of taste.
        return clause.negation == "not" and clause.time and part.kind in ("acc", "dat")

    def time(self, clause):
        verb = clause.verb.en[0]
        unlikely = {"get": ("evening", "week"), "fall": ("morning", "week", "tomorrow")}.get(verb, ())
        if clause.tense == "pres" and "h" in clause.verb.flags and self.chance(0.5) and \
                not clause.subject.counted and clause.subject.det not in ("a", "no") and not clause.negation:
            return self.pick([t for t in TIMES["habit"] if t[0].split()[-1] not in unlikely])
        options = [t for t in TIMES[clause.tense] if t[0].split()[-1] not in unlikely]
        if not options or (verb in ("have", "know")):
            raise Retry
        return self.pick(options)

    def fits(self, subject, verb):
        if subject.noun is None:
            return any(t in ("person", "adult", "predicate") for t in verb.subjects)
        return "predicate" in verb.subjects or subject.noun in tagged(verb.subjects)

    def misleading(self, a, b):
        """Whether a pronoun could refer to the animal or thing of the other clause."""
        return any(x.pronoun and y.noun is not None and not y.human() and x.gender == y.gender
                   for x, y in ((a, b), (b, a)))

    def echo(self, clause):
        """The pronoun for the subject of another clause, or None."""
        subject = clause.subject
        if subject.noun is None or subject.det in ("every", "no", "a", "many", "some"):
            return None
        if "person" not in subject.noun.tags or subject.gender == "n":
            return None
        return pronoun({"m": "he", "f": "she", "p": "they"}[subject.gender])

    # Relative clauses

    def add_relative(self, np, main):
        """Attaches a restrictive relative clause to np; its pronoun has the gender of the noun
        and the case that its own clause asks for."""
        tense = self.pick(["past", "past", "plup"] if main.tense in ("past", "hadto", "wanted") else
                          ["pres", "past", "perf"])
        noun, gender = np.noun, np.gender
        person = "person" in noun.tags
        role = self.weighted("subject:4 acc:4 dat:2 prep:3 whose:1.2")
        if role == "subject":
            clause = self.clause(tense, replace(np, rel_en=[], rel_de=[]), adverbs=False, time=False,
                                 negation=False)
            if clause.verb.en[0] == "be" and not person:
                raise Retry
            if any(p.kind == "acc" and p.np.noun and unclear(p.np, np, clause.verb) for p in clause.parts):
                raise Retry
            english = ["who" if person else "that"] + clause.english(bare_subject=True)
            clause.subject = replace(np, de={"nom": []}, rel_de=[])
            german = clause.german("final", [lookup(RELATIVE, "nom", gender)])
        elif role == "whose":
            if not person or noun.en == "girl":
                raise Retry
            owned = self.pick(tagged(["pet", "farm", "kin"]))
            if owned.en == noun.en:
                raise Retry
            clause = self.clause(tense, noun_phrase(owned, det="bare"), adverbs=False, time=False, negation=False)
            english = ["whose"] + clause.english()
            german = clause.german("final", [lookup(RELATIVE, "gen", gender)])
        else:
            verbs = [v for v in ALL_VERBS if self.takes(v, role, noun) and v.en[0] not in ("eat", "drink") and
                     not ("o" in v.flags and (tense, main.tense) in (
                         ("past", "past"), ("past", "hadto"), ("past", "wanted"), ("pres", "perf")))]
            if not verbs:
                raise Retry
            clause = self.clause(tense, None, verbs, adverbs=False, time=False, negation=False, initial=False,
                                 plain=True)
            part = [p for p in clause.parts if p.kind == role or (role == "prep" and p.kind == "place")]
            if not part or clause.subject.noun is noun:
                raise Retry
            part = part[0]
            if unclear(np, clause.subject, clause.verb, role):
                raise Retry
            if part.kind == "place" and not any(
                    part.prep + (noun,) in place_table(a[1:]) for a in clause.verb.arguments if a[0] == "@"):
                raise Retry
            if len([p for p in clause.parts if p.kind == "place" and p is not part]):
                raise Retry
            clause.parts.remove(part)
            if any(p.np and p.np.noun is noun for p in clause.parts):
                raise Retry
            word = "whom" if person else "which" if role == "prep" else "that"
            english = [word] + clause.english()
            case = part.prep[2] if role == "prep" else role
            german = [lookup(RELATIVE, case, gender)]
            if role == "prep":
                english, german = part.prep[0].split("_") + english, [part.prep[1]] + german
            elif role == "dat" and clause.parts and clause.parts[0].kind == "acc":
                english = ["to", "whom" if person else "which"] + english[1:]
            german = clause.german("final", german)
        if clause.verb.en[0] == main.verb.en[0]:
            raise Retry
        return replace(np, rel_en=english, rel_de=[","] + german + [","])

    def takes(self, verb, role, noun):
        """Whether the noun can be this argument of the verb."""
        if verb.en[0] == "have":
            return False
        banned = [a for a in verb.arguments if a[0] == "-"]
        for argument in verb.arguments:
            if argument[0] == "@" and role == "prep" and not argument.endswith("?"):
                if any(noun is entry[3] for entry in place_table(argument[1:])):
                    return True
            if ":" in argument:
                kind, tags = argument.split(":")
                if (kind == role or (role == "prep" and kind in PREPOSITIONS)) and \
                        noun in tagged(tags.split(",") + banned):
                    return True
        return False

    # Sentences: each method returns English words, German words, the mark and the phenomena.

    def simple(self):
        c = self.clause("past", verbs=SITTING) if self.chance(0.18) else self.clause()
        return c.english(), c.german("v2"), ".", ["simple main clause"]

    def front_time(self):
        c = self.clause(time=True, initial=False)
        if not c.time:
            raise Retry
        front, c.time = c.time, ()
        return front[0].split() + c.english(), c.german("v2", front[1].split()), ".", ["fronted adverbial"]

    def front_place(self):
        c = self.clause(verbs=[v for v in ALL_VERBS if any(a[0] == "@" for a in v.arguments)], time=False,
                        initial=False, negation=False, quantifiers=False)
        places = [p for p in c.parts if p.kind == "place" and p.slot == PLACE]
        if not places or c.often or c.negation or c.subject.pronoun and self.chance(0.5):
            raise Retry
        c.parts.remove(places[0])
        return places[0].en + [","] + c.english(), c.german("v2", places[0].de), ".", ["fronted adverbial"]

    def front_object(self):
        """"This book he has not read." Only "this" and "these" are fronted, only before a pronoun."""
        c = self.clause(subject=pronoun(self.pick(list(PRONOUNS))), adverbs=True)
        part = c.parts[0] if c.parts else None
        if part is None or part.kind not in ("acc", "dat") or part.np.noun is None or c.verb.en[0] == "have" or \
                any(t in part.np.noun.tags for t in ("kin", "mass")) or any(p.slot == INDEF for p in c.parts[1:]):
            raise Retry
        c.parts.remove(part)
        fronted = noun_phrase(part.np.noun, part.np.gender == "p", "this", self.adjective(part.np.noun, 0.2))
        if unclear(fronted, c.subject, c.verb, part.kind):
            raise Retry
        return fronted.en + c.english(), c.german("v2", fronted.de[part.kind]), ".", ["fronted object"]

    def question(self):
        kind = self.weighted("yesno:4 who:1.5 what:1.5 whom:3 prep:1.2 where:1.5 when:1 why:1 which:4 many:1.5")
        label = ["question"]
        tense = self.weighted("perf:3 fut:2 can:2" if kind == "yesno" else "pres:5 past:5 perf:2 fut:1 can:1")
        if kind == "yesno":
            c = self.clause(tense, adverbs=False, negation=False, plain=True)
            if c.subject.agr == "1sg":
                raise Retry
            return c.english(question=True), c.german("v2", []), "?", label
        if kind == "who":
            who = NP(["who"], {"nom": ["wer"]}, "3sg", det="who", pronoun=True)
            c = self.clause(tense, who, adverbs=False, negation=False)
            return c.english(), c.german("v2"), "?", label
        if kind == "which" and self.chance(0.3):
            noun = self.pick(tagged(["person", "animal", "-kin"]))
            which = noun_phrase(noun, self.chance(0.4), "which", self.adjective(noun, 0.2))
            c = self.clause(tense, which, adverbs=False, negation=False)
            if any(p.kind == "acc" and p.np.noun and unclear(p.np, which, c.verb) for p in c.parts):
                raise Retry
            return c.english(), c.german("v2"), "?", label
        if kind in ("when", "why"):
            if kind == "when" and tense == "perf":
                raise Retry
            c = self.clause(tense, adverbs=False, negation=kind == "why", time=False, plain=True)
            if kind == "when" and "s" in c.verb.flags or c.subject.agr == "1sg" or \
                    c.subject.noun is not None and "flat" in c.subject.noun.tags:
                raise Retry
            front = {"when": ["wann"], "why": ["warum"]}[kind]
            return [kind] + c.english(question=True), c.german("v2", front), "?", label
        c = self.clause(tense, adverbs=False, negation=False, plain=True, time=False)
        if c.subject.agr == "1sg" or c.verb.en[0] == "have" and kind != "many":
            raise Retry
        for part in c.parts:
            noun = part.np.noun if part.np else None
            if noun is None:
                continue
            alive = "person" in noun.tags or "animal" in noun.tags
            front = None
            if kind == "what" and part.kind == "acc" and not alive:
                front = ["what"], ["was"]
            elif kind == "whom" and part.kind in ("acc", "dat") and "person" in noun.tags:
                front = ["whom"], ["wen" if part.kind == "acc" else "wem"]
                if part.kind == "dat" and len(c.parts) > 1 and c.parts[1].kind == "acc":
                    front = ["to", "whom"], ["wem"]
            elif kind == "prep" and part.kind == "prep" and "person" in noun.tags:
                english, german, case = part.prep
                front = [english, "whom"], [german, "wen" if case == "acc" else "wem"]
            elif kind == "where" and part.kind == "place" and part.slot == PLACE:
                front = ["where"], ["wo"]
            elif kind == "which" and part.kind == "acc" and "mass" not in noun.tags and "kin" not in noun.tags:
                if unclear(part.np, c.subject, c.verb):
                    raise Retry
                which = noun_phrase(noun, part.np.gender == "p", "which")
                front = which.en, which.de["acc"]
            elif kind == "many" and part.kind == "acc" and noun.en_pl != "-" and "kin" not in noun.tags:
                many = noun_phrase(noun, True, "many", self.adjective(noun, 0.2))
                if unclear(many, c.subject, c.verb):
                    raise Retry
                front = ["how"] + many.en, ["wie"] + many.de["acc"]
            if front:
                c.parts.remove(part)
                return front[0] + c.english(question=True), c.german("v2", front[1]), "?", label
        raise Retry

    def pair_of_clauses(self):
        """A main clause and a subordinate clause with its conjunctions."""
        name, tenses, flags, negation = self.pick(CONJUNCTIONS)
        main_tense, sub_tense, german = self.pick(tenses)
        timed = name in ("because", "although")
        main = self.clause(main_tense, negation=negation, adverbs=timed, time=None if timed else False,
                           flags="d" if name == "until" else "", plain=True)
        if name == "until" and any(p.kind == "acc" or p.en[0] == "for" for p in main.parts):
            raise Retry
        if main.verb.en[0] in ("have", "know") or not timed and "s" in main.verb.flags:
            raise Retry
        weather = None
        subject = self.echo(main) if self.chance(0.5) else None
        if timed or name in ("when", "if", "while"):
            if self.chance(0.1) and sub_tense in ("pres", "past"):
                weather = self.pick(WEATHER)
        verbs = None
        if timed and self.chance(0.3) and sub_tense in ("pres", "past"):
            verbs = [ALL_VERBS[-1]]     # "because he is tired"
        elif name == "until":
            verbs = [v for v in ALL_VERBS if " ".join([v.en[0], v.particle]).strip() in
                     ("arrive", "come back", "fall asleep", "get up", "call", "open")]
            subject = None
        if weather:
            sub = weather[0 if sub_tense == "pres" else 1]
            sub_en, sub_de, sub_subject = sub[0].split(), sub[1].split(), None
        else:
            c = self.clause(sub_tense, subject, verbs, flags, negation=negation, adverbs=False, time=False,
                            initial=False, plain=True)
            if c.verb.en[0] in ("have", "know") or name in ("before", "after", "until") and "s" in c.verb.flags or \
                    name == "before" and c.verb.en[0] in ("sit", "stand", "lie") or \
                    name == "while" and c.verb is main.verb:
                raise Retry
            if subject is not None and not timed and (
                    c.verb.en[0] in ("sit", "stand", "lie", "sleep", "fall") or
                    any(p.kind == "place" for p in main.parts) and any(p.kind == "place" for p in c.parts)):
                raise Retry     # "he runs through the park while he sits at the lake"
            if c.verb.en == main.verb.en or c.subject.en == main.subject.en and not c.subject.pronoun:
                raise Retry
            if self.misleading(c.subject, main.subject):
                raise Retry
            sub_en, sub_de, sub_subject = c.english(), c.german("final"), c.subject
        return name, german, main, sub_en, sub_de, sub_subject

    def sub_last(self):
        name, german, main, sub_en, sub_de, _ = self.pair_of_clauses()
        return main.english() + [name] + sub_en, main.german("v2") + [",", german] + sub_de, ".", \
            ["subordinate", name]

    def sub_first(self):
        name, german, main, sub_en, sub_de, sub_subject = self.pair_of_clauses()
        if name == "until":
            raise Retry
        if sub_subject is not None and sub_subject.pronoun and sub_subject.det in ("he", "she", "they"):
            raise Retry     # the noun should come before its pronoun; the mirrored order is drawn elsewhere
        front = [german] + sub_de + [","]
        echo = self.echo(Clause(sub_subject, None, "")) if sub_subject is not None and self.chance(0.5) else None
        if echo and self.fits(echo, main.verb) and not any(p.np and p.np.det in POSSESSIVES for p in main.parts):
            if main.subject.agr == echo.agr and main.subject.noun is not None:
                main.subject = echo
                if name in ("while", "when") and main.verb.en[0] in ("sit", "stand", "lie", "sleep", "fall"):
                    raise Retry
                if main.verb.en[0] == "eat" and main.verb.de[0] == "fressen":
                    raise Retry
        return [name] + sub_en + [","] + main.english(), main.german("v2", front), ".", \
            ["subordinate", "fronted clause", name]

    def that_clause(self):
        verb, conjunction, german, negated, tense, sub_tenses = self.pick(MATRIX_FRAMES)
        subject = self.subject(["person"], plain=True, initial=True)
        if verb.en[0] == "say" and subject.agr == "1sg":
            raise Retry
        matrix = Clause(subject, verb, tense, negation="not" if negated else "")
        c = self.clause(self.pick(sub_tenses), None, None, "", adverbs=False, initial=False, plain=True,
                        time=None, negation=conjunction == "that")
        if c.subject.noun is not None and c.subject.noun is subject.noun or c.subject.en == subject.en:
            raise Retry
        return matrix.english() + [conjunction] + c.english(), \
            matrix.german("v2") + [",", german] + c.german("final"), ".", ["subordinate", conjunction + " clause"]

    def subject_relative(self):
        c = self.clause(initial=True, quantifiers=True, pronouns=False)
        if c.subject.noun is None or c.subject.det in POSSESSIVES or c.subject.det in ("this", "and", "all", "no") or \
                "kin" in c.subject.noun.tags or c.verb.en[0] == "have" or c.often or c.negation in ("never", "already"):
            raise Retry
        c.subject = self.add_relative(c.subject, c)
        return c.english(), c.german("v2"), ".", ["subordinate", "relative"]

    def object_relative(self):
        verbs = [v for v in ALL_VERBS if v.en[0] != "have" and any(":" in a for a in v.arguments) and
                 not any(a[0] == "@" and a[-1] != "?" for a in v.arguments)]
        c = self.clause(verbs=verbs, relative=True, negation=False, adverbs=False, time=False)
        np = c.relative
        if np is None or np.noun is None or "mass" in np.noun.tags or "kin" in np.noun.tags:
            raise Retry
        part = [p for p in c.parts if p.np is np][0]
        part.np = self.add_relative(np, c)
        part.en = part.en + part.np.rel_en
        return c.english(), c.german("v2"), ".", ["subordinate", "relative"]

    def purpose(self):
        main = self.clause(None, None, [v for v in ALL_VERBS if v.en[0] == "go"], negation=False,
                           adverbs=False, time=None)
        if main.subject.det in ("no", "every", "many", "some", "a") or main.parts[0].prep[0] not in ("to", "into"):
            raise Retry
        verb = self.pick(PURPOSES)
        if not self.fits(main.subject, verb):
            raise Retry
        c = Clause(main.subject, verb, "fut")
        self.arguments(c)
        names = [p.np.noun for p in main.parts + c.parts if p.np and p.np.noun]
        if len(names) != len({id(n) for n in names}) or sum(p.kind == "place" for p in c.parts):
            raise Retry
        english = main.english() + ["in", "order", "to", verb.en[0]] + c.english_complements()
        return english, main.german("v2") + [",", "um"] + c.zu_infinitive(), ".", ["purpose"]

    def contrast(self):
        tense = self.weighted("pres:3 past:4")
        first = self.clause(tense, time=False, adverbs=False, quantifiers=False)
        second = self.clause(tense, time=False, adverbs=False, quantifiers=False, initial=False)
        if first.subject.en == second.subject.en or self.misleading(first.subject, second.subject) or \
                first.verb.en == second.verb.en:
            raise Retry
        return first.english() + [",", "but"] + second.english(), \
            first.german("v2") + [",", "aber"] + second.german("v2"), ".", ["contrast"]

    def pair(self):
        """Draws until a sentence passes; returns English, German and the labels."""
        kind = self.weighted(KINDS)
        self.dealt = []
        while True:
            self.deck += self.dealt     # the cards of a rejected attempt go back
            self.dealt, self.trace = [], []
            try:
                english, german, mark, labels = getattr(self, kind)()
            except Retry:
                continue
            content = [CONTENT[w] for w in english if w in CONTENT]
            if len(content) > len(dict.fromkeys(content)):
                continue    # "the tired teacher sees a tired teacher"
            if len([w for w in english if w != ","]) <= MAX_WORDS and len([w for w in german if w != ","]) <= MAX_WORDS:
                return sentence(english, mark), sentence(german, mark), labels + self.trace


CONTENT = {word: noun.en for noun in ALL_NOUNS for word in (noun.en, noun.en_pl)}
CONTENT.update((word, word) for word in ADJECTIVES)
KINDS = "simple:30 front_time:9 front_place:5 front_object:3 question:9 sub_last:10 sub_first:9 that_clause:7 " \
        "subject_relative:6 object_relative:6 purpose:3 contrast:3"
SITTING = [v for v in ALL_VERBS for _ in range(1 + 4 * ("pet" in v.subjects)) if v.en[0] == "sit"]
PURPOSES = [v for v in ALL_VERBS if v.en[0] in ("visit", "buy", "help", "call", "invite", "pick", "feed", "speak")]
WEATHER = [(("it rains", "es regnet"), ("it rained", "es regnete")),
           (("it snows", "es schneit"), ("it snowed", "es schneite"))]
CAUSES = [("pres", "pres"), ("pres", "pres"), ("past", "past"), ("past", "past"), ("past", "past"), ("pres", "perf"),
          ("fut", "pres"), ("must", "pres"), ("want", "pres"), ("hadto", "past"), ("past", "plup"), ("wanted", "past")]
CONJUNCTIONS = [   # English, (main tense, subordinate tense, German), verb flags, negation allowed
    ("because", [t + ("weil",) for t in CAUSES], "", True),
    ("because", [t + ("weil",) for t in CAUSES], "", True),
    ("although", [t + ("obwohl",) for t in CAUSES], "", True),
    # "when" is "wenn" in the present and "als" for what happened once in the past.
    ("when", [("pres", "pres", "wenn"), ("fut", "pres", "wenn"), ("past", "past", "als"), ("past", "past", "als")], "", False),
    ("if", [("fut", "pres", "wenn"), ("can", "pres", "wenn"), ("must", "pres", "wenn"), ("should", "pres", "wenn")], "", True),
    ("while", [("past", "past", "während"), ("pres", "pres", "während")], "d", False),
    ("before", [("past", "past", "bevor"), ("pres", "pres", "bevor")], "", False),
    ("after", [("past", "plup", "nachdem"), ("pres", "perf", "nachdem")], "", False),
    ("until", [("past", "past", "bis"), ("pres", "pres", "bis"), ("fut", "pres", "bis")], "", False)]
KNOW, SAY, HOPE, ASK = [Verb(en.split(), "", de.split(), "", False, ["person"], [], "") for en, de in (
    ("know knows knew known", "wissen weiß weiß wusste gewusst"), ("say says said said", "sagen sage sagt sagte gesagt"),
    ("hope hopes hoped hoped", "hoffen hoffe hofft hoffte gehofft"), ("ask asks asked asked", "fragen frage fragt fragte gefragt"))]
MATRIX_FRAMES = [   # verb, conjunctions, negated, tense, tenses of the clause
    (KNOW, "that", "dass", False, "pres", ["pres", "past", "perf", "fut", "must", "can"]),
    (KNOW, "that", "dass", False, "past", ["past", "plup", "hadto", "wanted"]),
    (SAY, "that", "dass", False, "pres", ["pres", "past", "perf", "fut", "must", "want"]),
    (HOPE, "that", "dass", False, "pres", ["pres", "fut", "can"]),
    (KNOW, "whether", "ob", True, "pres", ["pres", "past", "perf", "fut", "can"]),
    (ASK, "whether", "ob", False, "pres", ["pres", "past", "perf", "fut", "can", "should"]),
    (ASK, "whether", "ob", False, "past", ["past", "plup"])]


# ------------------------------------------------------ corpus and checks ----

def tokens(text):
    """Words and punctuation marks; hyphens stay inside a word."""
    for mark in ",.?":
        text = text.replace(mark, " " + mark)
    return text.split()


def words(text):
    return [t for t in tokens(text) if t not in ",.?"]


def counts(texts):
    table = {}
    for text in texts:
        for token in tokens(text):
            table[token] = table.get(token, 0) + 1
    return table


def generate():
    """The three splits: lists of (English, German, labels)."""
    sampler, seen_en, seen_de, pool = Sampler(SEED), {}, {}, []
    held_out = [text[:-1].lower() for text in HELD_OUT]
    size = TRAIN + VALIDATION + TEST
    while len(pool) < size:
        while len(pool) < size + size // 20:
            english, german, labels = sampler.pair()
            # The held-out sentence does not occur inside a longer one either.
            if english in seen_en or german in seen_de or \
                    held_out[0] in english.lower() or held_out[1] in german.lower():
                continue
            seen_en[english] = seen_de[german] = True
            pool.append((english, german, labels))
        # Sentences with a word form too rare to learn are removed, which may make other forms rare.
        rare = True
        while rare:
            rare = {}
            for side in (0, 1):
                table = counts(pair[side] for pair in pool)
                rare.update((t, True) for t, n in table.items() if n < MIN_COUNT * 1.4)
            pool = [p for p in pool if not any(t in rare for t in tokens(p[0]) + tokens(p[1]))]
    sampler.shuffled(pool)
    return {"validation": pool[:VALIDATION], "test": pool[VALIDATION:VALIDATION + TEST],
            "train": pool[VALIDATION + TEST:size]}


def render(split):
    return "".join(english + "\t" + german + "\n" for english, german, _ in split).encode("utf-8")


def path(name):
    return os.path.join(OUT, name + ".tsv")


def check(splits):
    """Verifies every property listed in data/README.md and prints statistics; `True` if all hold."""
    failures = []

    def expect(condition, message):
        if not condition:
            failures.append(message)

    for name, split in splits.items():
        try:
            with open(path(name), "rb") as f:
                expect(f.read() == render(split), name + ".tsv differs from what the generator writes")
        except OSError as error:
            failures.append(str(error))
    pairs = [pair for split in splits.values() for pair in split]
    for side, language in ((0, "English"), (1, "German")):
        expect(len(dict.fromkeys(p[side] for p in pairs)) == len(pairs), language + " sentences repeat")
        expect(not any(HELD_OUT[side][:-1].lower() in p[side].lower() for p in pairs), HELD_OUT[side] + " occurs")
    for name, size in (("train", TRAIN), ("validation", VALIDATION), ("test", TEST)):
        expect(len(splits[name]) == size, name + " has the wrong size")
    lengths = sorted(len(words(p[0])) for p in pairs)
    median = lengths[len(lengths) // 2]
    expect(median >= 8, "the median length is below 8 words")
    longest = max(len(words(p[side])) for p in pairs for side in (0, 1))
    expect(longest <= MAX_WORDS, "a sentence is too long")

    print("pairs        " + ", ".join("%s %d" % (n, len(s)) for n, s in splits.items()))
    print("words        English median %d, mean %.1f, longest (either language) %d" % (
        median, sum(lengths) / len(lengths), longest))
    numbers = [number(n) for n in range(2, 100)]
    for side, language in ((0, "English"), (1, "German")):
        train = counts(p[side] for p in splits["train"])
        everywhere = counts(p[side] for p in pairs)
        marks = [t for t in everywhere if t in ",.?"]
        lower = dict.fromkeys(t.lower() for t in everywhere)
        least = min(everywhere, key=lambda t: (train.get(t, 0), t))
        expect(train.get(least, 0) >= MIN_COUNT, "%s: %s is too rare in train" % (language, least))
        expect(all(n[side] in train for n in numbers), language + " number words are missing")
        print("%-12s %d word forms (%d when case is ignored, %d of them number words), %d marks; rarest in train: %s, %d times" % (
            language, len(everywhere) - len(marks), len(lower) - len(marks),
            sum(n[side] in everywhere for n in numbers), len(marks), least, train.get(least, 0)))
        rarest = min(train.get(n[side], 0) for n in numbers)
        print("             rarest number word in train: %d times" % rarest)
    verbs = dict.fromkeys((v.de[0], v.prefix) for v in ALL_VERBS + [KNOW, SAY, HOPE, ASK])
    print("lexicon      %d nouns, %d adjectives, %d German verbs (%d separable), 6 modals" % (
        len(ALL_NOUNS), len(ADJECTIVES), len(verbs), sum(1 for v in verbs if v[1])))

    train_en = [p[0] for p in splits["train"]]
    for phrase in ("sat on the mat", "the cat sat", "cat sat on the"):
        n = sum(phrase in text.lower() for text in train_en)
        expect(n >= MIN_COUNT, "train has too few sentences with: " + phrase)
        print("held out     train sentences with \"%s\": %d" % (phrase, n))
    subordinate = sum("subordinate" in p[2] for p in pairs) / len(pairs)
    expect(subordinate >= 0.15, "too few subordinate clauses")
    print("subordinate  %.1f %% of the sentences contain a subordinate clause" % (100 * subordinate))
    table = {"number word": sum(any(n[1] in words(p[1].lower()) for n in numbers) for p in pairs)}
    for pair in pairs:
        for label in dict.fromkeys(pair[2]):
            table[label] = table.get(label, 0) + 1
    for label, n in sorted(table.items(), key=lambda item: (-item[1], item[0])):
        expect(n >= 100, "too few sentences with: " + label)
        print("  %-20s %6d" % (label, n))
    for failure in failures:
        print("FAILED: " + failure)
    return not failures


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="verify the files on disk and print the statistics")
    arguments = parser.parse_args()
    splits = generate()
    if arguments.check:
        sys.exit(0 if check(splits) else 1)
    os.makedirs(OUT, exist_ok=True)
    for name, split in splits.items():
        with open(path(name), "wb") as f:
            f.write(render(split))


if __name__ == "__main__":
    main()
