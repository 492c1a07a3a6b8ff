//! Room for a model in memory: the models used longest ago are closed.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::slot::Slot;
use crate::error::ApiError;

/// Minimum time that a model stays open when memory is short, so that two models do not only open and close.
const MIN_OPEN: Duration = Duration::from_millis(300);
/// Time to wait for the memory of a closed model, whose last texts are still decoded.
const CLOSE_WAIT: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(10);

/// Closes the models used longest ago until `bytes` more fit within `limit`, and waits for their memory.
///
/// # Errors
/// A model that does not fit, alone or beside those in use.
pub async fn make_room(slots: &[Slot], index: usize, bytes: u64, limit: u64) -> Result<(), ApiError> {
    let too_little = |used: u64| ApiError::NoMemory { model: slots[index].spec.name.clone(), bytes, used, limit };
    if bytes > limit {
        return Err(too_little(0));
    }
    let deadline = Instant::now() + CLOSE_WAIT;
    loop {
        let used: u64 = slots.iter().map(|slot| slot.lock().bytes()).sum();
        if used + bytes <= limit {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(too_little(used));
        }
        let closing: u64 = slots.iter().map(|slot| slot.lock().closing_bytes()).sum();
        if used - closing + bytes > limit {
            let oldest = |slot: &&Slot| slot.lock().open.as_ref().map(|open| open.last_used);
            let can_close =
                |slot: &&Slot| slot.lock().open.as_ref().is_some_and(|open| open.since.elapsed() >= MIN_OPEN);
            if let Some(victim) = slots.iter().filter(can_close).min_by_key(oldest) {
                victim.lock().close();
                continue;
            }
        }
        sleep(POLL).await;
    }
}
