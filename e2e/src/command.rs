//! Running programs, with errors that say what they said.

use std::{ffi::OsStr, path::Path, process::Stdio};

use anyhow::{Context as _, Result, bail};

/// Most lines of a program's output in an error.
const LINES: usize = 40;

/// A program to run to its end.
pub struct Command {
    inner: tokio::process::Command,
    text: String,
}

impl Command {
    /// Runs this program.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        let name = Path::new(program.as_ref()).file_name();
        let text = name.unwrap_or_default().to_string_lossy().into_owned();
        let mut inner = tokio::process::Command::new(program);
        // Cargo says of these tests which package they are. A cargo below would take it for a change
        // of its environment, on which some build scripts depend, and compile most of all anew.
        for (name, _) in std::env::vars_os() {
            if is_of_package(&name) {
                inner.env_remove(name);
            }
        }
        Self { inner, text }
    }

    /// Adds an argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.text.push(' ');
        self.text.push_str(&arg.as_ref().to_string_lossy());
        self.inner.arg(arg);
        self
    }

    /// Adds arguments.
    pub fn args<A: AsRef<OsStr>>(self, args: impl IntoIterator<Item = A>) -> Self {
        args.into_iter().fold(self, Self::arg)
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.inner.env(name, value);
        self
    }

    /// Leaves an environment variable out.
    pub fn without_env(mut self, name: &str) -> Self {
        self.inner.env_remove(name);
        self
    }

    /// Runs in this directory.
    pub fn directory(mut self, directory: &Path) -> Self {
        self.inner.current_dir(directory);
        self
    }

    /// Runs it and returns what it wrote to standard output.
    ///
    /// # Errors
    /// When it can't be started or ends with another code than 0; the message has the last lines
    /// that it wrote.
    pub async fn output(mut self) -> Result<String> {
        let result = self.inner.stdin(Stdio::null()).kill_on_drop(true).output();
        let output = result
            .await
            .with_context(|| format!("`{}` can't be started", self.text))?;
        let stdout = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            let stderr = String::from_utf8_lossy(&output.stderr);
            let said = format!("{stdout}{stderr}");
            bail!(
                "`{}` ended with {}:\n{}",
                self.text,
                output.status,
                tail(&said, LINES)
            );
        }
        Ok(stdout.into_owned())
    }
}

/// Whether cargo sets this variable for the package whose tests it runs.
fn is_of_package(variable: &OsStr) -> bool {
    let name = variable.to_string_lossy();
    [
        "CARGO_PKG_",
        "CARGO_MANIFEST_",
        "CARGO_BIN_",
        "CARGO_CRATE_",
    ]
    .iter()
    .any(|prefix| name.starts_with(prefix))
}

/// The last lines of a text.
pub fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tail_takes_the_last_lines() {
        assert_eq!(tail("a\nb\nc\n", 2), "b\nc");
        assert_eq!(tail("a", 2), "a");
    }

    #[tokio::test]
    async fn errors_say_what_the_program_said() {
        let error = Command::new("sh").args(["-c", "echo why >&2; exit 3"]);
        let message = error.output().await.unwrap_err().to_string();
        assert!(
            message.contains("why") && message.contains('3'),
            "{message}"
        );
    }
}
