#!/usr/bin/env python3
"""Writes crates/text/tests/fixtures/metrics.json: texts and what sacreBLEU says about them.

    python3 -m venv VENV && VENV/bin/pip install sacrebleu==2.6.0
    VENV/bin/python scripts/metric-fixtures.py

The tests of crates/text compare every printed digit. Whoever moves to another version of sacreBLEU changes
SACREBLEU_VERSION in crates/text/src/metrics/mod.rs along with the fixtures.
"""

import json
import pathlib
import random

import sacrebleu
from sacrebleu.metrics import BLEU, CHRF

OUTPUT = pathlib.Path(__file__).resolve().parent.parent / "crates/text/tests/fixtures/metrics.json"

METRICS = {
    "bleu": lambda: BLEU(),
    "bleu-lc": lambda: BLEU(lowercase=True),
    "bleu-none": lambda: BLEU(tokenize="none"),
    "bleu-none-lc": lambda: BLEU(tokenize="none", lowercase=True),
    "chrf": lambda: CHRF(),
    "chrf-lc": lambda: CHRF(lowercase=True),
    "chrf++": lambda: CHRF(word_order=2),
    "chrf++-lc": lambda: CHRF(word_order=2, lowercase=True),
}


def toy_references(count, rng):
    """German sentences of a small grammar."""
    subjects = ["Die Katze", "Der alte Hund", "Ein Mädchen", "Das Kind", "Frau Müller", "Der Bäcker"]
    verbs = ["sieht", "liest", "kauft", "sucht", "findet", "malt"]
    objects = ["ein Buch", "den Ball", "3,5 Kilo Äpfel", "das \"große\" Haus", "zwei Brötchen", "nichts"]
    places = ["im Garten", "am 24.12.2020", "vor der Tür", "auf der Straße (links)", "zu Hause"]
    reasons = ["weil es regnet", "obwohl sie müde ist", "bevor die Sonne untergeht"]
    sentences = []
    for _ in range(count):
        words = [rng.choice(subjects), rng.choice(verbs), rng.choice(objects)]
        if rng.random() < 0.6:
            words.append(rng.choice(places))
        sentence = " ".join(words)
        if rng.random() < 0.4:
            sentence += ", " + rng.choice(reasons)
        sentences.append(sentence + rng.choice([".", ".", "!", "?"]))
    return sentences


def perturbed(sentence, rng, rate):
    """The sentence with words dropped, repeated, swapped, re-cased or replaced."""
    words = []
    for word in sentence.split():
        draw = rng.random()
        if draw < rate / 5:
            continue
        if draw < 2 * rate / 5:
            words.append(word)
        elif draw < 3 * rate / 5 and words:
            words.insert(len(words) - 1, word)
            continue
        elif draw < 4 * rate / 5:
            word = word.swapcase()
        elif draw < rate:
            word = rng.choice(["Vogel", "rennt", "und", "–", "x."])
        words.append(word)
    return " ".join(words)


# (hypothesis, reference): what is easily got wrong.
BY_HAND = [
    ("", ""),
    ("", "A reference without a hypothesis."),
    ("A hypothesis without a reference.", ""),
    ("Hello", "Hello"),
    ("Hello", "Hallo"),
    ("a", "a"),
    (".", "."),
    ("Yes.", "Yes!"),
    ("the the the the the the the", "The cat is on the mat."),
    ("  leading and trailing white space \t ", "leading and trailing white space"),
    ("non\u00a0breaking\u2003and\u3000wide spaces\x1chere", "non breaking and wide spaces here"),
    ("„Ja“, sagte sie – und ging …", "»Ja«, sagte sie — und ging..."),
    ("Am 24.12.2020 kostete es 1.000,50 €, d.h. 3.14-mal so viel.", "Am 24.12. kostete es 1,000.50 €, also 3,14-mal mehr."),
    ("1-2-3 a-b 4- -5 6.7.8 ,9 ., .,. 10,", "1-2-3 a-b 4- -5 6.7.8 ,9 ., .,. 11,"),
    ("it's &quot;quoted&quot; &amp; &lt;b&gt; <skipped>now", "it's \"quoted\" & <b> now"),
    ("&amp;lt; twice", "< twice"),
    ("(hi) [there] {you} #tag @me $5 50% a*b c+d e=f g/h i\\j k|l m~n o^p q_r `s`", "(hi) [there] {you} #tag @me $6 50% a*b"),
    ("ΟΔΟΣ ΣΑΣ İstanbul STRASSE", "οδος σας istanbul straße"),
    ("我喜欢猫。", "我爱猫。"),
    ("👩‍👩‍👧 👍🏽", "👩‍👩‍👧 👍🏿"),
    ("e\u0301 combining", "é combining"),
    ("\"(quoted and bracketed)\".", "\"(quoted and bracketed)\"!"),
    ("'apostrophes' 'n' all that's", "'apostrophes' ’n’ all that’s"),
    ("one two three four five six seven eight", "one two three four five six seven nine"),
    ("a line with\u2028a separator and\u0085next", "a line with a separator and next"),
    ("tab\tseparated", "tab separated"),
]


def texts():
    rng = random.Random(20)
    references = toy_references(60, rng)
    yield "identical", references[:10], references[:10]
    for rate in (0.1, 0.3, 0.8):
        yield f"toy-{rate}", [perturbed(line, rng, rate) for line in references], references
    yield "shuffled", references[1:] + references[:1], references
    yield "by-hand", [pair[0] for pair in BY_HAND], [pair[1] for pair in BY_HAND]
    for number, (hypothesis, reference) in enumerate(BY_HAND):
        yield f"by-hand-{number}", [hypothesis], [reference]
    # 1 of 16 and 3 of 16 words: 6.25 % and 18.75 % lie in the middle between two printed digits.
    sixteen = [f"w{number}" for number in range(16)]
    for right in (1, 3, 5):
        words = sixteen[:right] + [f"x{number}" for number in range(right, 16)]
        yield f"ties-{right}", [" ".join(words)], [" ".join(sixteen)]


def main():
    sets = []
    for name, hypotheses, references in texts():
        scores = {}
        for metric_name, make in METRICS.items():
            metric = make()
            score = metric.corpus_score(hypotheses, [references])
            signature = str(metric.get_signature())
            scores[metric_name] = {
                "score": score.score,
                "line": str(score),
                "line_with_signature": score.format(signature=signature),
            }
        sets.append({"name": name, "hypotheses": hypotheses, "references": references, "scores": scores})
    fixtures = {"sacrebleu": sacrebleu.__version__, "sets": sets}
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps(fixtures, ensure_ascii=True, indent=1) + "\n", encoding="utf-8")
    print(f"{OUTPUT}: {len(sets)} sets by sacreBLEU {sacrebleu.__version__}")


if __name__ == "__main__":
    main()
