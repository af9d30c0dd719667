//! What people type: `kubectl` and its plugin, against a real API server.

use anyhow::{Result, ensure};
use millwright_e2e::{
    cluster::Cluster,
    command::Command,
    machine::{self, tool},
};

/// Commands in a namespace.
pub struct Commands<'a> {
    /// The cluster.
    pub cluster: &'a Cluster,
    /// The namespace.
    pub namespace: &'a str,
}

impl Commands<'_> {
    /// Runs kubectl with these words and returns what it prints.
    ///
    /// # Errors
    /// When it ends with another code than 0.
    pub async fn kubectl(&self, words: &str) -> Result<String> {
        self.run(Command::new(tool("kubectl")), words).await
    }

    /// Runs the plugin with these words and returns what it prints.
    ///
    /// # Errors
    /// When it ends with another code than 0.
    pub async fn plugin(&self, words: &str) -> Result<String> {
        let program = machine::program("kubectl-millwright").await?;
        self.run(Command::new(program), words).await
    }

    async fn run(&self, command: Command, words: &str) -> Result<String> {
        command
            .args(words.split(' '))
            // Else kubectl may know from another cluster at the same address what this one has.
            .env("KUBECACHEDIR", self.cluster.file("kubectl-cache"))
            .args(["--namespace", self.namespace, "--kubeconfig"])
            .arg(self.cluster.kubeconfig())
            .output()
            .await
    }

    /// What a loop that has turned shows to those who ask.
    ///
    /// # Errors
    /// With what is shown instead.
    pub async fn show_a_loop(&self) -> Result<()> {
        let objects = [
            "dataset/flights",
            "trainingjob/first",
            "model/delay",
            "modelversion/delay-v1",
            "modelversion/delay-v2",
            "modeldeployment/delay",
            "retrainpolicy/delay",
        ];
        let all = self.kubectl("get millwright").await?;
        for object in objects {
            self.kubectl(&format!(
                "wait --for=condition=Ready --timeout=30s {object}"
            ))
            .await?;
            let line = object.replace('/', ".millwright.dev/");
            ensure!(all.contains(&line), "{line} is not in:\n{all}");
        }
        self.kubectl("wait --for=condition=Complete --timeout=30s trainingjob/first")
            .await?;
        for word in ["PHASE", "Succeeded", "Healthy", "Watching"] {
            ensure!(all.contains(word), "{word} is not in:\n{all}");
        }
        let status = self.plugin("status").await?;
        for word in [
            "flights",
            "1 run before",
            "v2",
            "staging",
            "production",
            "by quality",
        ] {
            ensure!(status.contains(word), "{word} is not in:\n{status}");
        }
        let ended = self.plugin("wait tj/first").await?;
        ensure!(ended.contains("Succeeded"), "{ended}");
        let ready = self.plugin("wait rp/delay --for=ready").await?;
        ensure!(ready.contains("Watching"), "{ready}");
        Ok(())
    }

    /// What a run that has failed shows.
    ///
    /// # Errors
    /// With what is shown instead.
    pub async fn show_a_failure(&self, run: &str) -> Result<()> {
        self.kubectl(&format!(
            "wait --for=condition=Failed --timeout=30s trainingjob/{run}"
        ))
        .await?;
        self.plugin(&format!("wait tj/{run} --for=failed")).await?;
        let Err(error) = self.plugin(&format!("wait tj/{run}")).await else {
            anyhow::bail!("to wait for a run that has failed ends well");
        };
        let said = error.to_string();
        ensure!(said.contains("exit status: 1"), "{said}");
        let text = self.plugin(&format!("diagnose tj/{run}")).await?;
        ensure!(text.contains("what to do"), "{text}");
        Ok(())
    }

    /// Asks a policy for a run by hand.
    ///
    /// # Errors
    /// When none follows.
    pub async fn retrain(&self, policy: &str) -> Result<()> {
        let list = "get trainingjobs --output name";
        let before = self.kubectl(list).await?;
        let said = self.plugin(&format!("retrain rp/{policy}")).await?;
        let after = self.kubectl(list).await?;
        let mut new = after.lines().filter(|line| !before.contains(*line));
        let named = new.any(|line| {
            line.rsplit('/')
                .next()
                .is_some_and(|run| said.contains(run))
        });
        ensure!(
            named,
            "it says {said:?}, and there are:\n{after}before:\n{before}"
        );
        Ok(())
    }
}
