//! The command line.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::kind::Reference;

/// Shows and explains the machine-learning loop that Millwright keeps in a namespace.
#[derive(Parser, Debug)]
#[command(name = "kubectl-millwright", bin_name = "kubectl millwright", version)]
pub struct Cli {
    #[command(flatten)]
    pub connection: Connection,

    /// Draw with ASCII only; the default where the locale isn't UTF-8
    #[arg(long, global = true)]
    pub ascii: bool,

    #[command(subcommand)]
    pub command: Command,
}

/// Which cluster, and where in it.
#[derive(Args, Debug)]
pub struct Connection {
    /// Namespace; default: that of the kubeconfig's context
    #[arg(short, long, global = true, value_name = "NAME")]
    pub namespace: Option<String>,

    /// Context of the kubeconfig; default: the current one
    #[arg(long, global = true, value_name = "NAME")]
    pub context: Option<String>,

    /// Kubeconfig file; default: $KUBECONFIG, else ~/.kube/config
    #[arg(long, global = true, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
}

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Draw the loop: data, run, model version, stages, quality and drift, next run
    Status(StatusOptions),
    /// Say what is wrong with an object, show the evidence, and the command that mends it
    Diagnose(DiagnoseOptions),
    /// Ask a RetrainPolicy for a run now, and name the TrainingJob that follows
    Retrain(RetrainOptions),
    /// Wait until an object is ready or a run has ended
    ///
    /// Exit codes: 0 it is so, 1 it can no longer become so, 2 the time was over, 3 it could not be
    /// found out.
    Wait(WaitOptions),
    /// Print the plugin's version
    Version,
}

#[derive(Args, Debug)]
pub struct StatusOptions {
    /// Follow: redraw on change; without a terminal, append a line for each change
    #[arg(short, long)]
    pub watch: bool,
}

#[derive(Args, Debug)]
pub struct DiagnoseOptions {
    /// KIND/NAME, e.g. tj/flights-delay-first or modeldeployment/flights-delay
    #[arg(value_name = "KIND/NAME")]
    pub object: Reference,
}

#[derive(Args, Debug)]
pub struct RetrainOptions {
    /// The policy: rp/NAME
    #[arg(value_name = "rp/NAME")]
    pub policy: Reference,

    /// Longest time to wait for the operator's answer
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    pub timeout: Duration,
}

#[derive(Args, Debug)]
pub struct WaitOptions {
    /// KIND/NAME, e.g. tj/flights-delay-first
    #[arg(value_name = "KIND/NAME")]
    pub object: Reference,

    /// What to wait for; default: ended for a TrainingJob, ready for the others
    #[arg(long = "for", value_name = "STATE")]
    pub goal: Option<Goal>,

    /// Longest time to wait
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = duration)]
    pub timeout: Duration,
}

/// What can be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Goal {
    /// The object does its job now; for a run, that it ended well
    Ready,
    /// The run ended well
    Complete,
    /// The run ended badly
    Failed,
    /// The run ended; well is 0, badly is 1
    Ended,
}

fn duration(text: &str) -> Result<Duration, String> {
    text.parse::<millwright_crds::common::Duration>()
        .map(millwright_crds::common::Duration::as_std)
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn namespace_may_stand_before_and_after_the_command() {
        for line in [
            "kubectl-millwright -n flights status",
            "kubectl-millwright status -n flights",
        ] {
            let cli = Cli::try_parse_from(line.split(' ')).unwrap();
            assert_eq!(cli.connection.namespace.as_deref(), Some("flights"));
        }
    }

    #[test]
    fn bad_durations_say_what_is_allowed() {
        let line = "kubectl-millwright wait tj/a --timeout=soon";
        let error = Cli::try_parse_from(line.split(' ')).unwrap_err();
        assert!(error.to_string().contains("30s, 1h30m or 7d"), "{error}");
    }
}
