"""The sides of `decode.py` other than this project's.

`decode_peers.py KIND FOLDER SENTENCES TYPE DEVICE` opens a folder, reads requests from standard input, a JSON object per line,
and prints one for each: the seconds, and the generated tokens.
"""

import json
import sys
import time
from pathlib import Path


def work_ctranslate2(folder, sentences, precision, device):
    import ctranslate2

    texts = [line.split() + ["</s>"] for line in Path(sentences).read_text().splitlines()]
    key, translator = None, None
    for line in sys.stdin:
        command = json.loads(line)
        if key != (command["inter"], command["intra"]):
            key, translator = (command["inter"], command["intra"]), None
            translator = ctranslate2.Translator(
                folder, device=device, compute_type=precision, inter_threads=command["inter"], intra_threads=command["intra"]
            )
        options = {
            "beam_size": command["beam"],
            "min_decoding_length": command["min_length"],
            "max_decoding_length": command["length"],
            "return_scores": False,
        }
        chosen = texts[: command["sentences"]]
        started = time.perf_counter()
        if command["stream"]:
            results = [translator.translate_batch([text], **options)[0] for text in chosen]
        else:
            results = translator.translate_batch(chosen, max_batch_size=command["batch"], **options)
        seconds = time.perf_counter() - started
        print(json.dumps({"seconds": seconds, "targets": [result.hypotheses[0] for result in results]}), flush=True)


def work_transformers(folder, sentences, _, device):
    import torch
    from transformers import AutoTokenizer, MarianMTModel, logging

    logging.set_verbosity_error()
    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = MarianMTModel.from_pretrained(folder).eval().to(device)
    vocabulary = tokenizer.get_vocab()
    tokens = {index: token for token, index in vocabulary.items()}
    pad, end = model.config.pad_token_id, vocabulary["</s>"]
    texts = [[vocabulary[word] for word in line.split()] + [end] for line in Path(sentences).read_text().splitlines()]
    for line in sys.stdin:
        command = json.loads(line)
        torch.set_num_threads(command["threads"])
        order = sorted(range(min(command["sentences"], len(texts))), key=lambda at: len(texts[at]))
        targets = [None] * len(order)
        started = time.perf_counter()
        for first in range(0, len(order), command["batch"]):
            batch = order[first : first + command["batch"]]
            max_len = max(len(texts[at]) for at in batch)
            ids = torch.tensor([texts[at] + [pad] * (max_len - len(texts[at])) for at in batch], device=device)
            with torch.inference_mode():
                found = model.generate(
                    input_ids=ids,
                    attention_mask=(ids != pad).long(),
                    num_beams=command["beam"],
                    do_sample=False,
                    min_new_tokens=command["min_length"],
                    max_new_tokens=command["length"],
                    forced_eos_token_id=None,
                )
            for at, row in zip(batch, found.tolist()):
                targets[at] = row[1:]
        seconds = time.perf_counter() - started
        named = [[tokens[index] for index in row if index not in (pad, end)] for row in targets]
        print(json.dumps({"seconds": seconds, "targets": named}), flush=True)


if __name__ == "__main__":
    kind, *arguments = sys.argv[1:]
    {"ctranslate2": work_ctranslate2, "transformers": work_transformers}[kind](*arguments)
