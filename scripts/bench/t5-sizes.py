"""Opening time, memory and speed of models of the sizes of T5, with random weights.

    VENV/bin/python scripts/bench/t5-sizes.py SPM [SIZE…]

SPM is a SentencePiece unigram model of 32,000 pieces, such as that of a student (scripts/data/fetch-marian-students.sh); SIZE is
small, base or large. Models are made in a temporary folder, of up to 6 GB for large. Decodes one sentence, and 32, to 129
tokens each (33 for 32 sentences of large). Needs the Python packages torch, transformers and sentencepiece, and GNU time.
"""

import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path

import torch
from sentencepiece import sentencepiece_model_pb2
from transformers import T5Config, T5ForConditionalGeneration

ROOT = Path(__file__).resolve().parents[2]
INFER = ROOT / "target/debug/infer"
# d_model, d_ff, layers, heads
SIZES = {"small": (512, 2048, 6, 8), "base": (768, 3072, 12, 12), "large": (1024, 4096, 24, 16)}
TEXT = "Hello there, how are you today?"


def vocabulary(student):
    """The student's pieces with the special tokens of T5."""
    model = sentencepiece_model_pb2.ModelProto()
    model.ParseFromString(student.read_bytes())
    pieces = [(piece.piece, piece.score) for piece in model.pieces if piece.type == 1][:31997]
    del model.pieces[:]
    for text, score, kind in [("<pad>", 0, 3), ("</s>", 0, 3), ("<unk>", 0, 2)] + [(*piece, 1) for piece in pieces]:
        model.pieces.add(piece=text, score=score, type=kind)
    spec = model.trainer_spec
    spec.pad_id, spec.eos_id, spec.unk_id, spec.bos_id, spec.vocab_size = 0, 1, 2, -1, len(model.pieces)
    return model.SerializeToString()


def create(size, folder, pieces):
    """Writes a Hugging Face folder with random weights."""
    d_model, d_ff, layers, heads = SIZES[size]
    torch.manual_seed(1)
    config = T5Config(vocab_size=32128, d_model=d_model, d_kv=64, d_ff=d_ff, num_layers=layers, num_heads=heads)
    T5ForConditionalGeneration(config).save_pretrained(folder)
    (folder / "spiece.model").write_bytes(pieces)
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "T5Tokenizer", "extra_ids": 100}))


def measured(*arguments, lines=0):
    """Seconds and peak memory in bytes of `infer`; with `lines`, that many sentences are its input."""
    command = ["/usr/bin/time", "-f", "%M", INFER, *map(str, arguments)]
    started = time.perf_counter()
    run = subprocess.run(command, input=f"{TEXT}\n" * lines, capture_output=True, text=True, check=True)
    return time.perf_counter() - started, int(run.stderr.split()[-1]) * 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("spm", type=Path)
    parser.add_argument("sizes", nargs="*", choices=[*SIZES, []], default=["small", "base"])
    arguments = parser.parse_args()
    pieces = vocabulary(arguments.spm)
    for size in arguments.sizes:
        with tempfile.TemporaryDirectory() as folder:
            source, run = Path(folder, size), Path(folder, "run")
            create(size, source, pieces)
            bytes_of_file = (source / "model.safetensors").stat().st_size
            seconds, peak = measured("import", source, "--output", run)
            print(f"{size}: {bytes_of_file / 1e6:,.0f} MB, import {seconds:.1f} s, {peak / bytes_of_file:.2f} times the file")
            for precision in ["float32", "int8"]:
                common = ["--model", run, "--quiet", "--precision", precision]
                opening, peak = min(measured(*common, "--max-length", 2, TEXT) for _ in range(3))
                line = f"  {precision}: first token {opening:.2f} s, {peak / bytes_of_file:.2f} times the file"
                for lines in [1, 32]:
                    tokens = 33 if (size, lines) == ("large", 32) else 129
                    length = ["--min-length", tokens, "--max-length", tokens]
                    seconds, _ = measured(*common, *length, lines=lines)
                    line += f", {lines} sentences {lines * (tokens - 1) / (seconds - opening):,.0f} tokens/s"
                print(line)


if __name__ == "__main__":
    main()
