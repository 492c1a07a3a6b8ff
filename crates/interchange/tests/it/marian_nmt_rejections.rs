//! Imports of Marian's own files reject damaged, hostile and contradictory files with one message.

use std::fs;

use crate::folder::device;
use crate::marian_nmt::NmtFolder;

const BINARY: &str = "model.xxyy.bin";
const INT8: &str = "model.xxyy.intgemm.bin";

/// The message after replacing every occurrence of a text in the model, which keeps its length.
fn with_configuration(from: &str, to: &str) -> String {
    assert_eq!(from.len(), to.len());
    let folder = NmtFolder::new("transformer");
    let mut bytes = fs::read(folder.path(BINARY)).unwrap();
    let places: Vec<usize> =
        bytes.windows(from.len()).enumerate().filter(|(_, w)| *w == from.as_bytes()).map(|(at, _)| at).collect();
    assert!(!places.is_empty(), "{from}");
    for at in places {
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
    }
    fs::write(folder.path(BINARY), bytes).unwrap();
    folder.rejection()
}

#[test]
fn options_without_counterpart_are_named() {
    for (from, to, message) in [
        ("type: transformer", "type: s2s        ", "type = s2s: expected transformer"),
        ("activation: swish", "activation: gelu ", "transformer-ffn-activation = gelu: expected relu or swish"),
        (
            "autoreg: self-attention",
            "autoreg: average-attent",
            "transformer-decoder-autoreg = average-attent: expected",
        ),
        ("autoreg: self-attention", "autoreg: rnn           ", "dec-cell = gru: expected ssru"),
        ("postprocess: dan", "postprocess: and", "\"\", \"and\", \"\": expected \"\", \"dan\", \"\""),
        ("ffn-depth: 2", "ffn-depth: 3", "transformer-ffn-depth = 3: expected 2"),
        ("no-projection: false", "no-projection: true ", "transformer-no-projection = true: expected false"),
        ("right-left: false", "right-left: true ", "right-left = true: expected false"),
        ("position-embeddings: false", "position-embeddings: true ", "transformer-train-position-embeddings = true"),
        ("lemma-dim-emb: 0", "lemma-dim-emb: 8", "lemma-dim-emb = 8: expected 0"),
        ("dim-emb: 16", "dim-emb: 1x", "dim-emb = 1x: expected a whole number"),
        ("dim-emb: 16", "dim-emb: -6", "dim-emb = -6: expected a whole number"),
        ("dim-emb: 16", "dim-emb: 18", "found shape ["),
        ("heads: 2", "heads: 3", "model.n_heads = 3: expected a divisor of model.d_model = 16"),
        ("enc-depth: 2", "enc-depth: 0", "model.encoder_layers = 0: expected at least 1"),
        ("enc-depth: 2", "enc-depth: 3", "tensor `encoder_l3_self_Wq`: found nothing"),
        ("enc-depth: 2", "enc-depth: 1", "found it, expected only the tensors of a model of this configuration"),
        (
            "tied-embeddings-all: false",
            "tied-embeddings-all: true ",
            "model.tie = \"all\": expected one joint vocabulary",
        ),
        (
            "tied-embeddings-all: false",
            "tied-embeddings-all: maybe",
            "tied-embeddings-all = maybe: expected true or false",
        ),
        ("output-omit-bias: false", "output-omit-bias: true ", "`decoder_ff_logit_out_b`: found it, expected only"),
        ("skip: false\n", "skip false!\n", "line 16, \"skip false!\""),
    ] {
        let error = with_configuration(from, to);
        assert!(error.starts_with("model.xxyy.bin: ") && error.contains(message), "{from}: {error}");
    }
}

/// Writes numbers over a binary model.
fn with_bytes(model: &str, folder: &str, change: impl FnOnce(&mut Vec<u8>)) -> String {
    let folder = NmtFolder::new(folder);
    let mut bytes = fs::read(folder.path(model)).unwrap();
    change(&mut bytes);
    fs::write(folder.path(model), bytes).unwrap();
    folder.rejection()
}

