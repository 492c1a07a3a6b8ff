//! The paths of a corpus in a configuration.

use std::fmt;
use std::path::{Path, PathBuf};

use super::pipe::is_pipe;
use crate::TextError;
use serde::de::{self, IntoDeserializer, MapAccess, SeqAccess, Visitor, value};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One file, or several in order: `"a.tsv"` or `["a.tsv", "b.tsv"]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shards(Vec<PathBuf>);

impl Shards {
    /// Returns the files in order.
    pub fn paths(&self) -> &[PathBuf] {
        &self.0
    }
}

impl<P: Into<PathBuf>> From<P> for Shards {
    fn from(path: P) -> Self {
        Self(vec![path.into()])
    }
}

impl FromIterator<PathBuf> for Shards {
    fn from_iter<T: IntoIterator<Item = PathBuf>>(paths: T) -> Self {
        Self(paths.into_iter().collect())
    }
}

/// The files of a parallel corpus.
///
/// ```
/// # use serde::Deserialize;
/// use text::ParallelPath;
///
/// let read = |json| serde_json::from_str::<ParallelPath>(json);
/// assert_eq!(read(r#""data/x.tsv""#).unwrap(), ParallelPath::Tsv("data/x.tsv".into()));
/// let files = ParallelPath::Files { source: "a.en".into(), target: "a.de".into() };
/// assert_eq!(read(r#"{"source": "a.en", "target": "a.de"}"#).unwrap(), files);
/// assert_eq!(read(r#"["x.tsv", "y.tsv"]"#).unwrap().to_string(), "x.tsv, y.tsv");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParallelPath {
    /// Lines of `source TAB target`: one path or a list.
    Tsv(Shards),
    /// Line N of `source` is translated by line N of `target`: one path each, or lists of equal length.
    Files {
        /// Source files.
        source: Shards,
        /// Target files.
        target: Shards,
    },
}

impl ParallelPath {
    /// Returns the number of shards.
    ///
    /// # Errors
    /// Different numbers of source and target files.
    pub fn shards(&self) -> Result<usize, TextError> {
        match self {
            Self::Tsv(shards) => Ok(shards.0.len()),
            Self::Files { source, target } if source.0.len() == target.0.len() => Ok(source.0.len()),
            Self::Files { source, target } => Err(TextError::UnequalShards {
                origin: self.to_string(),
                source_files: source.0.len(),
                target_files: target.0.len(),
            }),
        }
    }

    /// Returns all files.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let (one, other): (&[PathBuf], &[PathBuf]) = match self {
            Self::Tsv(shards) => (&shards.0, &[]),
            Self::Files { source, target } => (&source.0, &target.0),
        };
        one.iter().chain(other).map(PathBuf::as_path)
    }

    /// Returns the first file that can be read only once, such as a pipe.
    pub fn pipe(&self) -> Option<&Path> {
        self.files().find(|path| is_pipe(path))
    }

    /// Returns the corpus with its shards reordered: `order` has their indices.
    ///
    /// # Panics
    /// If an index is out of range.
    pub fn reordered(&self, order: &[usize]) -> Self {
        let pick = |shards: &Shards| Shards(order.iter().map(|&place| shards.0[place].clone()).collect());
        match self {
            Self::Tsv(shards) => Self::Tsv(pick(shards)),
            Self::Files { source, target } => Self::Files { source: pick(source), target: pick(target) },
        }
    }
}

impl fmt::Display for Shards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, path) in self.0.iter().enumerate() {
            let separator = if place == 0 { "" } else { ", " };
            write!(f, "{separator}{}", path.display())?;
        }
        Ok(())
    }
}

impl fmt::Display for ParallelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tsv(shards) => write!(f, "{shards}"),
            Self::Files { source, target } => write!(f, "{source} and {target}"),
        }
    }
}

impl Serialize for Shards {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [single] => single.serialize(serializer),
            several => several.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Shards {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ShardsVisitor;
        impl<'de> Visitor<'de> for ShardsVisitor {
            type Value = Shards;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a path or a list of paths")
            }

            fn visit_str<E: de::Error>(self, path: &str) -> Result<Shards, E> {
                match path {
                    "" => Err(de::Error::invalid_value(de::Unexpected::Str(path), &self)),
                    path => Ok(path.into()),
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, paths: A) -> Result<Shards, A::Error> {
                let paths: Vec<PathBuf> = Deserialize::deserialize(value::SeqAccessDeserializer::new(paths))?;
                if paths.is_empty() || paths.iter().any(|path| path.as_os_str().is_empty()) {
                    return Err(de::Error::invalid_length(0, &"at least one path, and none without a name"));
                }
                Ok(Shards(paths))
            }
        }
        deserializer.deserialize_any(ShardsVisitor)
    }
}

impl Serialize for ParallelPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Tsv(shards) => shards.serialize(serializer),
            Self::Files { source, target } => {
                SourceAndTarget { source: source.clone(), target: target.clone() }.serialize(serializer)
            }
        }
    }
}

/// The table form.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SourceAndTarget {
    source: Shards,
    target: Shards,
}

/// Written out, as the only error message of `untagged` is that nothing matched.
impl<'de> Deserialize<'de> for ParallelPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PathVisitor;
        impl<'de> Visitor<'de> for PathVisitor {
            type Value = ParallelPath;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "the path of a TSV file, a list of such paths, or {{ source = …, target = … }}")
            }

            fn visit_str<E: de::Error>(self, path: &str) -> Result<ParallelPath, E> {
                Shards::deserialize(path.into_deserializer()).map(ParallelPath::Tsv)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, paths: A) -> Result<ParallelPath, A::Error> {
                let paths = value::SeqAccessDeserializer::new(paths);
                Shards::deserialize(paths).map(ParallelPath::Tsv)
            }

            fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<ParallelPath, A::Error> {
                let table = value::MapAccessDeserializer::new(table);
                let SourceAndTarget { source, target } = Deserialize::deserialize(table)?;
                Ok(ParallelPath::Files { source, target })
            }
        }
        deserializer.deserialize_any(PathVisitor)
    }
}
