//! Who gets in and what they may do, through whole requests.

mod advisories;
mod clusters;
mod gate;
mod harness;
mod recorded;
mod tokens;