#[test]
fn binary_files_that_lie() {
    let with = |at: usize, value: u64| {
        with_bytes(BINARY, "transformer", |bytes| bytes[at..at + 8].copy_from_slice(&value.to_le_bytes()))
    };
    // Lengths of a name, axes and data of the first tensor, and the number of tensors.
    for (at, value) in [(8, 1 << 19), (16, u64::MAX), (16, 1 << 20), (32, u64::MAX / 8), (40, u64::MAX), (40, 1 << 40)]
    {
        let error = with(at, value);
        assert!(error.starts_with(BINARY), "{at}, {value}: {error}");
        let named = ["breaks off", "does not end in one NUL", "a tensor of "].iter().any(|text| error.contains(text));
        assert!(named, "{at}, {value}: {error}");
    }
    let kind = with(24, 0x1_0404);
    assert!(kind.contains("found the number type 0x10404 in `"), "{kind}");
    let kind = with(24, 0x4101);
    assert!(kind.contains("found the scale ") || kind.contains("bytes for the shape"), "{kind}");
    let short = with_bytes(BINARY, "transformer", |bytes| bytes.truncate(bytes.len() - 300));
    assert!(short.contains("found a file that breaks off, expected all tensors"), "{short}");
    let scale = with_bytes(INT8, "quantised", |bytes| {
        // The scale of a table stands behind its integers; all of them become infinite.
        for at in 0..bytes.len() - 4 {
            if bytes[at..at + 4] == 1024f32.to_le_bytes() {
                bytes[at..at + 4].copy_from_slice(&f32::INFINITY.to_le_bytes());
            }
        }
    });
    assert!(scale.contains("found the scale inf in `decoder_l2_"), "{scale}");
    let nan = with_bytes(BINARY, "transformer", |bytes| {
        // The bias before the configuration, whose data are padded to 256 bytes.
        let text = bytes.windows(10).position(|window| window == b"bert-train").unwrap();
        bytes[text - 256..text - 252].copy_from_slice(&f32::NAN.to_le_bytes());
    });
    assert!(nan.contains("`encoder_l2_self_bv`: found values that are not finite, expected numbers"), "{nan}");
}

#[test]
fn archives_that_are_no_models() {
    let with = |change: &dyn Fn(&mut Vec<u8>)| with_bytes("model.npz", "student", |bytes| change(bytes));
    assert!(with(&|bytes| bytes.clear()).contains("found no zip archive, expected an .npz file"));
    assert!(with(&|bytes| bytes.truncate(30_000)).contains("found a truncated or damaged zip archive"));
    let replaced = |from: &'static [u8], to: &'static [u8]| {
        with(&|bytes| {
            for at in 0..bytes.len() - from.len() {
                if bytes[at..].starts_with(from) {
                    bytes[at..at + to.len()].copy_from_slice(to);
                }
            }
        })
    };
    for (from, to, message) in [
        (&b"'<f4'"[..], &b"'<f8'"[..], "found the number type \"<f8\" in `"),
        (b"'fortran_order': False", b"'fortran_order': True ", "found an array in Fortran's order"),
        (b"'shape': (16, 16)", b"'shape': (16, 17)", "bytes for the shape [16, 17]"),
        (b"'shape': (16, 16)", b"'shape': (-6, 16)", "found no NumPy array"),
        (b"\x93NUMPY\x01", b"\x93NUMPY\x09", "found no NumPy array"),
        (b"special:model.yml", b"special:model.yaml"[..17].as_ref(), "found no special:model.yml, expected"),
        (b"PK\x01\x02", b"PK\x09\x02", "found a truncated or damaged zip archive"),
    ] {
        let error = replaced(from, to);
        assert!(error.starts_with("model.npz: ") && error.contains(message), "{message}: {error}");
    }
}

