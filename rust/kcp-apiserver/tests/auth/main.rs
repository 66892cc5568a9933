//! Who gets in and what they may do, through whole requests.

mod clusters;
mod harness;
mod recorded;
mod tokens;
