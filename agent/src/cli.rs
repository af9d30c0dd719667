//! The command line: which role, and how its outcome becomes an exit code and a message.

use std::{
    ffi::OsString,
    io::IsTerminal,
    path::PathBuf,
    process::{ExitCode, Termination},
};

use clap::{Parser, Subcommand};
use millwright_crds::wire::contract;
use tokio::runtime;
use tracing_subscriber::EnvFilter;

use crate::{collect, environment::Layout, evaluate, exec, fetch, gateway, run, sync};

/// What runs inside Millwright's pods. Each role reads its task from MILLWRIGHT_TASK and the store
/// from MILLWRIGHT_STORE.
#[derive(Parser)]
#[command(name = "millwright-agent", version)]
struct Arguments {
    /// Folder that all paths of containers are below.
    #[arg(long, default_value = "/", hide = true)]
    root: PathBuf,
    #[command(subcommand)]
    role: Role,
}

#[derive(Subcommand)]
enum Role {
    /// Reads a Dataset's source and publishes what it finds as a version.
    Sync,
    /// Puts datasets, models, parameters and the agent itself at their paths, verified.
    Fetch,
    /// Runs the trainer's command as PID 1 and asks the sidecar to publish its model.
    Exec(Command),
    /// Publishes beside a trainer, and answers its progress.
    Run {
        /// Store an evaluation instead of a model.
        #[arg(long)]
        evaluation: bool,
        /// Port of health and progress.
        #[arg(long, default_value_t = contract::RUN_PORT)]
        port: u16,
    },
    /// Runs the evaluator's command as PID 1, once per model.
    Evaluate(Command),
    /// Says again what an attempt left in the store.
    Collect(collect::Request),
    /// Proxies to the model server beside it, and measures.
    Gateway,
}

#[derive(clap::Args)]
struct Command {
    /// The command and its arguments, after `--`.
    #[arg(required = true, last = true)]
    command: Vec<OsString>,
}

/// Runs the role that the command line names. The exit codes are those of
/// [`contract::exit`], or the user's command's own.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are no errors.
            let code = if error.use_stderr() {
                contract::exit::USAGE
            } else {
                0
            };
            if error.print().is_err() {
                return ExitCode::FAILURE;
            }
            return exit_code(code);
        }
    };
    log_to_stderr();
    let layout = Layout::new(arguments.root);
    let role = arguments.role;
    // Beside user code one thread is enough, and leaves the container's processors alone.
    let runtime = match role {
        Role::Exec(_) | Role::Evaluate(_) => runtime::Builder::new_current_thread(),
        _ => runtime::Builder::new_multi_thread(),
    }
    .enable_all()
    .build();
    match runtime {
        Ok(runtime) => runtime.block_on(start(role, &layout)),
        Err(error) => {
            tracing::error!("the runtime can't be started: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn start(role: Role, layout: &Layout) -> ExitCode {
    let outcome = match role {
        Role::Sync => sync::run(layout).await.map(|()| 0),
        Role::Fetch => fetch::run(layout).await.map(|()| 0),
        Role::Exec(Command { command }) => exec::run(layout, &command).await,
        Role::Run {
            evaluation: false,
            port,
        } => run::training(layout, port).await.map(|()| 0),
        Role::Run {
            evaluation: true,
            port,
        } => run::evaluation(layout, port).await.map(|()| 0),
        Role::Evaluate(Command { command }) => evaluate::run(layout, &command).await,
        Role::Collect(request) => collect::run(layout, &request).await.map(|()| 0),
        Role::Gateway => return gateway::run().await.report(),
    };
    match outcome {
        Ok(code) => exit_code(code),
        Err(failure) => {
            tracing::error!("{failure}");
            failure.leave(layout);
            exit_code(failure.exit)
        }
    }
}

fn exit_code(code: i32) -> ExitCode {
    u8::try_from(code).map_or(ExitCode::FAILURE, ExitCode::from)
}

fn log_to_stderr() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .init();
}
