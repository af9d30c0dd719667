//! Points in time, as status writes them.

use std::time::Duration;

use jiff::Timestamp;

/// The second that `time` is in.
pub fn whole(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

/// RFC 3339 with whole seconds.
pub fn format(time: Timestamp) -> String {
    whole(time).to_string()
}

/// Reads what [`format()`] wrote; `None` for anything else.
pub fn parse(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

/// Time from `from` to `to`; zero when `to` is earlier.
pub fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}

/// `time` plus `delay`; the end of time when that is too far.
pub fn after(time: Timestamp, delay: Duration) -> Timestamp {
    time.checked_add(delay).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_seconds() {
        let time: Timestamp = "2026-01-02T03:04:05.4Z".parse().unwrap();
        assert_eq!(format(time), "2026-01-02T03:04:05Z");
        assert_eq!(
            parse("2026-01-02T03:04:05Z").map(format).as_deref(),
            Some("2026-01-02T03:04:05Z")
        );
        assert_eq!(parse("yesterday"), None);
    }

    #[test]
    fn never_negative() {
        let time: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        assert_eq!(
            between(after(time, Duration::from_secs(5)), time),
            Duration::ZERO
        );
        assert_eq!(
            after(Timestamp::MAX, Duration::from_secs(5)),
            Timestamp::MAX
        );
    }
}
