//! `oathkeeper`: the way Oathkeeper's `/decisions` asks and answers, for every gateway.

use super::{Asked, Dialect, forwarded};
use crate::pipeline::{Denial, Reply};
use crate::request::Parts;

/// See the module.
pub struct Oathkeeper;

impl Dialect for Oathkeeper {
    fn id(&self) -> &'static str {
        "oathkeeper"
    }

    fn read<'r>(&self, asked: &Asked<'r>) -> Parts<'r> {
        forwarded::read(asked)
    }

    fn refuse(&self, _: &Denial, reply: Reply) -> Reply {
        reply
    }
}
