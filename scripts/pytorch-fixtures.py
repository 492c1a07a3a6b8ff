#!/usr/bin/env python3
"""Writes the reference values that the Rust tests of `crates/model` compare with.

Every file comes out of the real `torch.nn` modules (nn.MultiheadAttention,
nn.TransformerEncoderLayer, nn.TransformerDecoderLayer, nn.Transformer), built
small and with fixed weights, so that the Rust model is measured against
PyTorch and not against a second copy of itself.

    python scripts/pytorch-fixtures.py            # rewrite all fixtures
    python scripts/pytorch-fixtures.py NAME …     # rewrite these
    python scripts/pytorch-fixtures.py --check    # regenerate elsewhere and compare

Needs torch (a CPU build is enough), numpy and safetensors.

Each file is a safetensors file with one metadata key, `attend`: a JSON string
with the model's `config` and whatever else a test needs to rebuild the case.
Tensors called `weight.<name>` and `gradient.<name>` use the parameter names of
the Rust model, with Linear weights as PyTorch keeps them ([out, in]).

The values are computed in float32, as the Rust tests do. Each case is also run
in float64, and the program refuses to write a case whose float32 result is
further from it than a fifth of what the Rust tests tolerate: such a case would
test the luck of rounding.
"""

import argparse
import json
import math
import re
import sys
import tempfile
import zlib
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.numpy import save_file

FIXTURES = Path(__file__).resolve().parent.parent / "crates/model/tests/fixtures"

EOS, UNK = 0, 1  # <pad> is the last id of each vocabulary

EPSILON = 1e-5  # of the norms
UPSTREAM_SCALE = 0.1  # of the gradients sent into single modules: keeps theirs near one
LABEL_SMOOTHING = 0.1
TRAINING_STEPS = 20
# The Noam rate of a model this narrow is high: with the peak inside the twenty
# steps it is near 0.1, training turns chaotic and float32 parts from float64 by
# whole tenths. So all steps lie in the warm-up, where the rate stays below 0.006.
WARMUP_STEPS = 100
ADAM_BETAS, ADAM_EPSILON = (0.9, 0.98), 1e-9

# What the Rust tests allow, and the share of it that rounding may use up here.
OUTPUT_TOLERANCE = 1e-5
GRADIENT_TOLERANCE = 1e-4  # times the gradient's norm ...
GRADIENT_FLOOR = 1e-6  # ... plus this times the largest gradient norm
LOSS_TOLERANCE = 1e-4
SHARE = 0.2


@dataclass(frozen=True)
class Config:
    """The Rust model's configuration, key by key (it is read strictly)."""

    d_model: int = 12
    n_heads: int = 4
    d_ff: int = 20
    encoder_layers: int = 2
    decoder_layers: int = 1
    norm: str = "post"  # post | pre
    norm_kind: str = "layer"  # layer | rms
    activation: str = "relu"  # relu | gelu | silu | swiglu
    positions: str = "sinusoidal"  # sinusoidal | sinusoidal_halves | learned
    max_length: int = 16
    tie: str = "three"  # none | two | three
    bias: bool = True
    output_bias: bool = False
    dropout: float = 0.0


# Modules


class GatedInner(nn.Module):
    """The part of SwiGLU before the output projection.

    It takes the place of `linear1` in a PyTorch layer, whose own activation
    then becomes the identity.
    """

    def __init__(self, d_model, d_ff, bias, dtype):
        super().__init__()
        self.gate = nn.Linear(d_model, d_ff, bias=bias, dtype=dtype)
        self.inner = nn.Linear(d_model, d_ff, bias=bias, dtype=dtype)

    def forward(self, x):
        return F.silu(self.gate(x)) * self.inner(x)


def identity(x):
    return x


ACTIVATIONS = {
    "relu": F.relu,
    "gelu": F.gelu,  # the exact one, by erf
    "silu": F.silu,
    "swiglu": identity,  # the gate is in GatedInner
}


def build_norm(config, dtype):
    kind = {"layer": nn.LayerNorm, "rms": nn.RMSNorm}[config.norm_kind]
    return kind(config.d_model, eps=EPSILON, dtype=dtype)


