//! HTTP: the guarded server, the entry points, the pages.

pub mod access; // who may ask
mod chart; // points as pictures
mod door; // accepting connections
pub mod entrypoint; // which request does what
mod form; // the forms of the setup page
mod guard; // one connection, bounded
mod history; // what the store holds, as an answer
mod message; // a request and its answer
pub mod page; // the pages, as templates show them
mod patient; // the choice of a patient
pub mod registration; // what to enter in the upstreams' forms
pub mod server; // tiny_http behind the guard
mod setup; // the household as the setup page shows it
mod status; // a person as the status page shows them
mod trouble; // what went wrong, in JSON or as a page
