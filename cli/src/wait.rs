//! `kubectl millwright wait`: ends on either outcome, where `kubectl wait` hangs on the other one.

use futures::StreamExt;
use kube::runtime::{WatchStreamExt, watcher::watch_object};
use millwright_crds::common::ConditionType;
use tokio::time::{Instant, timeout_at};

use crate::{
    Outcome,
    args::{Goal, WaitOptions},
    cluster::Cluster,
    kind::Kind,
    objects::{State, stands},
    problem::{self, Problem},
    terminal::Terminal,
};

/// Waits, and says how it ended.
pub async fn run(
    cluster: &Cluster,
    terminal: &Terminal,
    options: &WaitOptions,
) -> Result<Outcome, Problem> {
    let object = &options.object;
    let goal = goal(object.kind, options.goal)?;
    let watch = watch_object(cluster.api(object.kind), &object.name).default_backoff();
    let mut watch = std::pin::pin!(watch);
    let deadline = Instant::now() + options.timeout;
    let mut last: Option<State> = None;
    loop {
        let Ok(Some(seen)) = timeout_at(deadline, watch.next()).await else {
            let seconds = i64::try_from(options.timeout.as_secs()).unwrap_or(i64::MAX);
            let after = crate::time::span(jiff::SignedDuration::from_secs(seconds));
            let now = last.as_ref().map_or_else(String::new, described);
            terminal.print(&format!("{object}: timed out after {after}; {now}"))?;
            return Ok(Outcome::TimedOut);
        };
        match seen {
            Ok(Some(found)) => {
                let state = State::of(&found);
                if let Some(outcome) = verdict(goal, &state) {
                    terminal.print(&format!("{object}: {}", described(&state)))?;
                    return Ok(outcome);
                }
                last = Some(state);
            }
            Ok(None) if last.is_some() => {
                terminal.print(&format!("{object}: was deleted"))?;
                return Ok(Outcome::Failed);
            }
            Ok(None) => {
                return Err(problem::missing(
                    object.kind,
                    &object.name,
                    &cluster.namespace,
                ));
            }
            // A watch that never worked won't; one that did tries again by itself.
            Err(error) if last.is_none() => {
                let request = cluster.request("watch", object.kind, Some(&object.name));
                return Err(request.watch_failed(&error));
            }
            Err(_) => {}
        }
    }
}

fn goal(kind: Kind, asked: Option<Goal>) -> Result<Goal, Problem> {
    match asked {
        None if kind.ends() => Ok(Goal::Ended),
        None => Ok(Goal::Ready),
        Some(goal) if goal == Goal::Ready || kind.ends() => Ok(goal),
        Some(_) => Err(Problem::new(
            format!("a {kind} never ends, so it can only become ready"),
            "wait with --for=ready",
        )),
    }
}

/// How the wait ends, if the state decides it.
fn verdict(goal: Goal, state: &State) -> Option<Outcome> {
    let holds = |kind| state.holds(kind).is_some();
    let (well, badly) = (holds(ConditionType::Complete), holds(ConditionType::Failed));
    let outcome = |good: bool| Some(if good { Outcome::Done } else { Outcome::Failed });
    match goal {
        Goal::Ready if holds(ConditionType::Ready) => outcome(true),
        Goal::Complete | Goal::Ended if well => outcome(true),
        Goal::Failed if well || badly => outcome(badly),
        Goal::Failed => None,
        // Failed runs are Stalled, too; so is what waits for a person, whatever is waited for.
        _ if badly || holds(ConditionType::Stalled) => outcome(false),
        _ => None,
    }
}

fn described(state: &State) -> String {
    let message = stands(&state.conditions)
        .map(|condition| condition.message.as_str())
        .filter(|message| !message.is_empty());
    match message {
        _ if !state.observed => "the operator has not seen its current spec".into(),
        Some(message) => format!("{}: {message}", state.phase),
        None => state.phase.clone(),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use millwright_plan::{
        Reason,
        conditions::{self, Verdict},
    };

    use super::*;

    fn state(verdict: &Verdict) -> State {
        State {
            phase: "x".into(),
            conditions: conditions::set(
                &[],
                verdict,
                Reason::Running,
                "",
                1,
                Timestamp::UNIX_EPOCH,
            ),
            observed: true,
        }
    }

    #[test]
    fn ends_on_either_outcome() {
        use Goal::{Complete, Ended, Failed, Ready};
        use Outcome::{Done, Failed as Not};
        for (verdict_, goals) in [
            (
                Verdict::Complete,
                [
                    (Ready, Some(Done)),
                    (Complete, Some(Done)),
                    (Failed, Some(Not)),
                    (Ended, Some(Done)),
                ],
            ),
            (
                Verdict::Failed,
                [
                    (Ready, Some(Not)),
                    (Complete, Some(Not)),
                    (Failed, Some(Done)),
                    (Ended, Some(Not)),
                ],
            ),
            (
                Verdict::Reconciling,
                [
                    (Ready, None),
                    (Complete, None),
                    (Failed, None),
                    (Ended, None),
                ],
            ),
            (
                Verdict::Waiting,
                [
                    (Ready, None),
                    (Complete, None),
                    (Failed, None),
                    (Ended, None),
                ],
            ),
            (
                Verdict::Stalled,
                [
                    (Ready, Some(Not)),
                    (Complete, Some(Not)),
                    (Failed, None),
                    (Ended, Some(Not)),
                ],
            ),
        ] {
            for (goal, expected) in goals {
                assert_eq!(
                    verdict(goal, &state(&verdict_)),
                    expected,
                    "{verdict_:?} {goal:?}"
                );
            }
        }
        assert_eq!(verdict(Ready, &state(&Verdict::Ready)), Some(Done));
    }

    #[test]
    fn a_status_of_an_older_spec_decides_nothing() {
        let old = State {
            observed: false,
            ..state(&Verdict::Ready)
        };
        assert_eq!(verdict(Goal::Ready, &old), None);
    }

    #[test]
    fn what_lives_on_does_not_end() {
        assert!(goal(Kind::ModelDeployment, Some(Goal::Ended)).is_err());
        assert_eq!(goal(Kind::ModelDeployment, None).unwrap(), Goal::Ready);
        assert_eq!(goal(Kind::TrainingJob, None).unwrap(), Goal::Ended);
    }
}
