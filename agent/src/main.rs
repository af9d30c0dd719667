//! The agent's binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    agent::cli::main()
}
