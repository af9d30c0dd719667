//! Who wrote when, as the audit log has it.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use millwright_e2e::audit::{Request, table};

/// Whether this is a write by a replica that was done, other than of the Lease.
pub fn is_write_of(request: &Request, replica: &str) -> bool {
    replica_of(request) == Some(replica)
        && request.is_write()
        && request.succeeded()
        && request.resource != "leases"
}

/// Fails unless these replicas wrote in this order, each only while it was the one: nothing that a
/// replica asked for was done when the next had begun to write, and nothing of it after.
pub fn one_after_the_other(requests: &[Request], replicas: &[&str]) -> Result<()> {
    let mut writes: Vec<&Request> = requests
        .iter()
        .filter(|r| replica_of(r).is_some_and(|name| is_write_of(r, name)))
        .collect();
    writes.sort_by_key(|write| write.received);
    let mut turns: Vec<Vec<&Request>> = vec![];
    for write in writes {
        match turns.last_mut() {
            Some(turn) if replica_of(turn[0]) == replica_of(write) => turn.push(write),
            _ => turns.push(vec![write]),
        }
    }
    let order: Vec<_> = turns
        .iter()
        .filter_map(|turn| replica_of(turn[0]))
        .collect();
    ensure!(order == replicas, "{order:?} wrote one after the other");
    for (turn, next) in turns.iter().zip(&turns[1..]) {
        let late = turn.iter().find(|write| write.answered > next[0].received);
        ensure!(
            late.is_none(),
            "still under way when {} wrote: {late:?}",
            next[0].agent
        );
    }
    for (turn, name) in turns.iter().zip(replicas) {
        let count = turn.len();
        eprintln!("{name}: {count} writes\n{}", table(turn.iter().copied()));
    }
    let refused = requests
        .iter()
        .filter(|r| replica_of(r).is_some() && r.is_write() && !r.succeeded());
    eprintln!("writes that were refused:\n{}", table(refused));
    Ok(())
}

/// Fails unless this many objects of a kind were created by the replicas, each once.
pub fn once(requests: &[Request], resource: &str, count: usize) -> Result<()> {
    let mut created = BTreeMap::<&str, usize>::new();
    for request in requests {
        if replica_of(request).is_some_and(|name| is_write_of(request, name))
            && request.verb == "create"
            && request.resource == resource
        {
            *created.entry(&request.name).or_default() += 1;
        }
    }
    let twice: Vec<_> = created.iter().filter(|(_, times)| **times > 1).collect();
    ensure!(
        twice.is_empty(),
        "{resource} created more than once: {twice:?}"
    );
    ensure!(
        created.len() == count,
        "{} {resource} were created, not {count}",
        created.len()
    );
    Ok(())
}

/// The pod in the user agent of the operator: `millwright-operator/VERSION (POD)`.
fn replica_of(request: &Request) -> Option<&str> {
    let agent = request.agent.strip_prefix("millwright-operator/")?;
    agent.split_once(" (")?.1.strip_suffix(')')
}
