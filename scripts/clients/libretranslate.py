#!/usr/bin/env python3
"""Clients of LibreTranslate, unchanged, against a server of Attend: PyPI's libretranslatepy and deep-translator.

    scripts/clients/libretranslate.py URL        # of `infer serve --model en-de=RUN`

Needs the packages libretranslatepy 2.1 and deep-translator 1.11.
"""

import sys

from deep_translator import LibreTranslator
from libretranslatepy import LibreTranslateAPI

URL = sys.argv[1].rstrip("/")
TEXT = "A man is riding a bicycle. A woman is walking on the street."


def main():
    api = LibreTranslateAPI(URL)
    languages = {language["code"] for language in api.languages()}
    assert {"en", "de"} <= languages, languages
    translated = api.translate(TEXT, "en", "de")
    assert translated and translated != TEXT, translated
    assert api.translate(TEXT, "auto", "de") == translated
    detected = api.detect(TEXT)
    assert detected[0]["language"] == "en", detected

    client = LibreTranslator(source="en", target="de", api_key="none", custom_url=URL + "/")
    assert client.translate(TEXT) == translated
    assert client.translate_batch([TEXT, TEXT]) == [translated, translated]
    print(f"libretranslatepy and deep-translator: {translated}")


main()
