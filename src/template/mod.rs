//! Templates: what a mutator writes, made from what the pipeline knows.
//!
//! Two languages behind one type: Go's `text/template` as Oathkeeper uses it (the default), and Tera.
//! Both are parsed and checked when rules load; rendering never parses.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::diagnostic::Finding;
use crate::matcher::Captures;
use crate::pipeline::session::HeaderList;
use crate::request::AccessRequest;

/// The template language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// Go's `text/template` with the Sprig functions.
    #[default]
    Go,
    /// Tera (Jinja2-like).
    Tera,
}

/// What the text is for, which decides what a missing value becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A header value: nil on the way of a chain renders empty.
    Header,
    /// A cookie value: likewise.
    Cookie,
    /// Claims of an `id_token`: nil on the way of a chain is an error.
    Claims,
    /// A payload for an authorizer: likewise.
    Payload,
}

/// What a template can see.
#[derive(Clone, Copy)]
pub struct Data<'d> {
    /// `.Subject`
    pub subject: &'d str,
    /// `.Extra`
    pub extra: Option<&'d Map<String, Value>>,
    /// `.Header`: what mutators and authorizers have set so far.
    pub header: &'d HeaderList,
    /// `.MatchContext.Method`, `.URL`, `.Header`
    pub request: &'d AccessRequest<'d>,
    /// `.MatchContext.RegexpCaptureGroups`
    pub captures: &'d Captures,
}

/// A template, ready to render.
#[derive(Debug)]
pub struct Template {
    // filled in by the language modules
}

/// Why a template could not be rendered. For the operator's log only: clients see a bare 500.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct RenderError(pub String);

impl Template {
    /// Parses and checks a template. Findings have an empty pointer and a span into `source`; warnings
    /// come along with a template that works.
    pub fn compile(
        engine: Engine,
        purpose: Purpose,
        source: &str,
    ) -> Result<(Self, Vec<Finding>), Vec<Finding>> {
        let _ = (engine, purpose, source);
        Ok((Self {}, Vec::new()))
    }

    /// Renders to text.
    pub fn render(&self, data: &Data<'_>) -> Result<String, RenderError> {
        let _ = data;
        Err(RenderError("not yet".to_owned()))
    }

    /// The whole text, where the template is one literal without an action.
    pub fn literal(&self) -> Option<&str> {
        None
    }

    /// Whether rendering may look at capture groups, so that a rule without any such template need not
    /// work them out.
    pub fn uses_captures(&self) -> bool {
        true
    }
}
