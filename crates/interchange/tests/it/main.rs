//! Marian folders, compared with the results of transformers and SentencePiece for the same files
//! (`scripts/fixtures/marian.py`), and Marian's own files, compared with its equations (`scripts/fixtures/marian_nmt.py`).

mod export;
mod folder;
mod huggingface;
mod import;
mod marian_nmt;
mod marian_nmt_rejections;
mod moved_ids;
mod rejections;
mod shards;
mod weights_rejections;
