//! Objects that nobody should write: each is refused with its field named, or is taken and then says
//! before long how it stands; none of them stops the operator, hangs or keeps it busy.

mod contradict;
mod garbage;
mod judge;
mod mutate;
mod random;
pub mod refused;
mod surroundings;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use futures::{StreamExt, stream};
use k8s_openapi::api::batch::v1::Job;
use kube::{
    Api, Client, ResourceExt,
    api::ListParams,
    core::{ApiResource, DynamicObject},
};
use millwright_crds::LABEL_OWNER;
use millwright_e2e::{
    apply,
    audit::{AuditLog, Request, table},
    suite::Test,
    wait::{never, wait_for},
};
use serde_json::Value;

use self::{
    judge::{Standing, describe, is_named, judge},
    mutate::{Change, Mutant, mutate},
    random::Random,
};
use crate::world::{Managed, World, resource};

/// What the mutations follow from, unless `MILLWRIGHT_MUTATION_SEED` says something else.
const SEED: u64 = 2_013;
/// Mutations of each example.
const MUTATIONS: usize = 200;
/// Requests side by side.
const IN_FLIGHT: usize = 16;
/// Longest time until an object says how it stands.
const SETTLED: Duration = Duration::from_secs(90);
/// Most requests of the operator for one object, Events included.
const REQUESTS: usize = 30;
/// How long the operator must ask for nothing at the end.
const REST: Duration = Duration::from_secs(4);

/// The tests of bad objects.
pub fn tests() -> Vec<Test<World>> {
    macro_rules! test {
        ($($part:ident)::+) => {
            Test::new(
                concat!("objects", $("::", stringify!($part)),+),
                |world: Arc<World>| async move { $($part)::+(&world).await },
            )
        };
    }
    vec![
        test!(mutations),
        test!(refused::pods),
        test!(refused::jobs),
        test!(refused::nodes),
        test!(refused::depth),
    ]
}

/// An example and the namespace for its mutations.
struct Example {
    valid: Value,
    namespace: String,
    resource: ApiResource,
}

/// A mutation that the API server took.
struct Taken {
    example: usize,
    name: String,
    mutant: Mutant,
}

async fn mutations(world: &World) -> Result<()> {
    let managed = world.still().await?;
    let client = managed.cluster.client();
    let log = AuditLog::from_now(&managed.cluster.audit_log())?;
    let (examples, seed) = (examples()?, seed()?);
    for example in &examples {
        surroundings::make(client, &example.namespace).await?;
    }
    let begun = Instant::now();
    let answers: Vec<Result<Answer, String>> = stream::iter(cases(&examples, seed))
        .map(|taken| send(client, &examples, taken))
        .buffer_unordered(IN_FLIGHT)
        .collect()
        .await;
    let count = answers.len();
    let (mut taken, mut wrong, mut refused, mut exactly) = (vec![], vec![], 0, 0);
    for answer in answers {
        match answer {
            Ok(Answer::Taken(one)) => taken.push(*one),
            Ok(Answer::Refused(exact)) => {
                refused += 1;
                exactly += usize::from(exact);
            }
            Err(text) => wrong.push(text),
        }
    }
    let sent = begun.elapsed();

    let standings = settle(client, &examples, &taken).await?;
    let mut counts = BTreeMap::<String, usize>::new();
    for (standing, text) in standings {
        match standing {
            Standing::Wrong(_) => wrong.push(text),
            standing => *counts.entry(format!("{standing:?}")).or_default() += 1,
        }
    }
    eprintln!(
        "seed {seed}: {count} mutations of {} examples: {refused} refused \
         ({exactly} name the very field that was changed), {counts:?}, {} wrong; sent in {:.1} s, settled after {:.1} s",
        examples.len(),
        wrong.len(),
        sent.as_secs_f64(),
        begun.elapsed().as_secs_f64()
    );
    ensure!(
        wrong.is_empty(),
        "{} are wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    ensure!(
        exactly * 100 >= refused * 95,
        "only {exactly} of {refused} refusals name the field that was changed"
    );
    is_alive(managed).await?;
    comes_to_rest(managed).await?;
    few_requests(managed, &log)
}

fn seed() -> Result<u64> {
    match std::env::var("MILLWRIGHT_MUTATION_SEED") {
        Ok(seed) => seed
            .parse()
            .context("MILLWRIGHT_MUTATION_SEED is no number"),
        Err(_) => Ok(SEED),
    }
}

/// The objects of our kinds in the examples and among the valid manifests.
fn examples() -> Result<Vec<Example>> {
    let folder = millwright_e2e::machine::repository().join("examples/flights");
    let mut documents = vec![];
    let mut paths: Vec<_> = std::fs::read_dir(&folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    paths.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "yaml")
    });
    paths.sort();
    for path in paths {
        documents.extend(apply::read(&path)?);
    }
    for manifest in crate::rules::VALID {
        documents.extend(apply::parse(manifest)?);
    }
    documents.retain(|document| document["apiVersion"] == "millwright.dev/v1alpha1");
    let example = |(index, mut valid): (usize, Value)| -> Result<Example> {
        let kind = valid["kind"].as_str().context("no kind")?.to_owned();
        if let Some(fields) = valid.as_object_mut() {
            fields.remove("status");
        }
        Ok(Example {
            namespace: format!("objects-{index}"),
            resource: resource(&kind),
            valid,
        })
    };
    documents.into_iter().enumerate().map(example).collect()
}

/// What the API server said of a mutation.
enum Answer {
    /// It was refused; whether with the field that was changed, and not with another that is wrong
    /// because of it.
    Refused(bool),
    /// It was taken.
    Taken(Box<Taken>),
}