def build_layer(kind, config, dtype):
    """One nn.TransformerEncoderLayer or nn.TransformerDecoderLayer."""
    layer = kind(
        config.d_model,
        config.n_heads,
        dim_feedforward=config.d_ff,
        dropout=config.dropout,
        activation=ACTIVATIONS[config.activation],
        layer_norm_eps=EPSILON,
        batch_first=True,
        norm_first=config.norm == "pre",
        bias=config.bias,
        dtype=dtype,
    )
    # PyTorch's `bias=False` drops the norms' betas too; ours only those of the
    # Linear layers. Replacing every norm also covers RMSNorm.
    layer.norm1 = build_norm(config, dtype)
    layer.norm2 = build_norm(config, dtype)
    if isinstance(layer, nn.TransformerDecoderLayer):
        layer.norm3 = build_norm(config, dtype)
    if config.activation == "swiglu":
        layer.linear1 = GatedInner(config.d_model, config.d_ff, config.bias, dtype)
    return layer


def position_table(config):
    """The fixed position table in float64: [max_length, d_model]."""
    half = config.d_model // 2
    position = np.arange(config.max_length)[:, None]
    angle = position / 10000.0 ** (2 * np.arange(half)[None, :] / config.d_model)
    if config.positions == "sinusoidal_halves":  # as Marian lays them out
        return np.concatenate([np.sin(angle), np.cos(angle)], axis=1)
    table = np.empty((config.max_length, config.d_model))
    table[:, 0::2] = np.sin(angle)
    table[:, 1::2] = np.cos(angle)
    return table


def causal_mask(length):
    """True where a query may not look: at later positions."""
    return torch.ones(length, length, dtype=torch.bool).triu(1)


class Model(nn.Module):
    """nn.Transformer with embeddings, positions and an output projection."""

    def __init__(self, config, source_vocab, target_vocab, dtype):
        super().__init__()
        self.config = config
        self.source_pad, self.target_pad = source_vocab - 1, target_vocab - 1

        def matrix(rows):
            return nn.Parameter(torch.zeros(rows, config.d_model, dtype=dtype))

        self.target = matrix(target_vocab)
        self.source = self.target if config.tie == "three" else matrix(source_vocab)
        self.output = matrix(target_vocab) if config.tie == "none" else self.target
        self.output_bias = None
        if config.output_bias:
            self.output_bias = nn.Parameter(torch.zeros(target_vocab, dtype=dtype))
        if config.positions == "learned":
            self.source_positions = matrix(config.max_length)
            self.target_positions = matrix(config.max_length)
        else:
            table = torch.tensor(position_table(config), dtype=dtype)
            self.source_positions = self.target_positions = table

        # nn.Transformer left to itself puts a norm after both stacks even in
        # post-norm mode, where it would follow another norm.
        pre = config.norm == "pre"
        self.transformer = nn.Transformer(
            config.d_model,
            config.n_heads,
            custom_encoder=nn.TransformerEncoder(
                build_layer(nn.TransformerEncoderLayer, config, dtype),
                config.encoder_layers,
                norm=build_norm(config, dtype) if pre else None,
                enable_nested_tensor=False,
            ),
            custom_decoder=nn.TransformerDecoder(
                build_layer(nn.TransformerDecoderLayer, config, dtype),
                config.decoder_layers,
                norm=build_norm(config, dtype) if pre else None,
            ),
            batch_first=True,
            dtype=dtype,
        )
        # Kept from the same forward pass, rather than by running it twice.
        self.memory = None
        self.transformer.encoder.register_forward_hook(self._keep_memory)

    def _keep_memory(self, _module, _inputs, output):
        self.memory = output

    def embed(self, ids, embedding, positions):
        scale = math.sqrt(self.config.d_model)
        return F.embedding(ids, embedding) * scale + positions[: ids.shape[1]]

    def forward(self, source, target_input):
        padding = source == self.source_pad
        # No padding mask on the target side: the start symbol is <pad> itself
        # and has to be seen, and the trailing <pad>s come after every position
        # that counts.
        hidden = self.transformer(
            self.embed(source, self.source, self.source_positions),
            self.embed(target_input, self.target, self.target_positions),
            tgt_mask=causal_mask(target_input.shape[1]),
            src_key_padding_mask=padding,
            memory_key_padding_mask=padding,
        )
        return F.linear(hidden, self.output, self.output_bias)

    def pad_rows(self):
        """The matrices whose <pad> row is zero and stays zero, with that row."""
        rows = {id(self.target): (self.target, self.target_pad)}
        rows[id(self.source)] = (self.source, self.source_pad)
        rows[id(self.output)] = (self.output, self.target_pad)
        return list(rows.values())


