//! Faults between one operator and the API server.
//!
//! A [`Proxy`] stands between the two. Reads and watches pass; each write is counted and put before
//! a [`Rule`], whose [`Verdict`] says what becomes of it.

mod proxy;
mod write;

pub use proxy::Proxy;
pub use write::Write;

/// Decides about each write, in the order in which they come.
pub type Rule = Box<dyn FnMut(&Write) -> Verdict + Send>;

/// What becomes of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It passes, and so does its answer.
    Pass,
    /// The operator is stopped here.
    Stop(Side),
}

/// On which side of a write the operator is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The API server never hears of it.
    Before,
    /// The API server has done it, and the operator never hears of that.
    After,
}

impl std::fmt::Display for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Before => "before",
            Self::After => "after",
        })
    }
}
