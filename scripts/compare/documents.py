#!/usr/bin/env python3
"""Compares translations of 500 paragraphs with those of their sentences, one by one.

    scripts/compare/documents.py --model runs/multi30k-en-de --data DIR [--infer target/debug/infer]

DIR holds Multi30k's val.en and test_2016_flickr.en (scripts/data/fetch-multi30k.sh). Sentences are joined by threes; every
few get an abbreviation, initials, a number, quotation marks or a list mark, and paragraphs differ in their white space.
Lines of several sentences are skipped. Each paragraph must be the translations of its sentences with its own white space.
"""

import argparse
import pathlib
import re
import subprocess
import sys

PARAGRAPHS = 500
CHANGES = [
    lambda line: line,
    lambda line: re.sub(r"^(A|The) (man|woman|boy|girl)\b", "Dr. Smith", line),
    lambda line: re.sub(r"^(A|The) \w+\b", "Mr. J. R. Miller", line),
    lambda line: "“" + line + "”",
    lambda line: re.sub(r"\.$", " for $3.50.", line),
    lambda line: re.sub(r"\.$", " at 5 p.m. on Monday.", line),
    lambda line: '"' + line + '"',
    lambda line: re.sub(r"\.$", ", e.g. in the U.S. Army.", line),
]
# Before, between and after the sentences of a paragraph.
SPACES = [("", " ", "\n\n"), ("  ", "  ", "\n"), ("", "\n- ", "\n\n\n"), ("\t", " ", "\r\n\r\n"), ("", "\n\n", "\n"), ("1. ", " ", "\n")]


def run(infer, model, options, text):
    command = [infer, "--model", model, "--quiet", *options]
    return subprocess.run(command, input=text.encode(), stdout=subprocess.PIPE, check=True).stdout.decode()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", required=True, type=pathlib.Path)
    parser.add_argument("--infer", default="target/debug/infer")
    arguments = parser.parse_args()

    files = [arguments.data / name for name in ("val.en", "test_2016_flickr.en")]
    lines = [line.strip() for file in files for line in file.read_text(encoding="utf-8").split("\n")]
    single = re.compile(r"[A-Z][^.!?\"“”…]*\.")
    lines = [CHANGES[at % len(CHANGES)](line) for at, line in enumerate(lines) if single.fullmatch(line)]
    threes = [lines[at : at + 3] for at in range(0, len(lines) - 2, 3)][:PARAGRAPHS]
    if len(threes) < PARAGRAPHS:
        sys.exit(f"error: {arguments.data}: found {len(threes)} paragraphs, expected {PARAGRAPHS}")

    sentences, kept, document = [], [], ""
    for at, three in enumerate(threes):
        before, between, after = SPACES[at % len(SPACES)]
        # Marks of lists belong to their sentence.
        mark, space = (before, "") if before.endswith(". ") else ("", before)
        dash = "- " if between.endswith("- ") else ""
        three = [mark + three[0], dash + three[1], dash + three[2]]
        gap = between[: len(between) - len(dash)]
        sentences += three
        kept.append((space, gap, after))
        document += space + gap.join(three) + after
    by_sentence = run(arguments.infer, arguments.model, [], "\n".join(sentences) + "\n").split("\n")[:-1]
    whole = run(arguments.infer, arguments.model, ["--documents", "--language", "en"], document)

    at = wrong = 0
    for index, (space, gap, after) in enumerate(kept):
        expected = space + gap.join(by_sentence[3 * index : 3 * index + 3]) + after
        if whole[at : at + len(expected)] != expected:
            wrong += 1
            print(f"paragraph {index}: expected {expected!r}, found {whole[at:at + len(expected)]!r}")
            if wrong == 3:
                break
        at += len(expected)
    equal = PARAGRAPHS - wrong
    print(f"{equal} of {PARAGRAPHS} paragraphs equal the translations of their sentences")
    sys.exit(wrong > 0 or at != len(whole))


main()
