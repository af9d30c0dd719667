//! Times and figures as people read them.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

/// `41s`, `3m12s`, `2h05m`, `4d3h`: two units at most.
pub fn span(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    if minutes == 0 {
        format!("{seconds}s")
    } else if hours == 0 {
        format!("{minutes}m{:02}s", seconds % 60)
    } else if days == 0 {
        format!("{hours}h{:02}m", minutes % 60)
    } else {
        format!("{days}d{}h", hours % 24)
    }
}

/// `3m12s ago`; something that is a little in the future, by another machine's clock, is `0s ago`.
pub fn ago(then: Timestamp, now: Timestamp) -> String {
    format!("{} ago", span(now.duration_since(then)))
}

/// Time of day, with the date when it isn't today's, in the given zone.
pub fn clock(then: Timestamp, now: Timestamp, zone: &TimeZone) -> String {
    let (then, now) = (then.to_zoned(zone.clone()), now.to_zoned(zone.clone()));
    let format = if then.date() == now.date() {
        "%H:%M:%S"
    } else {
        "%Y-%m-%d %H:%M:%S"
    };
    then.strftime(format).to_string()
}

/// A measured value with about four significant digits: `9.412`, `15.21`, `0.0123`, `12034`.
pub fn figure(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return value.to_string();
    }
    // The exponent of an f64 is at most 308.
    #[allow(clippy::cast_possible_truncation)]
    let exponent = value.abs().log10().floor() as i32;
    if exponent < -4 {
        return format!("{value:.2e}");
    }
    let decimals = usize::try_from(3 - exponent).unwrap_or(0);
    let text = format!("{value:.decimals$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// A count with separated thousands: `17,842`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 file`, `2 files`.
pub fn counted(number: u64, one: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {one}{plural}", count(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_two_units_at_most() {
        for (seconds, text) in [
            (-5, "0s"),
            (41, "41s"),
            (192, "3m12s"),
            (7_500, "2h05m"),
            (356_400, "4d3h"),
        ] {
            assert_eq!(span(SignedDuration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn figures_have_four_significant_digits() {
        for (value, text) in [
            (9.412_34, "9.412"),
            (15.2, "15.2"),
            (0.012_349, "0.01235"),
            (12_034.4, "12034"),
            (0.0, "0"),
            (-1.5, "-1.5"),
            (1.0, "1"),
            (1e-7, "1.00e-7"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(figure(value), text);
        }
    }

    #[test]
    fn thousands_are_separated() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (17_842, "17,842"),
            (1_000_000, "1,000,000"),
        ] {
            assert_eq!(count(number), text);
        }
    }

    #[test]
    fn another_day_shows_its_date() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let now = at("2026-11-23T14:02:11Z");
        assert_eq!(
            clock(at("2026-11-23T01:00:00Z"), now, &TimeZone::UTC),
            "01:00:00"
        );
        assert_eq!(
            clock(at("2026-11-22T23:00:00Z"), now, &TimeZone::UTC),
            "2026-11-22 23:00:00"
        );
    }
}
