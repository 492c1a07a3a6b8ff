"""Marian folders made on the spot, as OPUS-MT publishes them but small: for
`marian-fixtures.py` and `compare-with-transformers.py`.

No published model is at hand where this project is tested. What is made here has
the same files from the same libraries: SentencePiece models trained by
SentencePiece, a vocabulary that merges both in an order of its own, and weights
that transformers itself saves.
"""

import io
import json
import os
import random
import warnings
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
warnings.filterwarnings("ignore", message="Recommended: pip install sacremoses")

import sentencepiece
import torch
import transformers
from transformers import MarianConfig, MarianMTModel

transformers.utils.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()
torch.set_num_threads(1)  # more only wait for each other, these models being small

ROOT = Path(__file__).resolve().parent.parent
CORPUS = ROOT / "data/toy-en-de"
CODES = [">>deu<<", ">>fra<<"]


def corpus(part):
    """The (source, target) lines of a part of the toy corpus."""
    lines = (CORPUS / f"{part}.tsv").read_text(encoding="utf-8").splitlines()
    return [line.split("\t") for line in lines]


def train_pieces(lines, size, **options):
    """The bytes of a SentencePiece model."""
    written = io.BytesIO()
    options = {"model_type": "unigram", "normalization_rule_name": "nmt_nfkc", **options}
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_writer=written, vocab_size=size, hard_vocab_limit=False,
        num_threads=1, minloglevel=2, character_coverage=0.999, **options,
    )
    return written.getvalue()


def labels_of(pieces):
    processor = sentencepiece.SentencePieceProcessor(model_proto=pieces)
    count = processor.get_piece_size()
    return [processor.id_to_piece(i) for i in range(count) if not (processor.is_control(i) or processor.is_unknown(i))]


def merged(sides, seed, every=17, codes=CODES):
    """A vocabulary of the labels of several models in an order of its own. Every
    17th is left out: OPUS-MT's lack the pieces that its corpora never held."""
    labels = sorted({label for pieces in sides for label in labels_of(pieces)})
    labels = [label for i, label in enumerate(labels) if i % every or label.startswith("<0x")]
    random.Random(seed).shuffle(labels)
    return {label: i for i, label in enumerate(["</s>", "<unk>", *labels, *codes, "<pad>"])}


def config_of(vocabulary, **options):
    pad = len(vocabulary) - 1
    settings = dict(
        vocab_size=len(vocabulary), decoder_vocab_size=len(vocabulary), pad_token_id=pad, decoder_start_token_id=pad,
        eos_token_id=0, forced_eos_token_id=0, bos_token_id=0, max_position_embeddings=64, scale_embedding=True,
        static_position_embeddings=True, normalize_before=False, normalize_embedding=False, add_bias_logits=False,
        add_final_layer_norm=False, dropout=0.1, attention_dropout=0.0, activation_dropout=0.0,
    )
    width, heads, inner = options.pop("d_model"), options.pop("heads"), options.pop("inner")
    settings.update(
        d_model=width, encoder_attention_heads=heads, decoder_attention_heads=heads, encoder_ffn_dim=inner,
        decoder_ffn_dim=inner, encoder_layers=2, decoder_layers=2, activation_function="swish",
        share_encoder_decoder_embeddings=True,
    )
    settings.update(options)
    return MarianConfig(**settings)


def model_of(config, seed=1):
    """A model with random weights, none of them at a value that does nothing."""
    model = MarianMTModel(config).eval()
    generator = torch.Generator().manual_seed(seed)
    normal = lambda like, scale: torch.randn(like.shape, generator=generator) * scale
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            if "embed_positions" in name:
                continue
            if "layer_norm.weight" in name:
                parameter.copy_(1 + normal(parameter, 0.1))
            elif name.endswith("bias"):
                parameter.copy_(normal(parameter, 0.1))
            elif "embed" in name or "shared" in name or "lm_head" in name:
                parameter.copy_(normal(parameter, config.d_model**-0.5))
                parameter[-1] = 0
            else:
                parameter.copy_(normal(parameter, parameter.shape[1] ** -0.5))
        model.tie_weights()
        model.final_logits_bias.copy_(normal(model.final_logits_bias, 0.2))
        model.final_logits_bias[0, -1] = 0
    generation = model.generation_config
    generation.num_beams, generation.max_length = 4, 60
    generation.bad_words_ids, generation.renormalize_logits = [[config.pad_token_id]], True
    generation.forced_eos_token_id = 0
    return model


