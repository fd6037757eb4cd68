//! Body: what the client sent beside its header fields. Nobody has to read it, and it is never collected whole
//! unless it is short.
//!
//! A handler [opens](Body::open) it. A short body that comes at once is handed out whole, to all who ask. Any
//! other is handed out in [`Pieces`] while it comes. What has passed is kept as long as it is short, so that
//! the pieces can be [rewound](Pieces::rewind) and a later handler gets the same; a longer body passes once.

mod room;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _};
use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout_at};

pub use room::{BodyRoom, Place};

/// The longest body that is kept.
pub const SHORT: usize = 64 * 1024;

/// Why there is no body to work with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// It is longer than the limit of who asked.
    #[error("the body is longer than {limit} bytes")]
    TooLong {
        /// The limit.
        limit: usize,
    },
    /// It did not come in time.
    #[error("the body did not come in time")]
    TooSlow,
    /// It ended before its end.
    #[error("the body broke off")]
    BrokenOff,
    /// It was passed on before, and was too long to be kept.
    #[error("the body was passed on before and is too long to be kept")]
    PassedOn,
}

impl BodyError {
    /// Stable kebab-case id, for logs.
    pub fn id(self) -> &'static str {
        match self {
            Self::TooLong { .. } => "body-too-long",
            Self::TooSlow => "body-too-slow",
            Self::BrokenOff => "body-broke-off",
            Self::PassedOn => "body-passed-on",
        }
    }
}

/// The client's body.
pub struct Body {
    shared: Rc<RefCell<Shared>>,
    promised: Option<u64>,
}

/// A body that was opened.
#[derive(Debug)]
pub enum Opened {
    /// All of it.
    Whole(Bytes),
    /// What is to be passed on while it comes.
    Pieces(Pieces),
}

/// A body while it comes. Clones are the same reader: what one took, no other gets.
#[derive(Clone)]
pub struct Pieces {
    shared: Rc<RefCell<Shared>>,
    at: Rc<Cell<u64>>,
    limit: usize,
    promised: Option<u64>,
}

type Source = Box<dyn Stream<Item = Result<Bytes, ()>> + Unpin>;

/// What all readers of a body have in common.
struct Shared {
    source: Source,
    /// The first bytes, or nothing any more.
    kept: BytesMut,
    /// What these take of the room for all bodies.
    place: Place,
    /// A piece that came and was handed to nobody yet.
    ahead: Option<Bytes>,
    /// How many bytes were kept or handed out.
    came: u64,
    /// How it ended.
    ended: Option<Result<(), BodyError>>,
    /// Whether somebody waits for the client.
    awaited: bool,
    /// How many bytes are kept at most.
    most: usize,
}

impl Body {
    /// A body that comes out of `source`. `promised` is its length by its header fields, where they say; `room` is
    /// shared by all bodies that are kept at the same time.
    pub fn new<E>(
        source: impl Stream<Item = Result<Bytes, E>> + Unpin + 'static,
        promised: Option<u64>,
        room: &BodyRoom,
    ) -> Self {
        let shared = Shared {
            source: Box::new(source.map(|piece| piece.map_err(drop))),
            kept: BytesMut::new(),
            place: room.place(),
            ahead: None,
            came: 0,
            ended: None,
            awaited: false,
            most: SHORT,
        };
        Self { shared: Rc::new(RefCell::new(shared)), promised }
    }

    /// The same with more than [`SHORT`] kept, or less.
    #[must_use]
    pub fn keeping(self, bytes: usize) -> Self {
        self.shared.borrow_mut().most = bytes;
        self
    }

    /// How long it is by its header fields, where they say.
    pub fn promised(&self) -> Option<u64> {
        self.promised
    }

    /// Opens a body of any length for who reads it last: nothing more is kept. Does not wait.
    pub async fn open_last(&self) -> Result<Opened, BodyError> {
        let opened = self.open(usize::MAX, Instant::now()).await;
        self.shared.borrow_mut().most = 0;
        opened
    }

    /// Opens a body of at most `limit` bytes. Waits until all of it came, it proves not to be short, or `patience`
    /// is over; then it is handed out as it comes.
    pub async fn open(&self, limit: usize, patience: Instant) -> Result<Opened, BodyError> {
        if self.promised.is_some_and(|length| length > limit as u64) {
            return Err(BodyError::TooLong { limit });
        }
        let most = self.shared.borrow().most;
        if self.promised.is_none_or(|length| length <= most as u64) {
            let gather = poll_fn(|cx| self.shared.borrow_mut().poll_gather(limit, cx));
            // Late, it is passed on as it comes.
            let _ = before(patience, gather).await;
        }
        let mut shared = self.shared.borrow_mut();
        shared.awaited = false;
        if !shared.keeps_all() {
            return Err(BodyError::PassedOn);
        }
        if shared.kept.len() > limit {
            return Err(BodyError::TooLong { limit });
        }
        let ended = if shared.ahead.is_some() { None } else { shared.ended };
        match ended {
            Some(Ok(())) => Ok(Opened::Whole(Bytes::copy_from_slice(&shared.kept))),
            Some(Err(error)) => Err(error),
            None => Ok(Opened::Pieces(Pieces {
                shared: Rc::clone(&self.shared),
                at: Rc::default(),
                limit,
                promised: self.promised,
            })),
        }
    }

