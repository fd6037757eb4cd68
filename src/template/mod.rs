//! Templates: what a mutator writes, made from what the pipeline knows.
//!
//! Two languages behind one type: Go's `text/template` as Oathkeeper uses it (the default), and Tera.
//! Both are parsed and checked when rules load; rendering never parses.
//!
//! A function for Go templates is added in the file of its theme under `sprig/`: the function itself and a
//! line in that file's `FUNCTIONS`. Nothing here reads files, the environment or the network on behalf
//! of a template, but for the machine's time zones.

mod data;
mod go;
mod sprig;
mod tera;

#[cfg(test)]
mod tests;

use std::fmt;

use serde::Deserialize;

pub use data::Data;
pub(crate) use sprig::time::rfc3339;

use crate::diagnostic::Finding;

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

/// How numbers that came as JSON are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Numbers {
    /// Integers stay integers: `1234567`. In everything but writing they are Go's `float64`.
    #[default]
    Exact,
    /// As Oathkeeper writes them: `1.234567e+06`, and integers beyond 2⁵³ lose digits.
    Float64,
}

/// What becomes of a value that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Missing {
    /// As Oathkeeper does: a missing value prints `<no value>`. Nil on the way of a chain
    /// (`.Extra.nope.x`) is empty in headers and cookies, and an error elsewhere.
    #[default]
    Oathkeeper,
    /// Always empty.
    Empty,
    /// Always an error.
    Error,
}

/// What holds for all templates of a configuration or a handler: `template_engine` and `templates.*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Settings {
    /// The language.
    pub engine: Engine,
    /// How JSON numbers are written.
    pub numbers: Numbers,
    /// What becomes of missing values.
    pub missing: Missing,
}

impl From<Engine> for Settings {
    fn from(engine: Engine) -> Self {
        Self { engine, ..Self::default() }
    }
}

/// How a template is compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// What the text is for.
    pub purpose: Purpose,
    /// How JSON numbers are written.
    pub numbers: Numbers,
    /// What becomes of missing values.
    pub missing: Missing,
}

impl Options {
    /// What is usual for a purpose.
    pub fn new(purpose: Purpose) -> Self {
        Self { purpose, numbers: Numbers::default(), missing: Missing::default() }
    }

    /// Whether nil on the way of a chain is let through as nothing.
    fn nil_in_chain_is_empty(self) -> bool {
        match self.missing {
            Missing::Oathkeeper => matches!(self.purpose, Purpose::Header | Purpose::Cookie),
            Missing::Empty => true,
            Missing::Error => false,
        }
    }
}

/// A template, ready to render. Its `Debug` form does not show the text.
pub struct Template(Language);

enum Language {
    /// Text without an action, in either language.
    Literal(Box<str>),
    Go(Box<go::Program>),
    Tera(Box<tera::Program>),
}

/// Why a template could not be rendered. For the operator's log only: clients see a bare 500. Names the
/// place and the expression in the template, never a value of the request or session.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct RenderError(pub String);

impl Template {
    /// Parses and checks a template. Findings have an empty pointer and a span into `source`; warnings
    /// come along with a template that works.
    pub fn compile(
        settings: impl Into<Settings>,
        purpose: Purpose,
        source: &str,
    ) -> Result<(Self, Vec<Finding>), Vec<Finding>> {
        let Settings { engine, numbers, missing } = settings.into();
        Self::compile_with(engine, Options { purpose, numbers, missing }, source)
    }

    /// Parses and checks a template.
    pub fn compile_with(
        engine: Engine,
        options: Options,
        source: &str,
    ) -> Result<(Self, Vec<Finding>), Vec<Finding>> {
        let (language, warnings) = match engine {
            Engine::Go => {
                let (program, warnings) = go::compile(options, source)?;
                (program.into_literal().map_or_else(Language::Go, Language::Literal), warnings)
            }
            Engine::Tera => {
                let program = tera::compile(options, source)?;
                (program.into_literal().map_or_else(Language::Tera, Language::Literal), Vec::new())
            }
        };
        Ok((Self(language), warnings))
    }

    /// Renders to text.
    pub fn render(&self, data: &Data<'_>) -> Result<String, RenderError> {
        let mut out = String::with_capacity(match &self.0 {
            Language::Literal(text) => text.len(),
            Language::Go(program) => program.room(),
            Language::Tera(_) => 0,
        });
        self.render_into(data, &mut out)?;
        Ok(out)
    }

    /// Renders behind what `out` already holds. After an error the tail of `out` is unspecified.
    pub fn render_into(&self, data: &Data<'_>, out: &mut String) -> Result<(), RenderError> {
        match &self.0 {
            Language::Literal(text) => {
                out.push_str(text);
                Ok(())
            }
            Language::Go(program) => program.render(data, out),
            Language::Tera(program) => program.render(data, out),
        }
    }

    /// The whole text, where the template is one literal without an action.
    pub fn literal(&self) -> Option<&str> {
        match &self.0 {
            Language::Literal(text) => Some(text),
            Language::Go(_) | Language::Tera(_) => None,
        }
    }

    /// Whether rendering may look at capture groups, so that a rule without any such template need not
    /// work them out. Never false for a template that can reach them.
    pub fn uses_captures(&self) -> bool {
        match &self.0 {
            Language::Literal(_) => false,
            Language::Go(program) => program.uses_captures(),
            Language::Tera(program) => program.uses_captures(),
        }
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Language::Literal(_) => "Template(literal)",
            Language::Go(_) => "Template(go)",
            Language::Tera(_) => "Template(tera)",
        })
    }
}
