//! Who gets in and what they may do, through whole requests.

mod clusters;
mod gate;
mod harness;
mod recorded;
mod tokens;
