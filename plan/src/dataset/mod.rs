//! Decisions about datasets.
