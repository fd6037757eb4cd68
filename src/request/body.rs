//! Body: what the client sent beside its header fields, read when a handler first asks for it and kept for
//! all who ask later.

use std::cell::Cell;

use bytes::{Bytes, BytesMut};
use futures_util::future::LocalBoxFuture;
use futures_util::{Stream, StreamExt as _};

/// The client's body. Nobody has to read it.
pub trait Body {
    /// The whole body, of at most `limit` bytes. Waits for as long as the client takes, so the caller sets
    /// the deadline; a body whose reading was given up is gone.
    fn whole(&self, limit: usize) -> LocalBoxFuture<'_, Result<Bytes, BodyError>>;
}

/// Why there is no body to work with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// It is longer than the limit of who asked.
    #[error("the body is longer than {limit} bytes")]
    TooLong {
        /// The limit.
        limit: usize,
    },
    /// It ended before its end, or reading it was given up.
    #[error("the body broke off")]
    BrokenOff,
}

/// A body that comes in pieces.
pub struct Streamed<S> {
    state: Cell<State<S>>,
    promised: Option<u64>,
}

enum State<S> {
    Unread(S),
    Read(Bytes),
    Gone(BodyError),
}

/// What is left behind while somebody reads.
impl<S> Default for State<S> {
    fn default() -> Self {
        Self::Gone(BodyError::BrokenOff)
    }
}

impl<S> Streamed<S> {
    /// A body that comes out of `pieces`. `promised` is its length by its header fields, where they say.
    pub fn new(pieces: S, promised: Option<u64>) -> Self {
        Self { state: Cell::new(State::Unread(pieces)), promised }
    }
}

impl<S, E> Body for Streamed<S>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
{
    fn whole(&self, limit: usize) -> LocalBoxFuture<'_, Result<Bytes, BodyError>> {
        Box::pin(async move {
            let state = match self.state.take() {
                State::Unread(pieces) if self.promised.is_some_and(|length| length > limit as u64) => {
                    self.state.set(State::Unread(pieces));
                    return Err(BodyError::TooLong { limit });
                }
                State::Unread(pieces) => match collect(pieces, limit).await {
                    Ok(bytes) => State::Read(bytes),
                    Err(error) => State::Gone(error),
                },
                known => known,
            };
            let answer = match &state {
                State::Read(bytes) if bytes.len() > limit => Err(BodyError::TooLong { limit }),
                State::Read(bytes) => Ok(bytes.clone()),
                State::Gone(error) => Err(*error),
                State::Unread(_) => Err(BodyError::BrokenOff),
            };
            self.state.set(state);
            answer
        })
    }
}

async fn collect<S, E>(mut pieces: S, limit: usize) -> Result<Bytes, BodyError>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
{
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|_| BodyError::BrokenOff)?;
        if first.len().max(all.len()).saturating_add(piece.len()) > limit {
            return Err(BodyError::TooLong { limit });
        }
        // Most bodies come in one piece, which need not be copied.
        if first.is_empty() && all.is_empty() {
            first = piece;
            continue;
        }
        if all.is_empty() {
            all.extend_from_slice(&first);
        }
        all.extend_from_slice(&piece);
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::stream::{self, BoxStream};

    use super::*;

    fn streamed(pieces: &[Result<&'static str, ()>]) -> Streamed<BoxStream<'static, Result<Bytes, ()>>> {
        let pieces: Vec<_> =
            pieces.iter().map(|p| p.map(|text| Bytes::from_static(text.as_bytes()))).collect();
        Streamed::new(stream::iter(pieces).boxed(), None)
    }

    #[tokio::test]
    async fn a_body_is_read_once_and_handed_to_all_who_ask() {
        let text = |body: Result<Bytes, BodyError>| body.map(|b| String::from_utf8(b.to_vec()).unwrap());
        let too_long = |limit| Err(BodyError::TooLong { limit });
        for (pieces, limit, want) in [
            (&[][..], 0, Ok("")),
            (&[Ok("abc")], 3, Ok("abc")),
            (&[Ok("abc")], 2, too_long(2)),
            (&[Ok(""), Ok("ab"), Ok(""), Ok("c"), Ok("de")], 5, Ok("abcde")),
            (&[Ok("ab"), Ok("c"), Ok("de")], 4, too_long(4)),
            (&[Ok("ab"), Err(())], 9, Err(BodyError::BrokenOff)),
        ] {
            let body = streamed(pieces);
            let want = want.map(str::to_owned);
            assert_eq!(text(body.whole(limit).await), want, "{pieces:?} {limit}");
            assert_eq!(text(body.whole(limit).await), want, "again: {pieces:?} {limit}");
        }
        let body = streamed(&[Ok("ab"), Ok("c")]);
        assert!(body.whole(3).await.is_ok());
        assert_eq!(body.whole(2).await, Err(BodyError::TooLong { limit: 2 }), "a later one may want less");
    }

    #[tokio::test]
    async fn a_body_that_promises_to_be_too_long_is_not_read() {
        let pieces = stream::once(async { Ok::<_, ()>(Bytes::from_static(b"abc")) }).boxed();
        let body = Streamed::new(pieces, Some(3));
        assert_eq!(body.whole(2).await, Err(BodyError::TooLong { limit: 2 }));
        assert_eq!(body.whole(3).await.unwrap(), "abc", "but can still be");
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_whose_reading_was_given_up_is_gone() {
        let pieces = stream::iter([Ok::<_, ()>(Bytes::from_static(b"a"))]).chain(stream::pending()).boxed();
        let body = Streamed::new(pieces, None);
        assert!(tokio::time::timeout(Duration::from_secs(1), body.whole(9)).await.is_err());
        assert_eq!(body.whole(9).await, Err(BodyError::BrokenOff));
    }
}
