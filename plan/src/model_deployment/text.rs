//! Words and figures of messages.

/// Most characters of a message in status.
const LIMIT: usize = 512;
/// Most characters of a container's last lines in a message.
const LINES_LIMIT: usize = 300;

/// Cuts a message to what status takes.
pub(super) fn cut(text: &str) -> String {
    if text.chars().count() <= LIMIT {
        return text.to_owned();
    }
    text.chars().take(LIMIT - 1).chain(['…']).collect()
}

/// The end of a log in one line: the last lines say most.
pub(super) fn last_lines(log: &str) -> String {
    let lines: Vec<&str> = log
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let whole = lines.join(" | ");
    let surplus = whole.chars().count().saturating_sub(LINES_LIMIT);
    if surplus == 0 {
        whole
    } else {
        format!("…{}", whole.chars().skip(surplus).collect::<String>())
    }
}

/// A measured value with at most four digits after the point; very small and very large ones as
/// powers of ten.
pub(super) fn figure(value: f64) -> String {
    let size = value.abs();
    if value != 0.0 && !(0.001..1e9).contains(&size) {
        return format!("{value:.3e}");
    }
    let text = format!("{value:.4}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures() {
        for (value, text) in [
            (0.0, "0"),
            (9.4, "9.4"),
            (14.912_345, "14.9123"),
            (12.0, "12"),
            (100.0, "100"),
            (-0.5, "-0.5"),
            (0.000_12, "1.200e-4"),
            (3e12, "3.000e12"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(figure(value), text);
        }
    }

    #[test]
    fn the_end_of_a_log_is_kept() {
        let log = format!("{}\n\n  the end \n", "x".repeat(1_000));
        let text = last_lines(&log);
        assert!(
            text.starts_with('…') && text.ends_with("| the end"),
            "{text}"
        );
        assert!(text.chars().count() <= LINES_LIMIT + 1);
    }

    #[test]
    fn messages_fit() {
        assert_eq!(cut(&"é".repeat(512)).chars().count(), 512);
        assert_eq!(cut(&"é".repeat(513)).chars().count(), 512);
    }
}
