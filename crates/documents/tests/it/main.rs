//! Segmentation, formats and translation of documents.

mod borders;
mod unicode;
