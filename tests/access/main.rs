//! Rights at the page, and its answers to those who mean it ill.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod house;

mod faces;
mod fuzz;
mod hostile;
mod neighbours;
mod openapi;
mod push;
mod rights;
mod sign_in;
mod statistics;
mod tls;
