//! Decisions about Models.
