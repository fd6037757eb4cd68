//! The format of a suite: one start of the server and the cases asked of it.

use serde::Deserialize;
use serde_json::{Map, Value};
use std::fs;
use std::path::{Path, PathBuf};

/// One file of `suites/`. Unknown keys are refused, so that a typing error is no silent pass.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suite {
    /// `AREA/NAME`, as the file is called.
    #[serde(rename = "suite")]
    pub name: String,
    pub about: String,
    #[serde(default)]
    pub config: Option<Value>,
    #[serde(default)]
    pub config_text: Option<String>,
    #[serde(default)]
    pub config_name: Option<String>,
    #[serde(default)]
    pub files: Map<String, Value>,
    #[serde(default)]
    pub stub: Vec<Value>,
    #[serde(default)]
    pub env: Map<String, Value>,
    #[serde(default)]
    pub args: Vec<Value>,
    /// Listeners that speak TLS.
    #[serde(default)]
    pub tls: Vec<String>,
    /// Patterns of stub paths that are never compared.
    #[serde(default)]
    pub ignore_calls: Vec<String>,
    #[serde(default)]
    pub expect_start: Start,
    #[serde(default)]
    pub stderr_regex: Option<String>,
    #[serde(default)]
    pub wait: Option<String>,
    #[serde(default)]
    pub wait_ms: u64,
    #[serde(default)]
    pub departure: Option<String>,
    /// Whether `departure` also covers a server that does not start.
    #[serde(default)]
    pub departure_start: bool,
    #[serde(default)]
    pub cases: Vec<Case>,
}

/// How the start is expected to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Start {
    /// It serves.
    #[default]
    Ok,
    /// It ends with an exit code that is not zero.
    Fail,
    /// It stays up, serving or not.
    Runs,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    pub name: String,
    #[serde(default, rename = "about")]
    _about: Option<String>,
    #[serde(default)]
    pub steps: Vec<Step>,
    /// A case without `steps` is one step.
    #[serde(default)]
    pub request: Option<Value>,
    #[serde(default)]
    pub expect: Map<String, Value>,
    #[serde(default)]
    pub repeat: Option<usize>,
    /// Hints for recording, of no use here.
    #[serde(default, rename = "record")]
    _record: Option<Value>,
    #[serde(default)]
    pub departure: Option<String>,
    /// An `expect` object, or a list of them of which one must hold.
    #[serde(default)]
    pub departure_expect: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    #[serde(default)]
    pub request: Option<Value>,
    #[serde(default)]
    pub expect: Map<String, Value>,
    #[serde(default)]
    pub repeat: Option<usize>,
    #[serde(default, rename = "record")]
    _record: Option<Value>,
    #[serde(default)]
    pub write: Map<String, Value>,
    #[serde(default)]
    pub replace: Map<String, Value>,
    #[serde(default)]
    pub delete: Vec<String>,
    #[serde(default)]
    pub stub: Option<Vec<Value>>,
    #[serde(default)]
    pub sleep_ms: u64,
    #[serde(default)]
    pub poll: Option<Poll>,
    #[serde(default)]
    pub signal: Option<String>,
    #[serde(default)]
    pub exit: Option<i32>,
    #[serde(default)]
    pub within_ms: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Poll {
    pub request: Value,
    pub until: Until,
    #[serde(default)]
    pub timeout_ms: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Until {
    #[serde(default)]
    pub status: Option<u16>,
    #[serde(default)]
    pub headers: Map<String, Value>,
    #[serde(default)]
    pub contains: Option<String>,
    #[serde(default)]
    pub not_contains: Option<String>,
}

impl Suite {
    /// The rows of this suite: a case each, or one for a start that is the whole question.
    pub fn rows(&self) -> Vec<String> {
        match self.expect_start {
            Start::Fail => vec![format!("{}::start fails", self.name)],
            Start::Runs => vec![format!("{}::start", self.name)],
            Start::Ok => self.cases.iter().map(|case| self.row(case)).collect(),
        }
    }

    /// The row of a case.
    pub fn row(&self, case: &Case) -> String {
        format!("{}::{}", self.name, case.name)
    }
}

/// All suites below `root`, by name.
///
/// # Errors
/// The file that is no suite, and why.
pub fn load(root: &Path) -> Result<Vec<Suite>, String> {
    let mut suites = Vec::new();
    for path in files(root)? {
        let text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        let suite: Suite = serde_json::from_str(&crate::placeholder::without_lone_surrogates(&text))
            .map_err(|e| format!("{}: {e}", path.display()))?;
        if root.join(format!("{}.json", suite.name)) != path {
            return Err(format!("{} calls itself {}", path.display(), suite.name));
        }
        suites.push(suite);
    }
    suites.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(suites)
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))? {
        let path = entry.map_err(|e| e.to_string())?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "json") {
            found.push(path);
        }
    }
    Ok(found)
}
