//! The roles with an artifact store, and a source, in a real object store: versitygw, as a process
//! of each test.

mod broken;
mod proxy;
mod refused;
mod server;
mod whole;
