//! Marian folders, compared with the results of transformers and SentencePiece for the same files
//! (`scripts/fixtures/marian.py`).

mod export;
mod folder;
mod import;
mod moved_ids;
mod rejections;
mod shards;
