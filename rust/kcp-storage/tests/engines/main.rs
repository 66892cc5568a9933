//! All engines over one suite, the embedded one against the model, and what happens when things break.

mod counts;
mod embedded;
mod faults;
mod kill;
mod memory;
mod model;
mod races;
mod suite;
