//! Running tests that share what is expensive to make.

use std::{future::Future, sync::Arc};

use anyhow::{Result, anyhow};
use futures::future::LocalBoxFuture;
use libtest_mimic::{Arguments, Failed, Trial};
use parking_lot::Mutex;
use tokio::{runtime::Runtime, sync::OnceCell};

use crate::cleanup;

/// A test with a name.
pub struct Test<S> {
    name: String,
    body: Box<dyn FnOnce(Arc<S>) -> LocalBoxFuture<'static, Result<()>> + Send>,
}

impl<S: Send + Sync + 'static> Test<S> {
    /// A test with this name.
    pub fn new<F>(name: impl Into<String>, body: impl FnOnce(Arc<S>) -> F + Send + 'static) -> Self
    where
        F: Future<Output = Result<()>> + 'static,
    {
        Self {
            name: name.into(),
            body: Box::new(|shared| Box::pin(body(shared))),
        }
    }
}

/// Runs the tests that the command line selects, at most `threads` side by side unless it says
/// another number, then drops what they shared, and ends the process.
pub fn run<S: Send + Sync + 'static>(threads: usize, shared: S, tests: Vec<Test<S>>) -> ! {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(threads);
    let runtime = match Runtime::new() {
        Ok(runtime) => Arc::new(runtime),
        Err(error) => {
            eprintln!("no asynchronous runtime: {error}");
            std::process::exit(101)
        }
    };
    runtime.spawn(cleanup::watch_signals());
    let shared = Arc::new(shared);
    let failures = Arc::new(Mutex::new(vec![]));
    let trials = tests.into_iter().map(|test| {
        let (runtime, shared, failures) = (runtime.clone(), shared.clone(), failures.clone());
        Trial::test(test.name.clone(), move || {
            let result = runtime.block_on((test.body)(shared));
            result.map_err(|error| {
                let text = tell(&error);
                let first = text.lines().next().unwrap_or_default();
                failures.lock().push(format!("{}: {first}", test.name));
                Failed::from(text)
            })
        })
    });
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    // Again at the end, where everybody looks first: what they say in full is long.
    for failure in failures.lock().iter() {
        eprintln!("{failure}");
    }
    let _entered = runtime.enter();
    drop(shared);
    conclusion.exit()
}

/// An error and its causes, each on lines of its own, without the frames of a backtrace.
fn tell(error: &anyhow::Error) -> String {
    let causes = error.chain().map(ToString::to_string);
    causes.collect::<Vec<_>>().join("\ncaused by: ")
}

/// Something that the first test that needs it makes. When that fails, all who need it fail with the
/// same message.
pub struct Lazy<T>(OnceCell<Result<T, String>>);

impl<T> Default for Lazy<T> {
    fn default() -> Self {
        Self(OnceCell::new())
    }
}

impl<T> Lazy<T> {
    /// The thing, made by `make` if nobody has yet.
    ///
    /// # Errors
    /// When it could not be made.
    pub async fn get(&self, make: impl AsyncFnOnce() -> Result<T>) -> Result<&T> {
        let make = async || make().await.map_err(|error| tell(&error));
        let result = self.0.get_or_init(make).await;
        result.as_ref().map_err(|error| anyhow!(error.clone()))
    }
}