# The Rust model's names for PyTorch's parameters. Each name maps to a parameter
# and the rows of it that are meant: PyTorch packs the three input projections
# of an attention into one matrix.

ALL = slice(None)


def linear_names(prefix, linear):
    yield f"{prefix}.weight", (linear.weight, ALL)
    if linear.bias is not None:
        yield f"{prefix}.bias", (linear.bias, ALL)


def norm_names(prefix, norm):
    yield f"{prefix}.gamma", (norm.weight, ALL)
    if isinstance(norm, nn.LayerNorm):
        yield f"{prefix}.beta", (norm.bias, ALL)


def attention_names(prefix, attention):
    d = attention.embed_dim
    for i, part in enumerate(["query", "key", "value"]):
        rows = slice(i * d, (i + 1) * d)
        yield f"{prefix}{part}.weight", (attention.in_proj_weight, rows)
        if attention.in_proj_bias is not None:
            yield f"{prefix}{part}.bias", (attention.in_proj_bias, rows)
    yield from linear_names(f"{prefix}output", attention.out_proj)


def layer_names(prefix, layer):
    yield from attention_names(f"{prefix}self_attention.", layer.self_attn)
    yield from norm_names(f"{prefix}self_attention_residual.norm", layer.norm1)
    last_norm = layer.norm2
    if isinstance(layer, nn.TransformerDecoderLayer):
        yield from attention_names(f"{prefix}cross_attention.", layer.multihead_attn)
        yield from norm_names(f"{prefix}cross_attention_residual.norm", layer.norm2)
        last_norm = layer.norm3
    if isinstance(layer.linear1, GatedInner):
        yield from linear_names(f"{prefix}feed_forward.gate", layer.linear1.gate)
        yield from linear_names(f"{prefix}feed_forward.inner", layer.linear1.inner)
    else:
        yield from linear_names(f"{prefix}feed_forward.inner", layer.linear1)
    yield from linear_names(f"{prefix}feed_forward.output", layer.linear2)
    yield from norm_names(f"{prefix}feed_forward_residual.norm", last_norm)


def model_names(model):
    if model.config.tie == "three":
        yield "embeddings.shared", (model.target, ALL)
    else:
        yield "embeddings.source", (model.source, ALL)
        yield "embeddings.target", (model.target, ALL)
    if model.config.tie == "none":
        yield "embeddings.output", (model.output, ALL)
    if model.output_bias is not None:
        yield "embeddings.output_bias", (model.output_bias, ALL)
    if model.config.positions == "learned":
        yield "source_positions.table", (model.source_positions, ALL)
        yield "target_positions.table", (model.target_positions, ALL)
    for side in ["encoder", "decoder"]:
        stack = getattr(model.transformer, side)
        for i, layer in enumerate(stack.layers):
            yield from layer_names(f"{side}.layers.{i}.", layer)
        if stack.norm is not None:
            yield from norm_names(f"{side}.norm", stack.norm)


def weights_of(names):
    return {f"weight.{name}": p.detach()[rows] for name, (p, rows) in names.items()}


def gradients_of(names):
    return {f"gradient.{name}": p.grad[rows] for name, (p, rows) in names.items()}


# Fixed numbers


class Numbers:
    """Random numbers that depend on nothing but a file's name.

    NumPy promises the stream of RandomState for good; torch's generators make
    no such promise.
    """

    def __init__(self, name):
        self.state = np.random.RandomState(zlib.crc32(name.encode()))

    def normal(self, shape, dtype, scale=1.0, shift=0.0):
        values = self.state.standard_normal(tuple(shape)) * scale + shift
        # By way of float32, so that a float64 run starts from the same values.
        return torch.tensor(values.astype(np.float32)).to(dtype)

    def integers(self, low, high, count):
        return [int(x) for x in self.state.randint(low, high, size=count)]


