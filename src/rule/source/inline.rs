//! `inline://`: the document itself, in base64.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Read, RuleSource, text_of};
use crate::diagnostic::{Finding, Source};

struct Inline(String);

pub(super) fn open(_: &str, _: &str, rest: &str) -> Result<Box<dyn RuleSource>, Finding> {
    Ok(Box::new(Inline(rest.to_owned())))
}

impl RuleSource for Inline {
    fn read(&self) -> Option<Vec<Read>> {
        let decoded = STANDARD.decode(&self.0).map_err(|error| error.to_string());
        let text = decoded.and_then(|bytes| text_of(bytes).map_err(str::to_owned));
        let (text, failure) = match text {
            Ok(text) => (Some(text), None),
            Err(why) => (
                None,
                Some(
                    Finding::error("bad-inline", "", format!("the inline document cannot be decoded: {why}"))
                        .help("encode it with `base64 -w0`"),
                ),
            ),
        };
        let source = Source { name: "inline://…".to_owned(), path: None, text };
        Some(vec![Read { source: Arc::new(source), failure }])
    }

    fn must_work_at_start(&self) -> bool {
        true
    }
}
