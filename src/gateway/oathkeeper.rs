//! `oathkeeper`: the way Oathkeeper's `/decisions` asks and answers, for every gateway.

use super::{Asked, Dialect, No, Understood, x_forwarded};
use crate::pipeline::{Detail, Reply};

/// See the module.
pub struct Oathkeeper;

impl Dialect for Oathkeeper {
    fn id(&self) -> &'static str {
        "oathkeeper"
    }

    fn read<'r>(&self, asked: &Asked<'r>) -> Result<Understood<'r>, Detail> {
        Ok(x_forwarded::read_or_own(asked).into())
    }

    fn refuse(&self, no: No<'_>) -> Reply {
        no.into_reply()
    }
}
