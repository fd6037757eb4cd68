//! `inline://`: the document itself, in base64.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Read, RuleSource, text_of};
use crate::diagnostic::{Finding, Source};

struct Inline(Arc<str>);

pub(super) fn open(_: &str, _: &str, rest: &str) -> Result<Box<dyn RuleSource>, Finding> {
    let decoded = STANDARD.decode(rest).map_err(|error| error.to_string());
    match decoded.and_then(text_of) {
        Ok(text) => Ok(Box::new(Inline(text))),
        Err(why) => {
            let message = format!("the inline document cannot be decoded: {why}");
            Err(Finding::error("bad-inline", "", message).help("encode it with `base64 -w0`"))
        }
    }
}

impl RuleSource for Inline {
    fn read(&self) -> Option<Vec<Read>> {
        let text = Some(Arc::clone(&self.0));
        let source = Source { name: "inline://…".to_owned(), path: None, text };
        Some(vec![Read { source: Arc::new(source), failure: None }])
    }

    fn must_work_at_start(&self) -> bool {
        true
    }
}
