//! Requests with more header fields than actix-http has room for.
//!
//! Its HTTP/1 decoder reads 96 fields and refuses the rest, and no setting changes that. So the bytes of a connection pass
//! through here first: the fields of a head beyond the first ones are folded into a single one, and taken out of it again
//! before anybody looks at the request. Only who knows the name of that field, made anew at each start, could write one.

use std::io;
use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll, ready};

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use bytes::{Buf as _, Bytes, BytesMut};
use memchr::memchr;
use percent_encoding::percent_decode;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use uuid::Uuid;

use crate::request::headers::is_token;

/// Fields that actix-http reads.
const ROOM: usize = 96;
/// Fields of a head that are left where they are. The room beyond is for the folded one and for [`FRAMING`].
const PLAIN: usize = 80;
/// Fields of a head at most. More are refused, by actix-http.
const MOST: usize = 1_000;
/// Bytes of a head at most, as with actix-http.
const LONGEST: usize = 131_072;
/// Bytes of a field's name at most. One of 64 KiB makes actix-http panic.
const LONGEST_NAME: usize = 32_768;
/// What no request may have, and what actix-http refuses it for.
const REFUSED: &[u8] = b"\0";
/// How much of a line is kept that comes in pieces: enough for the fields that say where a request ends.
const KEPT: usize = 64;
/// Bytes to read at once when a head has to be waited for.
const CHUNK: usize = 8_192;
/// Fields that say how a request is to be read. They stay.
const FRAMING: [&[u8]; 6] =
    [b"content-length", b"transfer-encoding", b"host", b"connection", b"upgrade", b"expect"];

/// The field that the others are folded into.
static NAME: LazyLock<HeaderName> = LazyLock::new(|| {
    let name = format!("x-okgate-fields-{}", Uuid::new_v4().simple());
    HeaderName::from_bytes(name.as_bytes()).unwrap_or(HeaderName::from_static("x-okgate-fields"))
});

/// A request whose folded fields are none.
#[derive(Debug)]
pub struct Malformed;

/// Puts the fields that were folded back in their place.
pub fn unfold(headers: &mut HeaderMap) -> Result<(), Malformed> {
    if headers.len() < PLAIN {
        return Ok(());
    }
    let Some(folded) = headers.remove(&*NAME).next() else { return Ok(()) };
    let mut lines: Vec<u8> = percent_decode(folded.as_bytes()).collect();
    lines.extend_from_slice(b"\n\n");
    let lines = Bytes::from(lines);
    let count = memchr::memchr_iter(b'\n', &lines).count();
    let mut fields = vec![httparse::EMPTY_HEADER; count];
    // The first line end stands before the first field.
    let Ok(httparse::Status::Complete((_, fields))) =
        httparse::parse_headers(lines.get(1..).unwrap_or_default(), &mut fields)
    else {
        return Err(Malformed);
    };
    for field in fields {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| Malformed)?;
        let value = HeaderValue::from_maybe_shared(lines.slice_ref(field.value)).map_err(|_| Malformed)?;
        headers.append(name, value);
    }
    Ok(())
}

/// A connection whose requests have no more fields than there is room for.
#[derive(Debug)]
pub struct Fitting<S> {
    io: S,
    watch: Watch,
    /// Read, and not looked at yet.
    raw: BytesMut,
    /// Looked at, and not handed on yet.
    ready: Bytes,
}

