//! Decisions about training_jobs.
