//! Metrics: what is counted while requests are answered, and the text that Prometheus reads.
//!
//! Counting must cost a decision next to nothing. Each worker writes to a [`Tally`] of its own with plain loads and
//! stores, and whoever reads adds the tallies up. Which combination of labels a request belongs to is looked up in a
//! table that is the same for all workers ([`labels`]), immutable, and replaced only when a combination is new. It is
//! bounded, whatever is asked: what does not fit counts as `other`. What threads share anyway counts with [`Counter`].
//!
//! What is not here: numbers that something else knows, such as how many rules there are. The listener asks for them
//! when it is asked (`server::metrics`).

mod counter;
pub mod labels;
pub mod process;
mod tally;
pub mod text;

use std::sync::{Arc, Mutex, PoisonError};

pub use self::counter::Counter;
use self::labels::{Labels, Paths, Service};
pub use self::tally::{BOUNDS, OUTCOMES, Running, Series, Tally, Total};
use crate::gateway::DIALECT_IDS;

/// What all workers count.
pub struct Metrics {
    labels: Labels,
    tallies: Mutex<Vec<Arc<Tally>>>,
}

impl Metrics {
    /// Nothing counted yet. `known`: paths that are asked for by who is meant to ask, which are told apart whatever
    /// others ask for.
    pub fn new<'k>(paths: Paths, known: impl IntoIterator<Item = &'k str>) -> Arc<Self> {
        Arc::new(Self { labels: Labels::new(paths, known), tallies: Mutex::default() })
    }

    /// What one more worker counts with, on one thread.
    pub fn tally(self: &Arc<Self>) -> Arc<Tally> {
        let tally = Arc::new(Tally::new(Arc::clone(self)));
        self.tallies.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&tally));
        tally
    }

    /// What was counted under each combination of labels, in the order in which they came up.
    pub fn requests(&self) -> Vec<(labels::Named, Total)> {
        let tallies = self.tallies();
        let named = self.labels.all();
        let totals = named.into_iter().enumerate().map(|(id, named)| {
            let mut total = Total::default();
            tallies.iter().filter_map(|tally| tally.series(id)).for_each(|series| total.add(series));
            (named, total)
        });
        totals.filter(|(_, total)| total.count() > 0).collect()
    }

    /// How many requests are being answered.
    pub fn running(&self, service: Service) -> u64 {
        // Those that ended first: one that begins and ends in between must not make a difference below zero.
        let tallies = self.tallies();
        let ended: u64 = tallies.iter().map(|tally| tally.ended(service)).sum();
        let begun: u64 = tallies.iter().map(|tally| tally.begun(service)).sum();
        begun.saturating_sub(ended)
    }

    /// Decisions by dialect and outcome, both by name.
    pub fn decisions(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        let tallies = self.tallies();
        DIALECT_IDS.iter().enumerate().flat_map(move |(dialect, id)| {
            let tallies = tallies.clone();
            OUTCOMES.iter().enumerate().map(move |(outcome, name)| {
                let count = tallies.iter().map(|tally| tally.decided(dialect, outcome)).sum();
                (*id, *name, count)
            })
        })
    }

    fn tallies(&self) -> Vec<Arc<Tally>> {
        self.tallies.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests;
