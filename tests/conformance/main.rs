//! What ORY Oathkeeper answers, asked of okgate: a row for each recorded case.
//!
//! The suites are data; README.md beside this file says how they are written and how to run some of them. The rows of
//! a suite share one start of the server and are asked one after another; suites run two at a time.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test ends by failing, and says so"
)]

mod calls;
mod check;
mod jwt;
mod lists;
mod placeholder;
mod run;
mod server;
mod suite;

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use lists::List;
use run::Outcome;
use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use suite::Suite;

/// Suites that run at the same time.
const SUITES_AT_ONCE: usize = 2;

/// Outcomes as they come, for the rows that wait for them.
#[derive(Default)]
struct Outcomes {
    by_row: Mutex<HashMap<String, Outcome>>,
    more: Condvar,
}

impl Outcomes {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Outcome>> {
        self.by_row.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, row: String, outcome: Outcome) {
        self.lock().insert(row, outcome);
        self.more.notify_all();
    }

    fn wait_for(&self, row: &str) -> Outcome {
        let mut by_row = self.lock();
        loop {
            if let Some(outcome) = by_row.remove(row) {
                return outcome;
            }
            by_row = self.more.wait(by_row).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// How many rows ended in which way that a summary line cannot show.
#[derive(Default)]
struct Tally {
    departs: AtomicUsize,
    listed: AtomicUsize,
}

fn main() -> ExitCode {
    let mut args = Arguments::from_args();
    let at_once = args.test_threads.unwrap_or(SUITES_AT_ONCE);
    args.test_threads = Some(1); // rows only wait for outcomes, in order
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let read = || {
        Ok((
            suite::load(&folder.join("suites"))?,
            List::read(&folder.join("departures.txt"), false)?,
            List::read(&folder.join("pending.txt"), true)?,
        ))
    };
    let (suites, departures, pending) = match read() {
        Ok(all) => all,
        Err::<_, String>(why) => {
            eprintln!("{why}");
            return ExitCode::FAILURE;
        }
    };
    let outcomes = Arc::new(Outcomes::default());
    let tally = Arc::new(Tally::default());
    let all_rows: Vec<String> = suites.iter().flat_map(Suite::rows).collect();
    let stale = [departures.stale(&all_rows), pending.stale(&all_rows)].concat();
    let mut trials = self_checks(stale);
    let mut waited_for = HashSet::new();
    for row in all_rows {
        let reason = pending.reason(&row).map(str::to_owned);
        let is_pending = reason.is_some();
        if let Some(reason) = reason.filter(|_| !args.include_ignored && !args.ignored) {
            trials.push(Trial::ignorable_test(row, move || Ok(Completion::ignored_with(reason))));
            continue;
        }
        let listed = departures.reason(&row).map(str::to_owned);
        let (outcomes, tally, name) = (Arc::clone(&outcomes), Arc::clone(&tally), row.clone());
        let trial = Trial::test(row.clone(), move || judge(outcomes.wait_for(&name), listed, &tally));
        let trial = trial.with_ignored_flag(is_pending);
        if !args.list && !args.is_filtered_out(&trial) && !args.is_ignored(&trial) {
            waited_for.insert(row);
        }
        trials.push(trial);
    }
    let next = AtomicUsize::new(0);
    let conclusion = std::thread::scope(|scope| {
        for _ in 0..at_once.max(1) {
            scope.spawn(|| {
                while let Some(suite) = suites.get(next.fetch_add(1, Ordering::Relaxed)) {
                    run_suite(suite, &waited_for, &outcomes);
                }
            });
        }
        libtest_mimic::run(&args, trials)
    });
    let [departs, listed] = [&tally.departs, &tally.listed].map(|n| n.load(Ordering::Relaxed));
    if departs + listed > 0 {
        eprintln!(
            "of those passed, {departs} answer as their own departure allows, {listed} as departures.txt says\n"
        );
    }
    conclusion.exit_code()
}

/// Runs the rows of a suite that are waited for; whatever happens, each gets its outcome.
fn run_suite(suite: &Suite, waited_for: &HashSet<String>, outcomes: &Outcomes) {
    let rows: Vec<String> = suite.rows().into_iter().filter(|row| waited_for.contains(row)).collect();
    if rows.is_empty() {
        return;
    }
    let told = Mutex::new(HashSet::new());
    let tell = |row: String, outcome: Outcome| {
        told.lock().unwrap_or_else(PoisonError::into_inner).insert(row.clone());
        outcomes.tell(row, outcome);
    };
    let ran = catch_unwind(AssertUnwindSafe(|| run::run(suite, &|row| waited_for.contains(row), &tell)));
    let why = if ran.is_ok() { "the suite ended before this row" } else { "the runner panicked" };
    let told = told.into_inner().unwrap_or_else(PoisonError::into_inner);
    for row in rows.into_iter().filter(|row| !told.contains(row)) {
        outcomes.tell(row, Outcome::Fails(why.to_owned()));
    }
}

fn judge(outcome: Outcome, listed: Option<String>, tally: &Tally) -> Result<(), Failed> {
    match (outcome, listed) {
        (Outcome::AsRecorded, None) => Ok(()),
        (Outcome::Departs, None) => {
            tally.departs.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }
        (Outcome::Fails(_), Some(_)) => {
            tally.listed.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }
        (Outcome::Fails(why), None) => Err(why.into()),
        (_, Some(reason)) => {
            Err(format!("passes, so that its line in departures.txt is to go: {reason}").into())
        }
    }
}

/// Rows about the runner itself.
fn self_checks(stale: Vec<String>) -> Vec<Trial> {
    let checks = [placeholder::self_checks(), jwt::self_checks(), check::self_checks(), lists::self_checks()];
    let mut trials: Vec<Trial> = checks
        .into_iter()
        .flatten()
        .map(|(name, check)| {
            Trial::test(format!("runner::{name}"), move || {
                check();
                Ok(())
            })
        })
        .collect();
    trials.push(Trial::test("runner::every line of the lists names a row", move || {
        if stale.is_empty() { Ok(()) } else { Err(stale.join("\n").into()) }
    }));
    trials
}
