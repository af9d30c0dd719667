//! The tables.

use std::collections::BTreeMap;

use millwright_e2e::audit::Request;

use crate::{
    fleet::{Fleet, IDLE},
    storm::{JOBS, Kind, Storm},
};

/// Prints what was measured of storms, beside the plain Jobs of the same run.
pub fn storms(storms: &[Storm]) {
    println!(
        "\n{JOBS} jobs of one pod at once, medians (each run: {})\n",
        runs(storms)
    );
    println!(
        "| | last pod, s | last complete, s | x plain Job | writes per job | Events per job | \
         reads per job | operator RSS, MiB | operator CPU per job, ms | cluster CPU per job, ms |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    let floor = middle(storms, Kind::Plain, |storm| storm.last_complete);
    for kind in Kind::ALL {
        let own: Vec<_> = storms.iter().filter(|storm| storm.kind == kind).collect();
        if own.is_empty() {
            continue;
        }
        let of = |figure: fn(&Storm) -> f64| middle(storms, kind, figure);
        let range = |figure: fn(&Storm) -> f64| {
            let all = own.iter().map(|storm| figure(storm));
            let (low, high) = all.fold((f64::MAX, 0f64), |(a, b), x| (a.min(x), b.max(x)));
            format!("{low:.1}–{high:.1}")
        };
        print!(
            "| {} | {} | {} | {:.2} |",
            kind.title(),
            range(|storm| storm.last_pod),
            range(|storm| storm.last_complete),
            of(|storm| storm.last_complete) / floor
        );
        if kind.is_job() {
            println!(" – | – | – | – | – | {:.0} |", of(Storm::all_cpu));
            continue;
        }
        println!(
            " {:.2} | {:.2} | {:.2} | {:.1} | {:.1} | {:.0} |",
            of(|storm| storm.each(|r| r.is_write() && !r.is_aside())),
            of(|storm| storm.each(|r| r.is_write() && r.resource == "events")),
            of(|storm| storm.each(|r| r.is_read() && !r.is_aside())),
            own.iter().map(|storm| storm.memory).fold(0.0, f64::max),
            of(|storm| storm.operator_cpu),
            of(Storm::all_cpu)
        );
    }
    println!("\nCPU per job by component, ms (last storm of each)\n");
    for kind in Kind::ALL {
        if let Some(storm) = storms.iter().rfind(|storm| storm.kind == kind) {
            let parts = storm.cluster_cpu.iter();
            let parts: Vec<_> = parts.map(|(name, ms)| format!("{name} {ms:.1}")).collect();
            println!("- {}: {}", kind.title(), parts.join(", "));
        }
    }
    for kind in [Kind::Training, Kind::Registered] {
        if let Some(storm) = storms.iter().rfind(|storm| storm.kind == kind) {
            println!(
                "\nRequests of the operator, last storm of: {}",
                kind.title()
            );
            println!("{}", table(&storm.requests));
        }
    }
}

/// Prints what was measured of a fleet at rest.
pub fn fleet(fleet: &Fleet) {
    let total: usize = fleet.objects.iter().map(|(_, count)| count).sum();
    let parts: Vec<_> = fleet
        .objects
        .iter()
        .map(|(kind, count)| format!("{count} {kind}"))
        .collect();
    println!("\n{total} objects at rest: {}\n", parts.join(", "));
    let asked = fleet.requests.iter().filter(|r| !r.is_aside());
    let (watches, asked): (Vec<_>, Vec<_>) = asked.partition(|r| r.verb == "watch");
    println!(
        "idle: {:.1} MiB, of which the program's code {:.1}; {} reads and writes in {} s \
         without the Lease's, {} watches renewed\n",
        fleet.memory,
        fleet.code,
        asked.len(),
        IDLE.as_secs(),
        watches.len()
    );
    println!("| restart | ready, s | quiet, s | reads | writes | RSS, MiB | peak, MiB |");
    println!("|---|---|---|---|---|---|---|");
    for (number, restart) in fleet.restarts.iter().enumerate() {
        let count = |of: fn(&Request) -> bool| {
            let all = restart.requests.iter().filter(|r| !r.is_aside());
            all.filter(|r| of(r)).count()
        };
        let events = restart.requests.iter().filter(|r| r.resource == "events");
        println!(
            "| {} | {:.1} | {:.1} | {} | {} + {} Events | {:.1} | {:.1} |",
            number + 1,
            restart.ready,
            restart.quiet,
            count(Request::is_read),
            count(Request::is_write),
            events.count(),
            restart.memory,
            restart.peak
        );
    }
}

impl Storm {
    fn all_cpu(&self) -> f64 {
        self.cluster_cpu.values().sum()
    }

    fn each(&self, of: fn(&Request) -> bool) -> f64 {
        self.requests.iter().filter(|r| of(r)).count() as f64 / JOBS as f64
    }
}

fn runs(storms: &[Storm]) -> String {
    let one = |storm: &Storm| format!("{:?} {:.1} s", storm.kind, storm.last_complete);
    storms.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn middle(storms: &[Storm], kind: Kind, figure: fn(&Storm) -> f64) -> f64 {
    let own = storms.iter().filter(|storm| storm.kind == kind);
    let mut figures: Vec<f64> = own.map(figure).collect();
    figures.sort_by(f64::total_cmp);
    let last = figures.len().saturating_sub(1);
    let at = |index: usize| figures.get(index).copied().unwrap_or(f64::NAN);
    f64::midpoint(at(last / 2), at(last.div_ceil(2)))
}

/// How often each verb was used on each resource, by the answer.
fn table(requests: &[Request]) -> String {
    let mut counts = BTreeMap::<(&str, &str, u16), usize>::new();
    for request in requests {
        let key = (&*request.resource, &*request.verb, request.code);
        *counts.entry(key).or_default() += 1;
    }
    let line = |((resource, verb, code), count): (&(&str, &str, u16), &usize)| {
        format!("{count:>5}  {verb:<8}  {code}  {resource}")
    };
    counts.iter().map(line).collect::<Vec<_>>().join("\n")
}