    /// All of a body of at most `limit` bytes that comes before `patience` is over, for its only reader: a body that
    /// comes in one piece is that piece, and what was taken is not there for others.
    pub async fn take(&self, limit: usize, patience: Instant) -> Result<Bytes, BodyError> {
        if self.promised.is_some_and(|length| length > limit as u64) {
            return Err(BodyError::TooLong { limit });
        }
        let take = poll_fn(|cx| self.shared.borrow_mut().poll_take(limit, self.promised, cx));
        before(patience, take).await.unwrap_or(Err(BodyError::TooSlow))
    }

    /// Reads what is left, for nobody.
    pub async fn discard(&self) {
        poll_fn(|cx| {
            let mut shared = self.shared.borrow_mut();
            while shared.ended.is_none() {
                if shared.poll_next(cx).is_pending() {
                    return Poll::Pending;
                }
            }
            Poll::Ready(())
        })
        .await;
    }
}

/// What comes of a future before the deadline. Most bodies come right behind their head, so that a second look finds
/// them: only then a timer is set.
async fn before<F: Future>(deadline: Instant, future: F) -> Result<F::Output, Elapsed> {
    let mut future = pin!(future);
    let mut looked = false;
    let soon = poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if looked => Poll::Ready(None),
        Poll::Pending => {
            looked = true;
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    });
    match soon.await {
        Some(output) => Ok(output),
        None => timeout_at(deadline, future).await,
    }
}

impl Pieces {
    /// The next piece, `None` after the last.
    pub fn poll_piece(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        let mut shared = self.shared.borrow_mut();
        let at = self.at.get();
        let piece = if at < shared.came {
            if !shared.keeps_all() {
                return Poll::Ready(Some(Err(BodyError::PassedOn)));
            }
            let kept = usize::try_from(at).ok().and_then(|at| shared.kept.get(at..));
            Bytes::copy_from_slice(kept.unwrap_or_default())
        } else {
            match shared.ended {
                Some(Ok(())) => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => {}
            }
            match shared.poll_next(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(shared.ended.and_then(Result::err).map(Err)),
                Poll::Ready(Some(piece)) => piece,
            }
        };
        let at = at + piece.len() as u64;
        self.at.set(at);
        if at > self.limit as u64 {
            return Poll::Ready(Some(Err(BodyError::TooLong { limit: self.limit })));
        }
        Poll::Ready(Some(Ok(piece)))
    }

    /// The next piece, `None` after the last.
    pub async fn next(&self) -> Option<Result<Bytes, BodyError>> {
        poll_fn(|cx| self.poll_piece(cx)).await
    }

    /// Begins anew, if everything that was read is still there.
    pub fn rewind(&self) -> bool {
        let can = self.at.get() == 0 || self.shared.borrow().keeps_all();
        if can {
            self.at.set(0);
        }
        can
    }

    /// Whether it is the client who keeps everybody waiting.
    pub fn is_awaited(&self) -> bool {
        self.shared.borrow().awaited
    }

    /// How long it is by its header fields, where they say.
    pub fn promised(&self) -> Option<u64> {
        self.promised
    }
}

impl fmt::Debug for Pieces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pieces").field("at", &self.at.get()).finish_non_exhaustive()
    }
}

impl Shared {
    /// Whether everything that came is still there.
    fn keeps_all(&self) -> bool {
        self.came == self.kept.len() as u64
    }

    /// Reads until the body ended, is longer than `limit` or is too long to be kept.
    fn poll_gather(&mut self, limit: usize, cx: &mut Context<'_>) -> Poll<()> {
        while self.ended.is_none() && self.ahead.is_none() && self.keeps_all() && self.kept.len() <= limit {
            match self.poll_source(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(piece)) if !self.keep(&piece) => self.ahead = Some(piece),
                Poll::Ready(_) => {}
            }
        }
        Poll::Ready(())
    }

    /// Takes the body, once it is there.
    fn poll_take(
        &mut self,
        limit: usize,
        promised: Option<u64>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Bytes, BodyError>> {
        loop {
            match self.poll_source(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(piece)) if self.came == 0 && promised == Some(piece.len() as u64) => {
                    self.came = piece.len() as u64;
                    return Poll::Ready(Ok(piece));
                }
                Poll::Ready(Some(piece)) => {
                    if self.kept.len() + piece.len() > limit || !self.keep(&piece) {
                        return Poll::Ready(Err(BodyError::TooLong { limit }));
                    }
                }
                Poll::Ready(None) => break,
            }
        }
        self.place.clear();
        let whole = std::mem::take(&mut self.kept).freeze();
        Poll::Ready(self.ended.unwrap_or(Ok(())).map(|()| whole))
    }

    /// One more piece for a reader; `None` when it ended, as `ended` says.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let next = match self.ahead.take() {
            Some(piece) => Poll::Ready(Some(piece)),
            None => self.poll_source(cx),
        };
        if let Poll::Ready(Some(piece)) = &next
            && !(self.keeps_all() && self.keep(piece))
        {
            self.kept = BytesMut::new();
            self.place.clear();
            self.came += piece.len() as u64;
        }
        next
    }

    fn poll_source(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let next = self.source.poll_next_unpin(cx);
        self.awaited = next.is_pending();
        next.map(|next| match next {
            Some(Ok(piece)) => Some(piece),
            Some(Err(())) => {
                self.ended = Some(Err(BodyError::BrokenOff));
                None
            }
            None => {
                self.ended = Some(Ok(()));
                None
            }
        })
    }

    /// Keeps a piece, if there is room for it.
    fn keep(&mut self, piece: &Bytes) -> bool {
        let fits = self.kept.len() + piece.len() <= self.most && self.place.extend(piece.len());
        if fits {
            self.kept.extend_from_slice(piece);
            self.came += piece.len() as u64;
        }
        fits
    }
}

#[cfg(test)]
mod tests;
