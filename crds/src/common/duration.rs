//! Durations as people write them in manifests.

use std::{borrow::Cow, fmt, str::FromStr, time::Duration as StdDuration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A duration: whole numbers with units, largest first and each at most once, e.g. `30s`, `1h30m`
/// or `7d`. Units are `d` (24 hours), `h`, `m` and `s`. At most five digits each, so it always
/// fits in a signed 64-bit number of seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Duration(StdDuration);

/// Why a string is not a [`Duration`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseDurationError(String);

const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];
const PATTERN: &str =
    "^(0s|([1-9][0-9]{0,4}d)?([1-9][0-9]{0,4}h)?([1-9][0-9]{0,4}m)?([1-9][0-9]{0,4}s)?)$";

impl Duration {
    /// A duration of whole seconds.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(StdDuration::from_secs(seconds))
    }

    /// Whole seconds.
    pub const fn as_secs(self) -> u64 {
        self.0.as_secs()
    }

    /// The standard library's form.
    pub const fn as_std(self) -> StdDuration {
        self.0
    }

    /// Whether it is zero.
    pub const fn is_zero(self) -> bool {
        self.0.is_zero()
    }
}

impl fmt::Display for ParseDurationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "\"{}\" is not a duration: write whole numbers with d, h, m or s, largest first, as in 30s, 1h30m or 7d",
            self.0
        )
    }
}

impl std::error::Error for ParseDurationError {}

impl FromStr for Duration {
    type Err = ParseDurationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || ParseDurationError(text.chars().take(32).collect());
        if text == "0s" {
            return Ok(Self::default());
        }
        let mut seconds = 0;
        let mut rest = text;
        for (unit, factor) in UNITS {
            let digits = rest.chars().take_while(char::is_ascii_digit).count();
            if rest[digits..].starts_with(unit) {
                if !(1..=5).contains(&digits) || rest.starts_with('0') {
                    return Err(invalid());
                }
                let number: u64 = rest[..digits].parse().map_err(|_| invalid())?;
                seconds += number * factor;
                rest = &rest[digits + 1..];
            }
        }
        if seconds == 0 || !rest.is_empty() {
            Err(invalid())
        } else {
            Ok(Self::from_secs(seconds))
        }
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.as_secs();
        if rest == 0 {
            return f.write_str("0s");
        }
        for (unit, factor) in UNITS {
            if rest >= factor {
                write!(f, "{}{unit}", rest / factor)?;
                rest %= factor;
            }
        }
        Ok(())
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for Duration {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "minLength": 2, "maxLength": 24, "pattern": PATTERN})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_what_people_write() {
        for (text, seconds) in [
            ("30s", 30),
            ("15m", 900),
            ("1h30m", 5_400),
            ("7d", 604_800),
            ("0s", 0),
        ] {
            assert_eq!(
                text.parse::<Duration>().unwrap().as_secs(),
                seconds,
                "{text}"
            );
        }
    }

    #[test]
    fn refuses_what_the_pattern_refuses() {
        for text in [
            "", "5", "m", "1.5h", "-1s", "1w", "1s ", "123456s", "1s1s", "1s1m", "01s", "5é", "0m",
        ] {
            let error = text.parse::<Duration>().unwrap_err().to_string();
            assert!(error.contains("is not a duration"), "{text}: {error}");
        }
    }

    #[test]
    fn prints_what_it_parses() {
        for text in ["30s", "1h30m", "7d", "1d1h1m1s", "0s"] {
            assert_eq!(text.parse::<Duration>().unwrap().to_string(), text);
        }
        assert_eq!(Duration::from_secs(3_600).to_string(), "1h");
        assert_eq!("90m".parse::<Duration>().unwrap().to_string(), "1h30m");
    }
}
