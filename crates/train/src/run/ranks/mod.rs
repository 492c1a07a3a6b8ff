//! Training by several processes (data parallelism).
//!
//! The root, rank 0, has the run folder and the data, and decides everything. The other ranks, the [`Follower`]s, wait for
//! an [`Announcement`] and do their share: the gradients of their micro-batches, or a part of a validation's translations.
//! All ranks hold the same weights and update them alike, so that a run's bytes do not depend on the number of processes.

mod announcement;
mod follower;
mod root;
mod tensors;

pub use announcement::{Announcement, Reply};
pub use follower::Follower;
pub use root::Ranks;
