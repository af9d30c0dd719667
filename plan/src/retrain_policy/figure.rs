//! Figures in status and messages.

/// Rounds to six significant digits: what status says is then what was compared, short to read,
/// and the same number after it went through the API server and back.
pub(super) fn round(value: f64) -> f64 {
    format!("{value:.5e}").parse().unwrap_or(value)
}

/// Whether two figures are the same to what [`round`] keeps.
pub(super) fn same(a: f64, b: f64) -> bool {
    round(a).to_bits() == round(b).to_bits()
}

/// A figure in a message: at most four significant digits.
pub(super) fn text(value: f64) -> String {
    let short: f64 = format!("{value:.3e}").parse().unwrap_or(value);
    short.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_digits() {
        for (value, rounded) in [
            (9.123_456_789, 9.123_46),
            (0.000_123_456_789, 0.000_123_457),
            (1_234_567.0, 1_234_570.0),
            (0.0, 0.0),
            (-2.5, -2.5),
            (1e300, 1e300),
        ] {
            assert_eq!(round(value), rounded);
            assert_eq!(round(round(value)), round(value));
        }
        assert!(round(f64::NAN).is_nan() && round(f64::INFINITY).is_infinite());
        assert!(same(0.1 + 0.2, 0.3) && !same(0.3, 0.301));
    }

    #[test]
    fn figures_survive_json() {
        for value in [9.123_456_789_f64, 1.3 * 9.1, 1e-7 / 3.0, 123_456.789_12] {
            let written = serde_json::to_string(&round(value)).unwrap();
            let read: f64 = serde_json::from_str(&written).unwrap();
            assert_eq!(read.to_bits(), round(value).to_bits(), "{written}");
        }
    }

    #[test]
    fn words() {
        assert_eq!(text(11.834_21), "11.83");
        assert_eq!(text(1000.0), "1000");
        assert_eq!(text(0.2), "0.2");
    }
}
