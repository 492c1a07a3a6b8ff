//! Marian folders, held against what transformers and SentencePiece make of the same files
//! (`scripts/fixtures/marian.py`).

mod export;
mod folder;
mod import;
mod rejections;