impl<S> Fitting<S> {
    /// Over a connection that has just begun.
    pub fn new(io: S) -> Self {
        Self { io, watch: Watch::default(), raw: BytesMut::new(), ready: Bytes::new() }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Fitting<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            if !this.ready.is_empty() {
                let length = this.ready.len().min(buf.remaining());
                buf.put_slice(&this.ready.split_to(length));
                return Poll::Ready(Ok(()));
            }
            if this.raw.is_empty() {
                // The usual way: what is read stays where it was read to.
                let before = buf.filled().len();
                ready!(Pin::new(&mut this.io).poll_read(cx, buf))?;
                let read = buf.filled().get(before..).unwrap_or_default();
                let plain = this.watch.plain(read);
                if plain == read.len() {
                    return Poll::Ready(Ok(()));
                }
                this.raw.extend_from_slice(read.get(plain..).unwrap_or_default());
                buf.set_filled(before + plain);
                if plain > 0 {
                    return Poll::Ready(Ok(()));
                }
            }
            match this.watch.next(&this.raw) {
                Next::Plain(length) => this.ready = this.raw.split_to(length).freeze(),
                Next::Folded(head, length) => {
                    this.raw.advance(length);
                    this.ready = head;
                }
                Next::More => {
                    let mut chunk = [0; CHUNK];
                    let mut more = ReadBuf::new(&mut chunk);
                    ready!(Pin::new(&mut this.io).poll_read(cx, &mut more))?;
                    if more.filled().is_empty() {
                        this.watch.lose();
                    }
                    this.raw.extend_from_slice(more.filled());
                }
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Fitting<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// What is to be done with the bytes that come next.
enum Next {
    /// So many are handed on as they are.
    Plain(usize),
    /// This is handed on in place of so many.
    Folded(Bytes, usize),
    /// The end of the head is needed first.
    More,
}

/// Where in the requests of a connection its bytes are.
#[derive(Debug)]
enum Watch {
    /// In a head, or before one.
    Head(Head),
    /// In a body, of which so many bytes are to come.
    Body(u64),
    /// Where the next head begins cannot be said. All else is handed on as it is.
    Lost,
    /// Before a line that is no field.
    Refused,
}

impl Default for Watch {
    fn default() -> Self {
        Self::Head(Head::default())
    }
}

impl Watch {
    fn lose(&mut self) {
        *self = Self::Lost;
    }

    /// Has the request refused, and with it the connection.
    fn refuse(&mut self, bytes: &[u8]) -> Next {
        self.lose();
        Next::Folded(Bytes::from_static(REFUSED), bytes.len())
    }

    /// How many of these bytes can be handed on before a field comes that may have to be folded.
    fn plain(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            match self {
                Self::Lost => return bytes.len(),
                Self::Refused => return at,
                Self::Body(left) => {
                    let length = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                    *left -= length as u64;
                    at += length;
                    if *left == 0 {
                        *self = Self::default();
                    }
                }
                Self::Head(head) => {
                    if head.fields() >= PLAIN && head.line.is_empty() {
                        return at;
                    }
                    let end = memchr(b'\n', rest);
                    let piece = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
                    if head.is_too_long_a_name(piece) {
                        *self = Self::Refused;
                        return at;
                    }
                    at += end.map_or(rest.len(), |end| end + 1);
                    if let Some(after) = head.piece(piece, end.is_some()) {
                        *self = after;
                    }
                }
            }
        }
        at
    }

    /// What to do with bytes that begin where [`Self::plain`] stopped, or anywhere else.
    fn next(&mut self, bytes: &[u8]) -> Next {
        let plain = self.plain(bytes);
        if plain > 0 {
            return Next::Plain(plain);
        }
        if matches!(self, Self::Refused) {
            return self.refuse(bytes);
        }
        let Self::Head(head) = self else { return Next::Plain(bytes.len()) };
        let mut at = 0;
        let mut fields = head.fields();
        let mut stay: Vec<&[u8]> = Vec::new();
        let mut folded: Vec<&[u8]> = Vec::new();
        while let Some(end) = bytes.get(at..).and_then(|rest| memchr(b'\n', rest)) {
            let line = bytes.get(at..at + end).unwrap_or_default();
            at += end + 1;
            let text = line.strip_suffix(b"\r").unwrap_or(line);
            if text.is_empty() {
                for line in &stay {
                    head.whole(line);
                }
                *self = head.whole(b"").unwrap_or(Self::Lost);
                return if fields <= ROOM { Next::Plain(at) } else { Next::Folded(fold(&stay, &folded), at) };
            }
            if !is_field(text) {
                return self.refuse(bytes);
            }
            fields += 1;
            if is_framing(text) {
                stay.push(text);
            } else {
                folded.push(text);
            }
            if fields > MOST {
                break;
            }
        }
        if name(bytes.get(at..).unwrap_or_default()).len() > LONGEST_NAME {
            return self.refuse(bytes);
        }
        if fields > MOST || bytes.len() > LONGEST {
            self.lose();
            return Next::Plain(bytes.len());
        }
        Next::More
    }
}

/// The rest of a head: lines that stay, and one that holds all others.
fn fold(stay: &[&[u8]], folded: &[&[u8]]) -> Bytes {
    let mut text = BytesMut::with_capacity(folded.iter().map(|line| line.len() + 3).sum::<usize>() + 512);
    for line in stay {
        text.extend_from_slice(line);
        text.extend_from_slice(b"\r\n");
    }
    text.extend_from_slice(NAME.as_str().as_bytes());
    text.extend_from_slice(b":");
    for line in folded {
        text.extend_from_slice(b"%0A");
        for piece in line.split_inclusive(|byte| *byte == b'%') {
            text.extend_from_slice(piece);
            if piece.ends_with(b"%") {
                text.extend_from_slice(b"25");
            }
        }
    }
    text.extend_from_slice(b"\r\n\r\n");
    text.freeze()
}

/// What is before the colon.
fn name(line: &[u8]) -> &[u8] {
    line.get(..memchr(b':', line).unwrap_or(line.len())).unwrap_or_default()
}

/// Whether it begins as a field does. What does not must not be folded: then its request alone would be refused, and
/// what a gateway took for its body would be the next one.
fn is_field(line: &[u8]) -> bool {
    let name = name(line);
    name.len() < line.len() && name.len() <= LONGEST_NAME && is_token(name)
}

fn is_framing(line: &[u8]) -> bool {
    let name = name(line);
    FRAMING.iter().any(|framing| name.eq_ignore_ascii_case(framing))
}

/// What is known of the head that is being read.
#[derive(Debug, Default)]
struct Head {
    /// Lines that have ended, the request line among them.
    lines: usize,
    /// The beginning of a line whose end has not come.
    line: Vec<u8>,
    /// Whether more of that line has come than is kept.
    cut: bool,
    /// How much of its name has come.
    name: usize,
    /// Whether its colon has come.
    named: bool,
    /// The length of the body, if it was named.
    length: Option<u64>,
    /// Whether the body's end is not a matter of its length alone.
    lost: bool,
}

impl Head {
    fn fields(&self) -> usize {
        self.lines.saturating_sub(1)
    }

    /// Whether a field's name does not end where it should have, with this piece of its line.
    fn is_too_long_a_name(&self, piece: &[u8]) -> bool {
        let may_be = self.lines > 0 && !self.named && self.name + piece.len() > LONGEST_NAME;
        may_be && self.name + name(piece).len() > LONGEST_NAME
    }

    /// Takes a piece of a line, the last one or not, and says where the bytes after it are if the head ends there.
    fn piece(&mut self, piece: &[u8], ended: bool) -> Option<Watch> {
        if ended && self.line.is_empty() {
            return self.whole(piece);
        }
        let room = KEPT.saturating_sub(self.line.len()).min(piece.len());
        self.line.extend_from_slice(piece.get(..room).unwrap_or_default());
        self.cut |= room < piece.len();
        if !self.named {
            let name = name(piece).len();
            self.name += name;
            self.named = name < piece.len();
        }
        if !ended {
            return None;
        }
        (self.name, self.named) = (0, false);
        let mut line = std::mem::take(&mut self.line);
        let after = self.whole(&line);
        line.clear();
        self.line = line;
        self.cut = false;
        after
    }

    /// Takes a line without its end.
    fn whole(&mut self, line: &[u8]) -> Option<Watch> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            // Empty lines before a request do not count (RFC 9112 section 2.2).
            return (self.lines > 0).then(|| match self.length {
                _ if self.lost => Watch::Lost,
                None | Some(0) => Watch::default(),
                Some(length) => Watch::Body(length),
            });
        }
        if self.lines == 0 {
            self.lost = line.starts_with(b"CONNECT ") || line.starts_with(b"PRI ");
        } else {
            self.field(line);
        }
        self.lines += 1;
        None
    }

    /// What a field says about the body. Whatever is not beyond doubt makes the end of the request unknown.
    fn field(&mut self, line: &[u8]) {
        if !matches!(line.first(), Some(b'c' | b'C' | b't' | b'T' | b'u' | b'U' | b'e' | b'E')) {
            return;
        }
        let Some(colon) = memchr(b':', line) else { return };
        let (name, value) = line.split_at(colon);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        if name.eq_ignore_ascii_case(b"content-length") {
            let digits = !self.cut && !value.is_empty() && value.iter().all(u8::is_ascii_digit);
            let length = str::from_utf8(value).ok().and_then(|text| text.parse().ok());
            self.lost |= !digits || length.is_none() || self.length.is_some();
            self.length = length;
        } else {
            let others: [&[u8]; 3] = [b"transfer-encoding", b"upgrade", b"expect"];
            self.lost |= others.iter().any(|other| name.eq_ignore_ascii_case(other));
        }
    }
}

#[cfg(test)]
mod tests;
