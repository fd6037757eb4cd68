//! Credential files: what `basic` and `api_key` let in. Read when rules load, which they do again when the
//! file changes ([`crate::pipeline::files`]).

use std::sync::Arc;

use crate::pipeline::files::path_of;
use crate::pipeline::handler::BuildContext;
use crate::pipeline::outage::OnBackendError;
use crate::pipeline::{Denial, Detail};

/// What a file holds, and what of it had to be left out. The notes name lines, never what is in them.
pub(super) struct Read<T> {
    pub(super) content: T,
    pub(super) notes: Vec<String>,
}

/// Reads a file, or gives what it last said. A file that was never good is no fault of the rule: it may come,
/// and until then nobody gets in ([`unreadable`]).
pub(super) fn open<T: Send + Sync + 'static>(
    context: &BuildContext<'_>,
    written: &str,
    read: impl FnOnce(&str) -> Result<Read<T>, String>,
) -> Option<Arc<T>> {
    let path = path_of(written);
    let shown = path.display();
    let read = |text: &str| {
        let Read { content, notes } = read(text)?;
        for note in notes {
            tracing::warn!(rule.id = context.rule_id, file = %shown, "left out of a credential file: {note}");
        }
        Ok(content)
    };
    context
        .shared
        .files
        .read(&path, read)
        .map_err(|why| {
            tracing::error!(rule.id = context.rule_id, file = %shown, "{why}; nobody gets in by it");
        })
        .ok()
}

/// The denial where a file was never good.
pub(super) fn unreadable() -> Denial {
    let why = Detail::id("credential-file-unreadable").log("the credential file could never be read");
    OnBackendError::Compat.denial(500, why, None)
}
