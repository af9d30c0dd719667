//! Vocabulary that all kinds share.

mod conditions;
mod duration;
mod reference;
mod template;

pub use conditions::{Condition, ConditionType};
pub use duration::{Duration, ParseDurationError};
pub use reference::DatasetReference;
pub use template::PodTemplate;

/// The largest whole number that JSON numbers carry exactly through every client (2^53).
pub const MAX_SAFE_INTEGER: u64 = 1 << 53;
