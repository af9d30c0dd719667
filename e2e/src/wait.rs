//! Waiting for a condition, with an end and a reason.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// Time between two looks.
const PERIOD: Duration = Duration::from_millis(200);

/// Looks again and again until `look` finds something. One that took more than half of its time says
/// so: on a slower machine it would fail.
///
/// # Errors
/// After `timeout`, with what `explain` says of the state then. An error of `look` counts as
/// nothing found, and is part of the message when it was the last.
pub async fn wait_for<T>(
    what: &str,
    timeout: Duration,
    mut look: impl AsyncFnMut() -> Result<Option<T>>,
    explain: impl AsyncFnOnce() -> String,
) -> Result<T> {
    let start = Instant::now();
    loop {
        let result = tokio::time::timeout(timeout, look()).await;
        let problem = match result {
            Ok(Ok(Some(found))) => {
                if start.elapsed() > timeout / 2 {
                    let (took, most) = (start.elapsed().as_secs(), timeout.as_secs());
                    eprintln!("slow: waited {took} s, of at most {most}: {what}");
                }
                return Ok(found);
            }
            Ok(Ok(None)) => None,
            Ok(Err(error)) => Some(error),
            Err(_) => Some(anyhow::anyhow!("looking took longer than the wait")),
        };
        if start.elapsed() >= timeout {
            let state = explain().await;
            let error = anyhow::anyhow!(
                "waited {} s in vain: {what}\n{state}",
                timeout.as_secs_f64()
            );
            return match problem {
                Some(problem) => Err(problem).context(error),
                None => Err(error),
            };
        }
        tokio::time::sleep(PERIOD).await;
    }
}

/// Looks again and again for `time`, and fails as soon as `look` finds something.
///
/// # Errors
/// With what was found, or when looking failed.
pub async fn never<T: std::fmt::Debug>(
    what: &str,
    time: Duration,
    mut look: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<()> {
    let start = Instant::now();
    while start.elapsed() < time {
        if let Some(found) = look().await? {
            bail!(
                "{what}, after {} s: {found:?}",
                start.elapsed().as_secs_f64()
            );
        }
        tokio::time::sleep(PERIOD).await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn nothing() -> String {
        "the state".into()
    }

    #[tokio::test]
    async fn finds() {
        let mut count = 0;
        let found = wait_for(
            "three",
            Duration::from_secs(5),
            async || {
                count += 1;
                Ok((count == 3).then_some(count))
            },
            nothing,
        );
        assert_eq!(found.await.unwrap(), 3);
    }

    #[tokio::test]
    async fn says_what_and_why() {
        let look = async || Err::<Option<()>, _>(anyhow::anyhow!("no answer"));
        let result = wait_for("a thing", Duration::from_millis(1), look, nothing).await;
        let message = format!("{:#}", result.unwrap_err());
        for part in ["a thing", "the state", "no answer"] {
            assert!(message.contains(part), "{message}");
        }
    }
}
