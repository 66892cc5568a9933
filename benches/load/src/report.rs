//! What a run found.

use serde::Serialize;
use std::time::Duration;

/// One run's figures.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Which operation.
    pub mode: String,
    /// Operations that succeeded in the measured time (for `watch`: events delivered).
    pub operations: u64,
    /// Operations that did not.
    pub errors: u64,
    /// The measured time.
    pub seconds: f64,
    /// Operations per second.
    pub rate: f64,
    /// Bytes of answers per operation.
    pub bytes_per_operation: f64,
    /// Latency in microseconds at the median, the 99th percentile and the 99.9th.
    pub p50_us: u64,
    /// See `p50_us`.
    pub p99_us: u64,
    /// See `p50_us`.
    pub p999_us: u64,
    /// The first error, for a person to read.
    pub first_error: Option<String>,
}

/// What one worker saw.
#[derive(Default)]
pub struct Tally {
    /// Latency of every operation that succeeded, microseconds.
    pub latencies: Vec<u32>,
    /// Bytes of answers.
    pub bytes: u64,
    /// Operations that did not succeed.
    pub errors: u64,
    /// The first error.
    pub first_error: Option<String>,
}

impl Tally {
    /// Counts an operation that did not succeed.
    pub fn fail(&mut self, error: impl Into<String>) {
        self.errors += 1;
        self.first_error.get_or_insert_with(|| error.into());
    }
}

impl Report {
    /// Adds up what the workers saw.
    pub fn of(mode: &str, elapsed: Duration, tallies: Vec<Tally>) -> Self {
        let mut latencies: Vec<u32> = Vec::new();
        let (mut bytes, mut errors, mut first_error) = (0, 0, None);
        for tally in tallies {
            latencies.extend(tally.latencies);
            bytes += tally.bytes;
            errors += tally.errors;
            first_error = first_error.or(tally.first_error);
        }
        latencies.sort_unstable();
        let at = |share: f64| {
            let index = ((latencies.len() as f64 * share) as usize).min(latencies.len().saturating_sub(1));
            u64::from(latencies.get(index).copied().unwrap_or_default())
        };
        let operations = latencies.len() as u64;
        Self {
            mode: mode.to_owned(),
            operations,
            errors,
            seconds: elapsed.as_secs_f64(),
            rate: operations as f64 / elapsed.as_secs_f64(),
            bytes_per_operation: bytes as f64 / (operations.max(1)) as f64,
            p50_us: at(0.5),
            p99_us: at(0.99),
            p999_us: at(0.999),
            first_error,
        }
    }

    /// The report as one line of JSON.
    pub fn to_json(&self) -> Result<String, String> {
        serde_json::to_string(self).map_err(|error| error.to_string())
    }
}