/// All mutations, named apart.
fn cases(examples: &[Example], seed: u64) -> Vec<Taken> {
    let mut random = Random::new(seed);
    let mut cases = vec![];
    for number in 0..MUTATIONS {
        for (example, Example { valid, .. }) in examples.iter().enumerate() {
            let mut valid = valid.clone();
            let name = if valid["kind"] == "ModelVersion" {
                valid["spec"]["version"] = (number + 100).into();
                format!(
                    "{}-v{}",
                    valid["spec"]["model"].as_str().unwrap_or_default(),
                    number + 100
                )
            } else {
                format!("x{number:04}")
            };
            valid["metadata"]["name"] = name.clone().into();
            let mutant = mutate(&valid, &mut random);
            cases.push(Taken {
                example,
                name,
                mutant,
            });
        }
    }
    cases
}

/// Creates a mutation; an error when it was refused otherwise than it should.
async fn send(client: &Client, examples: &[Example], case: Taken) -> Result<Answer, String> {
    let Example {
        namespace,
        resource,
        ..
    } = &examples[case.example];
    let api = apply::api(client, Some(namespace), resource);
    let changes = &case.mutant.changes;
    match apply::create_strictly(&api, &case.mutant.object).await {
        Ok(_) => Ok(Answer::Taken(Box::new(case))),
        Err(kube::Error::Api(status)) => {
            if matches!(status.code, 400 | 422) && is_named(&status.message, changes) {
                let exact = |change: &Change| status.message.contains(&change.field);
                return Ok(Answer::Refused(changes.iter().any(exact)));
            }
            let message: String = status.message.chars().take(300).collect();
            Err(format!(
                "{} {changes:?}: HTTP {}: {message}",
                resource.kind, status.code
            ))
        }
        Err(error) => Err(format!("{} {changes:?}: {error}", resource.kind)),
    }
}

/// Waits until every object says how it stands.
async fn settle(
    client: &Client,
    examples: &[Example],
    taken: &[Taken],
) -> Result<Vec<(Standing, String)>> {
    let start = Instant::now();
    loop {
        let mut standings = vec![];
        for (index, example) in examples.iter().enumerate() {
            let (namespace, none) = (&example.namespace, ListParams::default());
            let api = apply::api(client, Some(namespace), &example.resource);
            let objects: BTreeMap<String, DynamicObject> = api
                .list(&none)
                .await?
                .into_iter()
                .map(|object| (object.name_any(), object))
                .collect();
            let jobs = Api::<Job>::namespaced(client.clone(), namespace);
            let owners: BTreeSet<String> = jobs
                .list_metadata(&none)
                .await?
                .iter()
                .filter_map(|job| job.labels().get(LABEL_OWNER).cloned())
                .collect();
            for one in taken.iter().filter(|one| one.example == index) {
                let Some(object) = objects.get(&one.name) else {
                    bail!("{} {} is gone", example.resource.kind, one.name);
                };
                let at_work = object.uid().is_some_and(|uid| owners.contains(&uid));
                let standing = judge(object, &one.mutant.changes, at_work);
                let text = describe(object, &one.mutant.changes, &standing);
                standings.push((standing, text));
            }
        }
        let waits = standings
            .iter()
            .any(|(standing, _)| matches!(standing, Standing::Wrong(_)));
        if !waits || start.elapsed() >= SETTLED {
            return Ok(standings);
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// The process is the one that was started, and nothing in it has panicked.
async fn is_alive(managed: &Managed) -> Result<()> {
    managed.operator.memory()?;
    let log = managed.operator.log_tail(usize::MAX).await;
    let panicked = log.lines().find(|line| line.contains("panicked"));
    ensure!(panicked.is_none(), "the operator panicked: {panicked:?}");
    Ok(())
}

async fn comes_to_rest(managed: &Managed) -> Result<()> {
    let mut log = AuditLog::from_now(&managed.cluster.audit_log())?;
    let quiet = async || {
        log = AuditLog::from_now(&managed.cluster.audit_log())?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        Ok(requests(managed, &log)?.is_empty().then_some(()))
    };
    let explain = async || managed.operator.log_tail(25).await;
    wait_for("the operator rests", SETTLED, quiet, explain).await?;
    let log = AuditLog::from_now(&managed.cluster.audit_log())?;
    never("the operator asked for something", REST, async || {
        let requests = requests(managed, &log)?;
        Ok((!requests.is_empty()).then(|| table(&requests)))
    })
    .await
}

/// The operator's requests but for the election.
fn requests(managed: &Managed, log: &AuditLog) -> Result<Vec<Request>> {
    let mut requests = log.of_user(managed.operator.user())?;
    requests.retain(|request| request.resource != "leases");
    Ok(requests)
}

fn few_requests(managed: &Managed, log: &AuditLog) -> Result<()> {
    let mut counts = BTreeMap::<(String, String), Vec<Request>>::new();
    for request in requests(managed, log)? {
        let name = &request.name;
        let own = name.starts_with('x') && name.len() >= 5 && name.is_char_boundary(5);
        let end = if own {
            5
        } else {
            name.find('.').unwrap_or(name.len())
        };
        let key = (request.namespace.clone(), name[..end].to_owned());
        // What surrounds the mutations concerns all of them.
        if own || key.1.starts_with("delay-v") {
            counts.entry(key).or_default().push(request);
        }
    }
    let Some(((namespace, name), most)) = counts.iter().max_by_key(|(_, list)| list.len()) else {
        bail!("the operator asked for nothing at all");
    };
    eprintln!(
        "the operator made at most {} requests for one object ({namespace}/{name})",
        most.len()
    );
    ensure!(
        most.len() < REQUESTS,
        "{} requests for {namespace}/{name}:\n{}",
        most.len(),
        table(most)
    );
    Ok(())
}
