//! The gates of a stage, in order: the next is checked when the one before has let the version in.

mod evaluation;
pub(super) mod test;

use millwright_crds::{
    ModelVersion,
    model_deployment::{CurrentStageVersion, Gate, GateState, GateStatus, Stage},
};

use super::{target::Version, text::cut};
use crate::{Operation, Reason};

/// What gates are checked against.
pub(super) struct Case<'a> {
    /// The versions of the model.
    pub versions: &'a [ModelVersion],
    /// The version that asks to enter.
    pub candidate: &'a Version,
    /// The version that the stage serves.
    pub current: Option<&'a CurrentStageVersion>,
    /// What is known of tests.
    pub tests: test::Tests<'a>,
    /// The version that `spec.model.version` asks for, if it does.
    pub pinned: Option<u32>,
}

impl Case<'_> {
    /// Whether a person has asked for this version in the place of a newer one.
    fn goes_back(&self) -> bool {
        let number = self.candidate.number;
        self.pinned == Some(number) && self.current.is_some_and(|current| current.version > number)
    }

    /// Whether the stage serves this very version, so that only its pods change.
    fn already_in(&self) -> bool {
        self.current
            .is_some_and(|current| Version::serving(current) == *self.candidate)
    }
}

/// What a gate says.
#[derive(Clone, Debug, PartialEq)]
struct Judgement {
    state: GateState,
    reason: Reason,
    message: String,
    value: Option<f64>,
}

impl Judgement {
    fn pending(message: impl Into<String>) -> Self {
        Self {
            state: GateState::Pending,
            reason: Reason::Gating,
            message: message.into(),
            value: None,
        }
    }

    fn passed(message: impl Into<String>) -> Self {
        Self {
            state: GateState::Passed,
            reason: Reason::GatePassed,
            message: message.into(),
            value: None,
        }
    }

    fn failed(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            state: GateState::Failed,
            reason,
            message: message.into(),
            value: None,
        }
    }

    fn of(self, gate: &Gate) -> GateStatus {
        GateStatus {
            name: gate.name.clone(),
            state: self.state,
            reason: self.reason.as_str().into(),
            message: cut(&self.message),
            value: self.value.filter(|value| value.is_finite()),
        }
    }
}

/// How the gates stand, and the test to start. What was decided before stays decided.
pub(super) fn check(
    stage: &Stage,
    before: &[GateStatus],
    case: &Case<'_>,
) -> (Vec<GateStatus>, Option<Operation>) {
    let mut operation = None;
    let mut open = None;
    let mut statuses = vec![];
    for gate in &stage.gates {
        if let Some(name) = open {
            let wait = Judgement::pending(format!("waits for gate {name}"));
            statuses.push(wait.of(gate));
            continue;
        }
        let known = before
            .iter()
            .find(|status| status.name == gate.name && status.state != GateState::Pending);
        let status = if let Some(known) = known {
            known.clone()
        } else if let Some(bounds) = &gate.evaluation {
            evaluation::judge(bounds, case).of(gate)
        } else {
            let (judgement, start) = case.tests.judge(stage, gate, case.candidate);
            operation = operation.or(start);
            judgement.of(gate)
        };
        if status.state != GateState::Passed {
            open = Some(&gate.name);
        }
        statuses.push(status);
    }
    (statuses, operation)
}

/// The gate that refuses.
pub(super) fn refusal(gates: &[GateStatus]) -> Option<&GateStatus> {
    gates.iter().find(|gate| gate.state == GateState::Failed)
}

/// The gate that is being checked.
pub(super) fn open(gates: &[GateStatus]) -> Option<&GateStatus> {
    gates.iter().find(|gate| gate.state == GateState::Pending)
}
