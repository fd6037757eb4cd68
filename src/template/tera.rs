//! Tera, in the making.

use super::{Data, Options, RenderError};
use crate::diagnostic::Finding;

pub struct Program;

pub fn compile(_: Options, _: &str) -> Result<Program, Vec<Finding>> {
    Ok(Program)
}

impl Program {
    pub fn into_literal(self) -> Result<Box<str>, Box<Self>> {
        Err(Box::new(self))
    }
    pub fn uses_captures(&self) -> bool {
        true
    }
    pub fn render(&self, _: &Data<'_>, _: &mut String) -> Result<(), RenderError> {
        Ok(())
    }
}
