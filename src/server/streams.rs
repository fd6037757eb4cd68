//! How many requests an HTTP/2 connection has under way: actix-http sets no limit, and h2 keeps as many as come.
//!
//! So the frames of a connection pass through here (RFC 9113 section 4.1). The server's first one, its settings, gets a
//! limit; who goes far beyond it all the same, and does not take the answers, is cut off.

use std::collections::HashSet;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// `SETTINGS_MAX_CONCURRENT_STREAMS`. Gateways open another connection beyond.
const STREAMS: u32 = 1000;
/// Some may have been opened before the settings were read.
const MOST: usize = 2 * STREAMS as usize;
/// Length of the preface that a client begins with.
const PREFACE: usize = 24;
/// Length of what is before the payload of a frame.
const HEAD: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const END_STREAM: u8 = 1;
const ACK: u8 = 1;

/// A connection, whose streams are counted if it has such.
#[derive(Debug)]
pub struct Streams<S> {
    io: S,
    frames: Option<Box<Frames>>,
}

impl<S> Streams<S> {
    /// Over a connection that has just begun, and speaks HTTP/2 or not.
    pub fn new(io: S, http2: bool) -> Self {
        let frames = Frames { received: Walk { skip: PREFACE, ..Walk::default() }, ..Frames::default() };
        Self { io, frames: http2.then(|| Box::new(frames)) }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Streams<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.io).poll_read(cx, buf))?;
        if let Some(frames) = &mut this.frames
            && !frames.receive(buf.filled().get(before..).unwrap_or_default())
        {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "too many streams")));
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> Streams<S> {
    /// Writes what is held back, the settings with the limit, before anything else.
    fn poll_held(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(frames) = &mut self.frames else { return Poll::Ready(Ok(())) };
        while !frames.held.is_empty() {
            match ready!(Pin::new(&mut self.io).poll_write(cx, &frames.held))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => frames.held.advance(written),
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Streams<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        ready!(this.poll_held(cx))?;
        if let Some(taken) = this.frames.as_mut().and_then(|frames| frames.greet(buf)) {
            return match this.poll_held(cx) {
                Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                _ => Poll::Ready(Ok(taken)),
            };
        }
        let written = ready!(Pin::new(&mut this.io).poll_write(cx, buf))?;
        if let Some(frames) = &mut this.frames {
            frames.send(buf.get(..written).unwrap_or_default());
        }
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.frames.as_ref().is_some_and(|frames| !frames.greeted) {
            let first = bufs.iter().find(|buf| !buf.is_empty());
            return self.poll_write(cx, first.map_or(&[], |buf| buf));
        }
        let this = &mut *self;
        ready!(this.poll_held(cx))?;
        let written = ready!(Pin::new(&mut this.io).poll_write_vectored(cx, bufs))?;
        if let Some(frames) = &mut this.frames {
            let mut left = written;
            for buf in bufs {
                let sent = buf.get(..left.min(buf.len())).unwrap_or_default();
                frames.send(sent);
                left -= sent.len();
            }
        }
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_held(cx))?;
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_held(cx))?;
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// What is known of the frames that passed.
#[derive(Debug, Default)]
struct Frames {
    received: Walk,
    sent: Walk,
    /// Streams that the client opened, and that neither the server has answered nor anybody reset.
    open: HashSet<u32>,
    newest: u32,
    /// Whether the server's first frame has come.
    greeted: bool,
    /// The server's settings with the limit, as far as they are not written.
    held: Bytes,
}

impl Frames {
    /// Takes what the client sent; whether it may go on.
    fn receive(&mut self, bytes: &[u8]) -> bool {
        let Self { received, open, newest, .. } = self;
        received.walk(bytes, |kind, _, stream| match kind {
            // Others are trailers.
            HEADERS if stream > *newest => {
                *newest = stream;
                open.insert(stream);
            }
            RST_STREAM => {
                open.remove(&stream);
            }
            _ => {}
        });
        open.len() <= MOST
    }

    /// Takes what the server sent.
    fn send(&mut self, bytes: &[u8]) {
        let open = &mut self.open;
        self.sent.walk(bytes, |kind, flags, stream| {
            if kind == RST_STREAM || (matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0) {
                open.remove(&stream);
            }
        });
    }

    /// Takes the server's first frame, if that is what is written, and says how long it is.
    fn greet(&mut self, bytes: &[u8]) -> Option<usize> {
        if std::mem::replace(&mut self.greeted, true) {
            return None;
        }
        let head: &[u8; HEAD] = bytes.first_chunk()?;
        let (payload, SETTINGS, flags, 0) = read(head) else { return None };
        let frame = bytes.get(..HEAD + payload).filter(|_| flags & ACK == 0)?;
        let mut limited = BytesMut::with_capacity(frame.len() + 6);
        limited.extend_from_slice(frame);
        limited.extend_from_slice(&[0, 3]);
        limited.extend_from_slice(&STREAMS.to_be_bytes());
        let [_, length @ ..] = u32::try_from(payload + 6).ok()?.to_be_bytes();
        limited.get_mut(..3)?.copy_from_slice(&length);
        self.held = limited.freeze();
        Some(frame.len())
    }
}

/// Length of the payload, type, flags and stream.
fn read(head: &[u8; HEAD]) -> (usize, u8, u8, u32) {
    let [a, b, c, kind, flags, stream @ ..] = *head;
    (u32::from_be_bytes([0, a, b, c]) as usize, kind, flags, u32::from_be_bytes(stream) & (u32::MAX >> 1))
}

/// Finds the heads of frames in bytes that come in pieces.
#[derive(Debug, Default)]
struct Walk {
    /// Bytes that are in no head.
    skip: usize,
    head: [u8; HEAD],
    have: usize,
}

impl Walk {
    fn walk(&mut self, mut bytes: &[u8], mut visit: impl FnMut(u8, u8, u32)) {
        loop {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = bytes.get(skipped..).unwrap_or_default();
            let taken = (HEAD - self.have).min(bytes.len());
            if taken == 0 {
                return;
            }
            if let (Some(to), Some(from)) =
                (self.head.get_mut(self.have..self.have + taken), bytes.get(..taken))
            {
                to.copy_from_slice(from);
            }
            bytes = bytes.get(taken..).unwrap_or_default();
            self.have += taken;
            if self.have == HEAD {
                self.have = 0;
                let (payload, kind, flags, stream) = read(&self.head);
                self.skip = payload;
                visit(kind, flags, stream);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let [_, length @ ..] = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&length[..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
    }

    #[test]
    fn streams_are_counted_whatever_pieces_their_frames_come_in() {
        let received = [
            vec![b'P'; PREFACE],
            frame(SETTINGS, 0, 0, &[0; 12]),
            frame(HEADERS, 4, 1, b"abc"),
            frame(HEADERS, 5, 3, &[7; 300]),
            frame(DATA, 0, 1, &[1; 20]),
            frame(HEADERS, 5, 1, b"trailers"),
            frame(HEADERS, 4, 5, b""),
            frame(HEADERS, 4, 7, b""),
            frame(RST_STREAM, 0, 5, &[0; 4]),
        ]
        .concat();
        let sent = [frame(HEADERS, 5, 1, b"x"), frame(HEADERS, 4, 3, b"x"), frame(RST_STREAM, 0, 7, &[0; 4])]
            .concat();
        for size in [1, 2, 8, 9, 10, 100, 1000] {
            let mut frames =
                Frames { received: Walk { skip: PREFACE, ..Walk::default() }, ..Frames::default() };
            assert!(received.chunks(size).all(|piece| frames.receive(piece)), "{size}");
            assert_eq!(frames.open.len(), 3, "{size}");
            sent.chunks(size).for_each(|piece| frames.send(piece));
            assert_eq!(frames.open, HashSet::from([3]), "{size}");
            frames.send(&frame(DATA, 1, 3, b""));
            assert!(frames.open.is_empty(), "{size}");
        }
    }

    #[test]
    fn the_settings_get_a_limit() {
        let mut frames = Frames::default();
        let settings = frame(SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0]);
        let both = [settings.clone(), frame(DATA, 0, 1, b"x")].concat();
        assert_eq!(frames.greet(&both), Some(settings.len()));
        let limited = frame(SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0, 0, 3, 0, 0, 0x03, 0xE8]);
        assert_eq!(frames.held, limited);
        assert_eq!(frames.greet(&both), None, "but once");
        for other in [frame(SETTINGS, ACK, 0, b""), frame(DATA, 0, 1, b"x"), b"short".to_vec()] {
            assert_eq!(Frames::default().greet(&other), None, "{other:?}");
        }
    }
}