#[test]
fn vocabularies_that_do_not_fit() {
    let student = || NmtFolder::new("student");
    let folder = student();
    fs::remove_file(folder.path("vocab.xxyy.spm")).unwrap();
    assert!(folder.rejection().contains("found no vocabularies that belong to the model"));
    let folder = student();
    fs::write(folder.path("vocab.xxyy.spm"), b"no model").unwrap();
    assert!(folder.rejection().starts_with("vocab.xxyy.spm: found bytes that do not decode"));
    let folder = NmtFolder::new("transformer");
    fs::copy(folder.path("srcvocab.xxyy.spm"), folder.path("trgvocab.xxyy.spm")).unwrap();
    assert!(folder.rejection().contains("entries, expected "), "{}", folder.rejection());

    let yaml = |text: &str| {
        let folder = student();
        fs::write(folder.path("opus.vocab.yml"), text).unwrap();
        folder.rejection()
    };
    for (text, message) in [
        ("a\n", "found line 1, \"a\", expected lines of an entry, a colon and an id"),
        ("</s>: 0\n<unk>: 2\n", "found the id 2 for \"<unk>\" in place of 1"),
        ("</s>: 0\n<unk>: 0\n", "in place of 1"),
        ("a: 0\na: 1\n", "found the entry \"a\" twice"),
        ("</s>: 0\n<unk>: 1\n", "found 2 entries, expected "),
        ("</s>: 99999999999999999999\n", "found line 1"),
    ] {
        let error = yaml(text);
        assert!(error.starts_with("opus.vocab.yml: ") && error.contains(message), "{text:?}: {error}");
    }
}

#[test]
fn decoder_configurations_that_lead_astray() {
    let with = |text: &str| {
        let folder = NmtFolder::new("quantised");
        fs::write(folder.path("decoder.yml"), text).unwrap();
        folder.rejection()
    };
    for (text, message) in [
        ("models: [../model.bin]\n", "found models: \"../model.bin\", expected paths inside the folder"),
        ("models: [/etc/passwd]\n", "found models: \"/etc/passwd\""),
        ("models: [gone.bin]\n", "found models: gone.bin, which is missing"),
        ("models: [model.xxyy.intgemm.bin, model.xxyy.intgemm.bin]\n", "found the models "),
        ("models: [model.xxyy.intgemm.bin]\nvocabs: [gone.spm]\n", "found vocabs: gone.spm, which is missing"),
        ("models: [model.xxyy.intgemm.bin]\nbeam-size: many\n", "beam-size = many: expected a number"),
        ("models: [model.xxyy.intgemm.bin]\nbeam-size: 0\n", "decoding.beam = 0: expected 1 to"),
        ("models: [model.xxyy.intgemm.bin]\nnormalize: nan\n", "decoding.length_penalty.alpha = NaN"),
    ] {
        let error = with(text);
        assert!(error.contains(message), "{text:?}: {error}");
    }
    let folder = NmtFolder::new("quantised");
    fs::copy(folder.path("decoder.yml"), folder.path("other.yml")).unwrap();
    assert!(folder.rejection().contains("found a second configuration with `models`"));
    let folder = NmtFolder::new("student");
    fs::copy(folder.path("model.npz"), folder.path("other.npz")).unwrap();
    assert!(folder.rejection().contains("found the models model.npz, other.npz, expected one model"));
}

/// Damage anywhere is an error or other numbers, never a panic.
#[test]
fn damage_anywhere_never_panics() {
    for (folder, model, step) in
        [("student", "model.npz", 983), ("quantised", INT8, 743), ("quantised", "vocab.xxyy.spm", 13)]
    {
        let folder = NmtFolder::new(folder);
        let bytes = fs::read(folder.path(model)).unwrap();
        for at in (0..bytes.len()).step_by(step) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x55;
            fs::write(folder.path(model), &damaged).unwrap();
            let run = folder.path("damaged.run");
            drop(interchange::marian_nmt::import(&folder.path(""), &run, &device()));
            drop(fs::remove_dir_all(run));
        }
    }
}