@torch.no_grad()
def initialise(names, numbers):
    """Fills all weights, in the order of their names.

    Betas and biases are not left at zero nor gammas at one: an error in one
    that does nothing yet would not show.
    """
    for name, (parameter, rows) in names.items():
        part = parameter[rows]
        scale, shift = 0.1, 0.0
        if name.startswith("embeddings.") and part.dim() == 2:
            scale = part.shape[1] ** -0.5
        elif name.endswith("_positions.table"):
            scale = 0.5
        elif part.dim() == 2:
            scale = math.sqrt(2.0 / (part.shape[0] + part.shape[1]))
        elif name.endswith("gamma"):
            shift = 1.0
        part.copy_(numbers.normal(part.shape, part.dtype, scale, shift))


def padding_mask(lengths):
    """True where there is padding: [batch, longest]."""
    longest = torch.arange(max(lengths))[None, :]
    return longest >= torch.tensor(lengths)[:, None]


# Cases. Each function takes a dtype and returns a dict of tensors; it is run
# once in float32, to be stored, and once in float64, to be compared with.


def attention_case(name, config, dtype):
    numbers = Numbers(name)
    d = config.d_model
    attention = nn.MultiheadAttention(
        d, config.n_heads, dropout=0.0, bias=config.bias, batch_first=True, dtype=dtype
    )
    names = dict(attention_names("", attention))
    initialise(names, numbers)
    result = weights_of(names)

    def run(prefix, inputs, attn_mask, key_padding_mask):
        for x in inputs.values():
            x.requires_grad_()
        query = inputs["query"]
        memory = inputs.get("memory", query)
        output, probabilities = attention(
            query,
            memory,
            memory,
            attn_mask=attn_mask,
            key_padding_mask=key_padding_mask,
            need_weights=True,
            average_attn_weights=False,
        )
        upstream = numbers.normal(output.shape, dtype, UPSTREAM_SCALE)
        attention.zero_grad()
        (output * upstream).sum().backward()
        case = {key: x.detach() for key, x in inputs.items()}
        case |= {f"input_gradient.{key}": x.grad for key, x in inputs.items()}
        case |= {"output": output, "attention_weights": probabilities}
        case |= {"upstream": upstream, **gradients_of(names)}
        if key_padding_mask is not None:
            case["padding_mask"] = key_padding_mask
        result.update((f"{prefix}.{key}", x.detach().clone()) for key, x in case.items())

    def cross_inputs():
        return {
            "query": numbers.normal((3, 5, d), dtype),
            "memory": numbers.normal((3, 7, d), dtype),
        }

    run("cross", cross_inputs(), None, padding_mask([7, 4, 2]))
    run("cross_unpadded", cross_inputs(), None, None)
    run("causal", {"query": numbers.normal((3, 6, d), dtype)}, causal_mask(6), None)
    return result


def layer_case(name, kind, config, dtype):
    numbers = Numbers(name)
    layer = build_layer(kind, config, dtype)
    names = dict(layer_names("", layer))
    initialise(names, numbers)
    decoder = kind is nn.TransformerDecoderLayer
    mask = padding_mask([7, 4, 2])
    if decoder:
        inputs = {
            "input": numbers.normal((3, 6, config.d_model), dtype),
            "memory": numbers.normal((3, 7, config.d_model), dtype),
        }
    else:
        inputs = {"input": numbers.normal((3, 7, config.d_model), dtype)}
    upstream = numbers.normal(inputs["input"].shape, dtype, UPSTREAM_SCALE)
    result = {**weights_of(names), **inputs, "upstream": upstream, "padding_mask": mask}

    # The same inputs twice, since only the mask differs.
    for prefix, used_mask in [("", mask), ("unpadded.", None)]:
        leaves = {key: x.clone().requires_grad_() for key, x in inputs.items()}
        if decoder:
            output = layer(
                leaves["input"],
                leaves["memory"],
                tgt_mask=causal_mask(leaves["input"].shape[1]),
                memory_key_padding_mask=used_mask,
            )
        else:
            output = layer(leaves["input"], src_key_padding_mask=used_mask)
        layer.zero_grad()
        (output * upstream).sum().backward()
        case = {"output": output.detach(), **gradients_of(names)}
        case |= {f"input_gradient.{key}": x.grad for key, x in leaves.items()}
        result.update((prefix + key, x.clone()) for key, x in case.items())
    return result


def sentence(numbers, length, vocabulary):
    """`length` words, none of them </s> or <pad>."""
    return numbers.integers(UNK, vocabulary - 1, length)


