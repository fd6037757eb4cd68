//! `oathkeeper`: the way Oathkeeper's `/decisions` asks and answers, for every gateway.

use super::{Asked, Dialect, No, Understood, Yes, x_forwarded};
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

    /// Of several values of a header Oathkeeper hands on the first.
    fn grant(&self, yes: Yes<'_>) -> Reply {
        let mut reply = yes.into_reply();
        reply.headers.dedup_by(|(again, _), (name, _)| again == name);
        reply
    }

    fn refuse(&self, no: No<'_>) -> Reply {
        no.into_reply()
    }
}
