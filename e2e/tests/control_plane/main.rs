//! Tests against an API server without a node: what the kinds refuse, what writing twice changes,
//! and what the operator does when the tests play Job controller and kubelet.

mod builders;
mod chart;
mod health;
mod kubelet;
mod operator;
mod rules;
mod world;

use anyhow::Result;
use millwright_e2e::suite;

fn main() -> Result<()> {
    let mut tests = vec![];
    tests.extend(rules::tests()?);
    tests.extend(builders::tests());
    tests.extend(operator::tests());
    tests.extend(health::tests());
    tests.extend(chart::tests());
    suite::run(4, world::World::default(), tests)
}
