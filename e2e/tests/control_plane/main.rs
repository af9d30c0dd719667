//! Tests against an API server without a node: what the kinds refuse, what writing twice changes,
//! what the operator does when the tests play the kubelet, what a crash of it leaves, and what happens
//! to it when others fail.

mod availability;
mod builders;
mod chart;
mod commands;
mod crash;
mod health;
mod kubelet;
mod objects;
mod operator;
mod rules;
mod world;

use anyhow::Result;
use millwright_e2e::suite;

fn main() -> Result<()> {
    // The longest first: they mostly wait. The crashes last: they are many side by side, and the
    // others would wait for the processor.
    let mut tests = availability::tests();
    tests.extend(rules::tests()?);
    tests.extend(builders::tests());
    tests.extend(operator::tests());
    tests.extend(objects::tests());
    tests.extend(health::tests());
    tests.extend(chart::tests());
    tests.extend(crash::tests());
    suite::run(6, world::World::default(), tests)
}
