//! Hugging Face folders by `model_type`, compared with transformers and SentencePiece
//! (`scripts/fixtures/huggingface.py`).

mod added_tokens;
mod export;
mod folder;
mod import;
mod languages;
mod rejections;
