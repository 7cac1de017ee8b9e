//! How an operating system scales: one operation measured against how many there already are.
//!
//! - [`Probe`] is a value: a question, a method, and a function for each curve. [`probes`] are all of
//!   them; `families` has one file for each subject.
//! - A [`Run`] measures one curve: it owns limits, clock and samples.
//! - `buckets`, `fit` and `words` say what the samples mean; `picture` and `report` show it.
//!
//! Every sample is one real call with all the others alive, never one after another. A call that is
//! refused ends its curve with the reason. Everything made is gone when its curve ends, also when someone
//! interrupts it: descriptors and mappings by ownership, processes by [`sys::process::Children`], files
//! by a folder that is removed, after a kill by the next run.

mod buckets;
mod families;
mod fit;
mod machine;
mod picture;
mod probe;
mod reason;
mod report;
mod results;
mod run;
mod scratch;
mod session;
pub mod sys;
#[cfg(test)]
mod tests;
mod words;

pub use buckets::{Bucket, buckets};
pub use families::{all as probes, http_of_url, own_stack_exchange};
pub use fit::{Growth, fit};
pub use machine::Machine;
pub use picture::{memory, tails, times};
pub use probe::{Counted, Curve, Family, Probe, Resource};
pub use reason::reason;
pub use report::{compared, html};
pub use results::{Findings, Measured, Results, csv};
pub use run::{ALL_TIME_MAX, Found, Run, Sample, Stop, TIME_MAX};
pub use session::Session;
