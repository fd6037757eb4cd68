//! `okctl doctor`: probes that go through a running gateway, and what their answers say about it.
//!
//! The [`Oracle`] works out what okgate decides about a probe, with the server's own code. [`wire`]
//! sends it, untidy paths and all; the [`Echo`] upstream sees whether and how it passes. A check
//! compares these. What a check cannot see is told as not checked, never as good.

mod asking;
pub mod cases;
mod claims;
mod echo;
mod finding;
mod help;
mod identity;
mod oracle;
mod paths;
pub mod print;
pub mod server;
pub mod wire;

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::io::{self, ErrorKind};

use indicatif::{ProgressBar, ProgressStyle};
use okgate::diagnostic::Severity;

pub use echo::Echo;
pub use finding::{Check, Code, Finding, Outcome};
pub use oracle::Oracle;
pub use wire::{Settings, Wire};

use crate::gateway::Gateway;
use cases::Cases;
use echo::{PROBE, Seen};
use finding::{merged, verdict};
use wire::{Answer, Request};

/// Everything that checks need.
pub struct Doctor {
    /// The gateway.
    pub wire: Wire,
    /// What sees what it passes on.
    pub echo: Option<Echo>,
    /// What okgate decides, where its configuration is known.
    pub oracle: Option<Oracle>,
    /// Which gateway it is, where that is known.
    pub gateway: Option<Gateway>,
    /// Makes the probes of this run their own.
    pub nonce: String,
    /// Whether a probe has reached [`echo`](Self::echo), as far as is known.
    sees: Cell<bool>,
    /// Whether paths arrive otherwise than they were sent.
    rewrites: Cell<bool>,
    /// What passes although okgate refuses it.
    open: RefCell<HashSet<String>>,
    sent: Cell<usize>,
    progress: RefCell<Option<ProgressBar>>,
}

/// What came of a probe.
pub struct Observed {
    /// The answer; none where the gateway closed the connection instead.
    pub answer: Option<Answer>,
    /// The probe as the upstream saw it.
    pub arrived: Option<Seen>,
}

impl Observed {
    /// Whether the request got past the gateway: it was seen behind it, or its answer is a success.
    pub fn passed(&self) -> bool {
        self.arrived.is_some() || self.status().is_some_and(|status| (200..300).contains(&status))
    }

    /// The status of the answer.
    pub fn status(&self) -> Option<u16> {
        self.answer.as_ref().map(|answer| answer.status)
    }

    /// A header of the answer, by its lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.answer.as_ref().and_then(|answer| answer.header(name))
    }

    /// The answer in a word.
    pub fn said(&self) -> String {
        self.status().map_or_else(|| "a closed connection".to_owned(), |status| status.to_string())
    }
}

impl Doctor {
    /// Nothing is sent yet.
    pub fn new(wire: Wire, echo: Option<Echo>, nonce: String) -> Self {
        Self {
            wire,
            echo,
            oracle: None,
            gateway: None,
            nonce,
            sees: Cell::new(false),
            rewrites: Cell::new(false),
            open: RefCell::default(),
            sent: Cell::new(0),
            progress: RefCell::new(None),
        }
    }

    /// Sends a probe. An error where the gateway cannot be reached or does not answer in time.
    pub fn send(&self, request: &Request) -> Result<Observed, String> {
        self.sent.set(self.sent.get() + 1);
        if let Some(progress) = self.progress.borrow().as_ref() {
            progress.inc(1);
        }
        let id = format!("{}-{}", self.nonce, self.sent.get());
        let sent = self.wire.send(&request.clone().with(PROBE, &id));
        let arrived = self.echo.as_ref().and_then(|echo| echo.take(&id));
        if arrived.is_some() {
            self.sees.set(true);
        }
        match sent {
            Ok((answer, _)) => Ok(Observed { answer: Some(answer), arrived }),
            Err(error) if closed(&error) => Ok(Observed { answer: None, arrived }),
            Err(error) => Err(format!("no answer to {}: {error}", shown(request))),
        }
    }

    /// Whether what passes is seen behind the gateway.
    pub fn sees(&self) -> bool {
        self.sees.get()
    }

    /// A finding with the help for this gateway.
    pub fn finding(&self, severity: Severity, code: Code, message: String, request: &Request) -> Finding {
        let help = help::help(code, self.gateway).to_owned();
        Finding { severity, code, message, sent: shown(request), help, more: 0 }
    }

    /// Runs every check. The first one that makes the others meaningless ends it.
    pub fn run(&self, cases: &Cases) -> Vec<Check> {
        let all: [(&'static str, Look); 10] = [
            ("asks-okgate", asking::asks_okgate),
            ("lets-through", asking::lets_through),
            ("statuses", asking::statuses),
            ("method", asking::method),
            ("url", paths::url),
            ("path-escapes", paths::escapes),
            ("forwarded-headers", claims::forwarded),
            ("identity-headers", identity::spoofed),
            ("identity-arrives", identity::arrives),
            ("large-headers", asking::large_headers),
        ];
        let progress = ProgressBar::new_spinner();
        let style = ProgressStyle::with_template("{spinner} {msg}: {pos} probes ({elapsed})");
        progress.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        *self.progress.borrow_mut() = Some(progress.clone());
        let mut checks = Vec::new();
        let mut over: Option<Code> = None;
        for (id, check) in all {
            progress.set_message(id);
            let outcome = match over {
                Some(why) => Outcome::NotChecked(format!("{}: that comes first", why.id())),
                None => check(self, cases).unwrap_or_else(Outcome::Failed),
            };
            if let Outcome::Bad(findings) = &outcome {
                over = findings.iter().map(|f| f.code).find(|code| ENDS_IT.contains(code)).or(over);
            }
            checks.push(Check { id, outcome });
        }
        progress.finish_and_clear();
        checks
    }
}

/// Sends the probes of one check. An error where it could not be ended.
type Look = fn(&Doctor, &Cases) -> Result<Outcome, String>;

/// After these, nothing else can be seen.
const ENDS_IT: [Code; 3] = [Code::OpenGateway, Code::NoDecision, Code::NothingPasses];

/// The gateway was there and wanted nothing to do with it.
fn closed(error: &io::Error) -> bool {
    let gone = [
        ErrorKind::ConnectionReset,
        ErrorKind::ConnectionAborted,
        ErrorKind::BrokenPipe,
        ErrorKind::UnexpectedEof,
    ];
    gone.contains(&error.kind())
}

/// A request as people may read it: without the credentials that were given.
pub fn shown(request: &Request) -> String {
    use std::fmt::Write as _;
    let mut text = format!("`{} {}`", request.method, request.target.escape_debug());
    let mut joint = " with";
    for (name, value) in &request.headers {
        let value = if value.len() > 120 { "…".into() } else { value.escape_debug().to_string() };
        // Writing to a String cannot fail.
        let _ = write!(text, "{joint} `{name}: {value}`");
        joint = ",";
    }
    text
}

/// `1 probe`, `2 probes`
fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
