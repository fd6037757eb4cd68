//! Sources: what a configuration is read from.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

/// Where configuration comes from.
#[derive(Clone, Default)]
pub struct Sources {
    /// Files in order; a later one wins.
    pub files: Vec<PathBuf>,
    /// Environment variables; they win over files.
    pub environment: Vec<(String, String)>,
}

impl Sources {
    /// These files, and the environment of this process.
    pub fn new(files: Vec<PathBuf>) -> Self {
        let text =
            |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
        Self { files, environment: std::env::vars_os().filter_map(text).collect() }
    }
}

/// Leaves the environment out: it holds secrets.
impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").field("files", &self.files).finish_non_exhaustive()
    }
}
