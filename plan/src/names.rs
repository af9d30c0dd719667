//! Names of children, derived from their owner's: never generated, so that nothing can be created
//! twice.

use sha2::{Digest, Sha256};

/// Longest name of a Job: the Job controller puts it into a label of each pod, with two characters
/// more for the index.
pub const JOB_LIMIT: usize = 61;
/// Longest name of a Service, a Deployment's pod label and most others.
pub const NAME_LIMIT: usize = 63;

/// Joins parts with `-`; a name that is too long is cut and ends in eight hexadecimal digits of
/// the whole, so that different names stay different.
pub fn join(parts: &[&str], limit: usize) -> String {
    let whole = parts.join("-");
    if whole.len() <= limit {
        return whole;
    }
    let kept: String = whole.chars().take(limit.saturating_sub(9)).collect();
    format!("{}-{}", kept.trim_end_matches('-'), hash8(&whole))
}

/// The first eight hexadecimal digits of the SHA-256.
pub fn hash8(text: &str) -> String {
    sha256_hex(text.as_bytes())[..8].to_owned()
}

/// The SHA-256 in hexadecimal.
pub fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_are_readable() {
        assert_eq!(join(&["train", "1"], JOB_LIMIT), "train-1");
    }

    #[test]
    fn long_names_stay_different_and_in_bounds() {
        let long = "a".repeat(60);
        let (one, two) = (
            join(&[&long, "1"], JOB_LIMIT),
            join(&[&long, "2"], JOB_LIMIT),
        );
        assert!(one.len() <= JOB_LIMIT && two.len() <= JOB_LIMIT);
        assert_ne!(one, two);
    }
}