def batch_of(numbers, lengths, source_vocab, target_vocab):
    """source, target_input and target_output, padded to the longest.

    Lengths count the </s> that ends each sentence.
    """
    source_pad, target_pad = source_vocab - 1, target_vocab - 1
    longest_source = max(source for source, _ in lengths)
    longest_target = max(target for _, target in lengths)
    rows = []
    for source_length, target_length in lengths:
        x = sentence(numbers, source_length - 1, source_vocab) + [EOS]
        y = sentence(numbers, target_length - 1, target_vocab)
        rest_x = [source_pad] * (longest_source - source_length)
        rest_y = [target_pad] * (longest_target - target_length)
        # <pad> doubles as the start symbol of the decoder.
        rows.append((x + rest_x, [target_pad] + y + rest_y, y + [EOS] + rest_y))
    return [torch.tensor(column, dtype=torch.int64) for column in zip(*rows)]


def learning_rate(d_model, step):
    return d_model**-0.5 * min(step**-0.5, step * WARMUP_STEPS**-1.5)


def model_case(name, config, vocabularies, lengths, dtype):
    numbers = Numbers(name)
    model = Model(config, *vocabularies, dtype)
    names = dict(model_names(model))
    # A parameter without a name would keep PyTorch's own random start.
    assert {id(p) for p in model.parameters()} == {id(p) for p, _ in names.values()}
    initialise(names, numbers)
    with torch.no_grad():
        for matrix, row in model.pad_rows():
            matrix[row] = 0.0
    source, target_input, target_output = batch_of(numbers, lengths, *vocabularies)
    token_count = int((target_output != model.target_pad).sum())

    def cross_entropy(logits, smoothing):
        # <pad> is an ignored target but an ordinary class of the softmax.
        return F.cross_entropy(
            logits.flatten(0, 1),
            target_output.flatten(),
            ignore_index=model.target_pad,
            label_smoothing=smoothing,
            reduction="sum",
        )

    def backward():
        logits = model(source, target_input)
        loss_sum = cross_entropy(logits, LABEL_SMOOTHING)
        model.zero_grad()
        (loss_sum / token_count).backward()
        for matrix, row in model.pad_rows():
            matrix.grad[row] = 0.0
        return logits.detach(), loss_sum.detach()

    logits, loss_sum = backward()
    result = {
        **weights_of(names),
        **gradients_of(names),
        "source": source,
        "target_input": target_input,
        "target_output": target_output,
        "output.memory": model.memory.detach(),
        "output.logits": logits,
        "loss_sum": loss_sum.reshape(1),
        "nll_sum": cross_entropy(logits, 0.0).reshape(1),
        "token_count": torch.tensor([token_count]),
    }
    result = {key: x.clone() for key, x in result.items()}

    optimizer = torch.optim.Adam(model.parameters(), betas=ADAM_BETAS, eps=ADAM_EPSILON)
    losses, rates = [], []
    for step in range(1, TRAINING_STEPS + 1):
        _, loss_sum = backward()
        losses.append(loss_sum / token_count)
        rates.append(learning_rate(config.d_model, step))
        optimizer.param_groups[0]["lr"] = rates[-1]
        optimizer.step()
    for matrix, row in model.pad_rows():
        assert not matrix[row].any(), "the <pad> row has moved"
    result["losses"] = torch.stack(losses)
    result["learning_rates"] = torch.tensor(rates, dtype=dtype)
    return result


def maps_case(name, config, vocabularies, lengths, dtype):
    """The attention weights of a whole model, from the forward pass itself."""
    numbers = Numbers(name)
    model = Model(config, *vocabularies, dtype)
    names = dict(model_names(model))
    initialise(names, numbers)
    with torch.no_grad():
        for matrix, row in model.pad_rows():
            matrix[row] = 0.0
    source, target_input, target_output = batch_of(numbers, lengths, *vocabularies)
    result = {
        **weights_of(names),
        "source": source,
        "target_input": target_input,
        "target_output": target_output,
    }

    # PyTorch's layers do not ask their attention for its weights, so we do.
    def ask(_module, inputs, options):
        return inputs, {**options, "need_weights": True, "average_attn_weights": False}

    def keep(key):
        def hook(_module, _inputs, output):
            result[key] = output[1].detach().clone()

        return hook

    for kind, side, part in [
        ("encoder", "encoder", "self_attn"),
        ("decoder", "decoder", "self_attn"),
        ("cross", "decoder", "multihead_attn"),
    ]:
        for i, layer in enumerate(getattr(model.transformer, side).layers):
            attention = getattr(layer, part)
            attention.register_forward_pre_hook(ask, with_kwargs=True)
            attention.register_forward_hook(keep(f"map.{kind}.{i}"))
    logits = model(source, target_input)
    result["output.logits"] = logits.detach()
    return {key: x.clone() for key, x in result.items()}


