//! Decisions about retrain_policys.