def trained_model_of(config, sides, vocabularies, steps, batch=24, rate=4e-3):
    """Such a model, trained a little on the toy corpus: one that was not says the same
    word again and again. `vocabularies` are the source's and the target's."""
    model = model_of(config).train()
    pad = config.pad_token_id
    cut = [sentencepiece.SentencePieceProcessor(model_proto=side) for side in sides]
    ids = lambda side, text: [vocabularies[side].get(piece, 1) for piece in cut[side].encode(text, out_type=str)] + [0]
    draw, lines = random.Random(1), corpus("train")
    optimizer = torch.optim.Adam(model.parameters(), lr=rate, betas=(0.9, 0.98))
    for step in range(steps):
        pairs = [[ids(side, text)[:40] for side, text in enumerate(pair)] for pair in draw.sample(lines, batch)]
        padded = lambda side, fill: torch.tensor(
            [pair[side] + [fill] * (max(len(p[side]) for p in pairs) - len(pair[side])) for pair in pairs]
        )
        source = padded(0, pad)
        loss = model(input_ids=source, attention_mask=(source != pad).long(), labels=padded(1, -100)).loss
        optimizer.zero_grad()
        loss.backward()
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1, (step + 1) / 30) * min(1, 1.5 * (1 - step / steps))
        optimizer.step()
        zero_padding(model)
    return model.eval()


@torch.no_grad()
def zero_padding(model):
    """Marian has no <pad>: the decoder starts from zeros, and CTranslate2 takes that for granted."""
    for matrix in [model.model.encoder.embed_tokens, model.model.decoder.embed_tokens, model.lm_head]:
        matrix.weight[-1] = 0


def tied_tensors(model):
    """The state dictionary with tied matrices and positions, as OPUS-MT's were saved."""
    return {name: tensor.detach() for name, tensor in model.state_dict().items()}


def save(folder, model, sides, vocabulary, target_vocabulary=None, weights="safetensors"):
    """A Marian folder. `weights`: safetensors, bin or legacy (before PyTorch 1.6)."""
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    if weights != "safetensors":
        (folder / "model.safetensors").unlink()
        new = weights == "bin"
        torch.save(tied_tensors(model), folder / "pytorch_model.bin", _use_new_zipfile_serialization=new)
    (folder / "source.spm").write_bytes(sides[0])
    (folder / "target.spm").write_bytes(sides[1])
    write_json(folder / "vocab.json", vocabulary)
    settings = {"source_lang": "eng", "target_lang": "deu", "model_max_length": 64, "tokenizer_class": "MarianTokenizer"}
    settings["separate_vocabs"] = target_vocabulary is not None
    if target_vocabulary is not None:
        write_json(folder / "target_vocab.json", target_vocabulary)
    write_json(folder / "tokenizer_config.json", settings)


def write_json(path, value):
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def encode(tokenizer, text):
    """Ids as MarianTokenizer gives them, special tokens in text being text."""
    tokens = tokenizer.tokenize(text, split_special_tokens=True)
    return [tokenizer._convert_token_to_id(token) for token in tokens]


def edge_cases(count, seed=1):
    """Lines that are hard to cut the same way: Unicode in all its forms, spaces
    everywhere, unknown scripts, language codes, tokens written out."""
    parts = [
        "the cat", "Die Katze", "sat on the mat.", "3.14", "don't", "x", "a", "Ä", "ß", "naïve", "e\u0301", "A\u030a",
        "\u1e9b\u0323", "ﬁsh", "①②", "½", "㎏", "Ｆｕｌｌ　ｗｉｄｔｈ", "ｶﾞｷﾞ", "한국어", "\u1112\u1161\u11ab", "中文", "日本語",
        "हिन्दी", "க்ஷ", "ภาษาไทย", "עִבְרִית", "العَرَبِيَّة", "ﷺ", "👍", "👍🏽", "👨‍👩‍👧‍👦", "🇩🇪", "❤️", "\u200b", "\u200d", "\ufeff",
        "\u00ad", "\u00a0", "\u2003", "\u3000", "\t", "\u2028", "\u0085", " ", "  ", "   ", "▁", "▁▁", "▂", "…", "‘quote’",
        "“x”", "—", "™", "№", "ǆ", "İ", "ı", "ſ", "\U0001d54f", "\U0001f600", "\U00020000", "a\u0328\u0301", "\u0301", "o\u0308\u0304",
        "</s>", "<unk>", "<pad>", "<0x41>", "<s>", ">>fra<<", ">>xyz<<", ">>", "<<", "Z\u0335\u0321\u0353", "\u202e", "\x01",
        "\x7f", "\ufffd", "\ue000", "zzzzqqqq", "ΑΒΓ", "привет", "Straße", "STRASSE", "\u1fb3", "\u0344", "\u2126", "\ufb03",
    ]
    draw = random.Random(seed)
    lines = list(parts) + [f" {part} " for part in parts] + [f">>fra<< {part}" for part in parts[:40]]
    words = [word for source, target in corpus("test")[:200] for word in (source + " " + target).split()]
    while len(lines) < count:
        chosen = [draw.choice(parts if draw.random() < 0.5 else words) for _ in range(draw.randint(1, 8))]
        lines.append(draw.choice(["", "", " ", "  ", ">>deu<<", ">>fra<< "]) + draw.choice([" ", "", "  "]).join(chosen))
    return lines[:count]
