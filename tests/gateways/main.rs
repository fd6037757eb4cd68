//! The examples as they stand, behind the gateways they are for, and these gateways with what `okctl gateway` writes: a
//! row for each gateway and request; the manifests for Kubernetes; `okctl doctor` behind the gateways; and stores that
//! rules come from.
//!
//! A gateway that is not installed is left out, and its rows say so; with `CI=true` or `OKGATE_REQUIRE_GATEWAYS=1` they
//! fail instead. `just gateways` installs the gateways into `.gateways/`, where they are found.

mod doctor;
mod example;
mod grpc;
mod kubernetes;
mod rows;
mod stores;
mod written;

use example::{Example, Setup};
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use rows::Row;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

/// An example that is set up for the first row that needs it, and taken down with the last.
struct Shared {
    example: &'static Example,
    setup: OnceLock<Result<Setup, String>>,
}

impl Shared {
    fn setup(&self) -> Result<&Setup, Failed> {
        self.setup.get_or_init(|| Setup::start(self.example)).as_ref().map_err(Failed::from)
    }
}

fn main() -> ExitCode {
    let args = Arguments::from_args();
    let required = ["CI", "OKGATE_REQUIRE_GATEWAYS"]
        .iter()
        .any(|name| std::env::var(name).is_ok_and(|value| value == "true" || value == "1"));
    let mut trials = Vec::new();
    for example in example::EXAMPLES.iter().chain(written::EXAMPLES) {
        let missing = example.missing_program();
        let shared = Arc::new(Shared { example, setup: OnceLock::new() });
        for row in rows::ROWS {
            trials.push(trial(&shared, row, missing, required));
        }
        let closed = move || match missing {
            Some(program) => left_out(program, required),
            None => rows::nothing_passes_without_okgate(example).map(|()| Completion::Completed),
        };
        trials.push(Trial::ignorable_test(
            format!("{}::without okgate nothing passes", example.title()),
            closed,
        ));
    }
    trials.extend(doctor::trials(required));
    trials.push(grpc::trial(required));
    trials.extend(kubernetes::trials(required));
    trials.extend(stores::trials(required));
    libtest_mimic::run(&args, trials).exit_code()
}

fn trial(shared: &Arc<Shared>, row: &'static Row, missing: Option<&'static str>, required: bool) -> Trial {
    let shared = Arc::clone(shared);
    Trial::ignorable_test(format!("{}::{}", shared.example.title(), row.name), move || match missing {
        Some(program) => left_out(program, required),
        None => row.check(shared.setup()?).map(|()| Completion::Completed),
    })
}

fn left_out(program: &str, required: bool) -> Result<Completion, Failed> {
    let why = format!("{program} is not installed");
    if required { Err(why.into()) } else { Ok(Completion::ignored_with(why)) }
}