# The list of files


def cases():
    """Yields (file name, metadata, function of a dtype)."""

    def metadata(config, **more):
        return {"torch": torch.__version__.split("+")[0], "config": asdict(config), **more}

    # One layer of each kind: no more is needed where depth is not in question,
    # and the files stay small.
    shallow = Config(encoder_layers=1, decoder_layers=1)

    wider = replace(shallow, d_model=16)
    yield (
        "attention",
        metadata(wider),
        lambda name, dtype: attention_case(name, wider, dtype),
    )

    sides = {
        "encoder": nn.TransformerEncoderLayer,
        "decoder": nn.TransformerDecoderLayer,
    }
    for side, kind in sides.items():
        for norm in ["post", "pre"]:
            for activation in ["relu", "gelu", "silu"]:
                config = replace(shallow, norm=norm, activation=activation)
                yield (
                    f"{side}_layer_{norm}_{activation}",
                    metadata(config),
                    lambda name, dtype, kind=kind, config=config: layer_case(
                        name, kind, config, dtype
                    ),
                )

    # Lengths of source and target, with the closing </s>.
    padded = [(7, 6), (4, 3), (5, 2)]
    unpadded = [(7, 6), (7, 6), (7, 6)]

    def model(name, config, lengths, source_vocab=17, target_vocab=17):
        details = metadata(
            config,
            source_vocab=source_vocab,
            target_vocab=target_vocab,
            warmup_steps=WARMUP_STEPS,
            label_smoothing=LABEL_SMOOTHING,
            adam={"beta1": ADAM_BETAS[0], "beta2": ADAM_BETAS[1], "epsilon": ADAM_EPSILON},
        )
        vocabularies = (source_vocab, target_vocab)
        return (
            name,
            details,
            lambda name, dtype: model_case(name, config, vocabularies, lengths, dtype),
        )

    for norm in ["post", "pre"]:
        for activation in ["relu", "gelu", "silu"]:
            config = Config(norm=norm, activation=activation)
            name = f"transformer_{norm}_{activation}"
            yield model(f"{name}_padded", config, padded)
            # The depths the other way round, so that mixing them up shows.
            config = replace(config, encoder_layers=1, decoder_layers=2)
            yield model(f"{name}_unpadded", config, unpadded)

    name = "transformer_variant_"
    yield model(f"{name}tie_two", replace(shallow, tie="two"), padded, 18, 13)
    yield model(f"{name}tie_none", replace(shallow, tie="none"), padded, 14, 19)
    yield model(f"{name}no_bias", replace(shallow, bias=False), padded)
    yield model(f"{name}swiglu", replace(shallow, activation="swiglu"), padded)
    yield model(f"{name}rms_norm", replace(shallow, norm="pre", norm_kind="rms"), padded)
    yield model(f"{name}learned_positions", replace(shallow, positions="learned"), padded)
    yield model(
        f"{name}sinusoidal_halves", replace(shallow, positions="sinusoidal_halves"), padded
    )
    yield model(f"{name}output_bias", replace(shallow, output_bias=True), padded)

    for norm in ["post", "pre"]:
        config = Config(norm=norm, encoder_layers=2, decoder_layers=2)
        yield (
            f"attention_maps_{norm}",
            metadata(config, source_vocab=17, target_vocab=17),
            lambda name, dtype, config=config: maps_case(name, config, (17, 17), padded, dtype),
        )


# Is float32 good enough?


def rounding(single, double):
    """The largest distance from float64 as a share of what the tests tolerate.

    Returns {"output" | "gradient" | "loss": (share, tensor name)}.
    """
    worst = {}

    def note(kind, share, name):
        worst[kind] = max(worst.get(kind, (0.0, "")), (float(share), name))

    def is_gradient(name):
        return "gradient." in name

    # Cases within one file (`unpadded.` and so on) have gradients of their own.
    def case_of(name):
        return re.match(r"(.*?)(input_)?gradient\.", name)[1]

    largest = {}
    for name, x in double.items():
        if is_gradient(name) and "input_gradient." not in name:
            case = case_of(name)
            largest[case] = max(largest.get(case, 0.0), float(x.norm()))

    for name, b in double.items():
        if not b.is_floating_point():
            assert torch.equal(single[name], b), name
            continue
        difference = single[name].double() - b
        if is_gradient(name):
            floor = GRADIENT_FLOOR * largest[case_of(name)]
            allowed = GRADIENT_TOLERANCE * b.norm() + floor
            note("gradient", difference.norm() / allowed, name)
        elif name == "losses":
            note("loss", difference.abs().max() / LOSS_TOLERANCE, name)
        else:
            # Sums over all tokens are larger than one, hence the division.
            allowed = OUTPUT_TOLERANCE * b.abs().clamp(min=1.0)
            note("output", (difference.abs() / allowed).max(), name)
    return worst


def write_all(folder, wanted=()):
    """Writes the fixtures of these names, or all."""
    unknown = set(wanted) - {name for name, _, _ in cases()}
    if unknown:
        sys.exit(f"no such fixture: {', '.join(sorted(unknown))}")
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    for name, details, run in cases():
        if wanted and name not in wanted:
            continue
        single, double = run(name, torch.float32), run(name, torch.float64)
        worst = rounding(single, double)
        shares = ", ".join(f"{kind} {share:.1%}" for kind, (share, _) in worst.items())
        print(f"{name}: rounding uses of the tolerances: {shares}")
        for kind, (share, tensor) in worst.items():
            if share > SHARE:
                sys.exit(f"{name}: {tensor}: float32 is too far off ({kind})")
        arrays = {key: np.ascontiguousarray(x.numpy()) for key, x in single.items()}
        path = folder / f"{name}.safetensors"
        save_file(arrays, path, metadata={"attend": json.dumps(details, sort_keys=True)})
        path.chmod(0o644)  # safetensors leaves it readable to its owner alone


# --check


def load(path):
    with safe_open(path, framework="np") as file:
        details = json.loads(file.metadata()["attend"])
        return details, {key: file.get_tensor(key) for key in file.keys()}


def differences(old, new):
    """What differs between two fixture files, as lines of text."""
    (old_details, old), (new_details, new) = load(old), load(new)
    # Another version of PyTorch has to give the same values.
    old_details.pop("torch"), new_details.pop("torch")
    if old_details != new_details:
        yield "metadata differs"
    for key in sorted(old.keys() | new.keys()):
        if key not in old or key not in new:
            yield f"{key}: only in one of the two"
        elif old[key].shape != new[key].shape or old[key].dtype != new[key].dtype:
            yield f"{key}: another shape or type"
        else:
            # Processors differ in the order they add in, so the smallest entries
            # of a tensor are only as good as its largest.
            scale = max(1.0, np.abs(old[key]).max())
            if not np.allclose(old[key], new[key], rtol=1e-6, atol=1e-6 * scale):
                yield f"{key}: off by {np.abs(new[key] - old[key]).max()}"


def check():
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        write_all(folder)
        names = {path.name for path in folder.glob("*.safetensors")}
        kept = {path.name for path in FIXTURES.glob("*.safetensors")}
        problems = [f"{name}: missing" for name in sorted(names - kept)]
        problems += [f"{name}: not made by this program" for name in sorted(kept - names)]
        for name in sorted(names & kept):
            problems += [
                f"{name}: {line}" for line in differences(FIXTURES / name, folder / name)
            ]
    if problems:
        sys.exit("\n".join(problems))
    print(f"{len(names)} fixtures agree")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--check",
        action="store_true",
        help="regenerate into a temporary folder and compare with the kept files",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="rewrite these fixtures alone")
    arguments = parser.parse_args()
    if arguments.check:
        check()
    else:
        FIXTURES.mkdir(parents=True, exist_ok=True)
        write_all(FIXTURES, arguments.names)


if __name__ == "__main__":
    main()
