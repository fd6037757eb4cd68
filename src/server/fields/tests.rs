//! Whatever comes through a connection says the same as before, and fits.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use proptest::collection::vec;
use proptest::prelude::*;
use tokio::io::{AsyncRead, AsyncReadExt as _, ReadBuf};

use super::{Fitting, MOST, NAME, ROOM, unfold};

/// A connection that gives its bytes in pieces.
struct Pieces<'b> {
    bytes: &'b [u8],
    size: usize,
}

impl AsyncRead for Pieces<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let length = self.size.min(self.bytes.len()).min(buf.remaining());
        let (now, later) = self.bytes.split_at(length);
        buf.put_slice(now);
        self.bytes = later;
        Poll::Ready(Ok(()))
    }
}

/// What comes out of a connection for what went into it.
fn through(bytes: &[u8], size: usize) -> Vec<u8> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut out = Vec::new();
    runtime.block_on(Fitting::new(Pieces { bytes, size }).read_to_end(&mut out)).unwrap();
    out
}

type Fields = Vec<(String, Vec<u8>)>;

/// The request at the beginning of some bytes: its fields as a handler sees them, its body, and what comes after it.
fn request(bytes: &[u8], room: usize) -> Option<(Fields, Vec<u8>, &[u8])> {
    let mut fields = vec![httparse::EMPTY_HEADER; room];
    let mut head = httparse::Request::new(&mut fields);
    let Ok(httparse::Status::Complete(length)) = head.parse(bytes) else { return None };
    let mut headers = HeaderMap::new();
    for field in head.headers.iter() {
        let name = HeaderName::from_bytes(field.name.as_bytes()).unwrap();
        headers.append(name, HeaderValue::from_bytes(field.value).unwrap());
    }
    unfold(&mut headers).ok()?;
    let body = headers.get("content-length").map_or(0, |v| v.to_str().unwrap().parse().unwrap());
    let (body, rest) = bytes[length..].split_at(body);
    let mut fields: Fields =
        headers.iter().map(|(n, v)| (n.as_str().to_owned(), v.as_bytes().to_vec())).collect();
    // The order of fields of different names says nothing.
    fields.sort_by(|a, b| a.0.cmp(&b.0));
    Some((fields, body.to_vec(), rest))
}

fn requests(mut bytes: &[u8], room: usize) -> Vec<(Fields, Vec<u8>)> {
    let mut all = Vec::new();
    while let Some((fields, body, rest)) = request(bytes, room) {
        all.push((fields, body));
        bytes = rest;
    }
    all
}

fn head(fields: usize, framing: &str) -> String {
    let fields: Vec<_> = (0..fields).map(|n| format!("x-{n}: a%0A{n}\r\n")).collect();
    let fields = fields.concat();
    format!("GET /a HTTP/1.1\r\nhost: a\r\n{fields}{framing}\r\n")
}

#[test]
fn two_hundred_fields_arrive_as_they_were_sent() {
    let sent = head(200, "");
    let got = through(sent.as_bytes(), 1_000);
    assert_eq!(requests(sent.as_bytes(), 300), requests(&got, ROOM));
    assert_eq!(requests(&got, ROOM).len(), 1);
}

#[test]
fn a_head_with_few_fields_is_not_touched() {
    for fields in [0, 1, 79, 80, 81, 94, 95] {
        let sent = head(fields, "");
        assert_eq!(through(sent.as_bytes(), 100), sent.as_bytes(), "{fields}");
    }
}

#[test]
fn more_fields_than_anybody_has_are_left_to_be_refused() {
    let sent = head(MOST + 10, "");
    assert_eq!(through(sent.as_bytes(), 1_000), sent.as_bytes());
}

#[test]
fn the_length_of_a_body_counts_wherever_it_is_named() {
    // What looks like a head with too many fields is the body here.
    let body = head(200, "");
    let length = format!("Content-Length: {}\r\n", body.len());
    for fields in [1, 200] {
        let sent = format!("{}{body}{}", head(fields, &length), head(150, ""));
        let got = requests(&through(sent.as_bytes(), 777), ROOM);
        assert_eq!(got, requests(sent.as_bytes(), 300));
        assert_eq!(got[0].1, body.as_bytes());
        assert_eq!(got.len(), 2);
    }
}

#[test]
fn what_follows_a_body_of_doubtful_length_is_not_touched() {
    let after = head(150, "");
    let doubtful = [
        "transfer-encoding: chunked\r\n",
        "content-length: +5\r\n",
        "content-length: 5\r\ncontent-length: 5\r\n",
        "content-length:\r\n",
        "upgrade: websocket\r\n",
        "expect: 100-continue\r\n",
        // Longer than what is kept of a line that comes in pieces.
        &format!("content-length:{}5\r\n", " ".repeat(100)),
    ];
    for framing in doubtful {
        let sent = format!("{}hello{after}", head(3, framing));
        for size in [1, 50] {
            let got = through(sent.as_bytes(), size);
            assert!(got == sent.as_bytes(), "{framing} in pieces of {size}");
        }
    }
}

#[test]
fn lines_that_are_no_fields_do_not_become_any() {
    for line in [" folded: on", "no colon", "a b: c", "x: a\rb", "x: \0"] {
        let sent =
            format!("{}{line}\r\n\r\n", head(120, "").trim_end_matches("\r\n\r\n").to_owned() + "\r\n");
        assert_eq!(requests(&through(sent.as_bytes(), 100), ROOM), [], "{line:?}");
    }
}

#[test]
fn a_name_that_does_not_end_has_its_request_refused() {
    let long = |length| format!("{}: v\r\n", "n".repeat(length));
    for fields in [1, 90, 120] {
        for size in [1_000, 100_000] {
            let fine = head(fields, &long(30_000));
            assert_eq!(requests(&through(fine.as_bytes(), size), ROOM).len(), 1, "{fields} {size}");
            let got = through(head(fields, &long(66_000)).as_bytes(), size);
            assert_eq!(requests(&got, ROOM), [], "{fields} {size}");
            assert!(got.contains(&0), "{fields} {size}");
        }
    }
}

#[test]
fn nobody_writes_the_folded_field() {
    let sent = head(85, "x-okgate-fields: %0Ax-user: root\r\n");
    let got = requests(&through(sent.as_bytes(), 100), ROOM);
    assert!(got[0].0.iter().all(|(name, _)| name != "x-user"));
    assert!(NAME.as_str().len() > 40, "{}", NAME.as_str());
}

proptest! {
    #[test]
    fn any_requests_in_any_pieces_say_the_same(
        requests_sent in vec((0_usize..150, 0_usize..300, any::<bool>()), 1..5),
        size in 1_usize..5_000,
    ) {
        let sent: String = requests_sent
            .iter()
            .map(|(fields, body, first)| {
                let length = format!("content-length: {body}\r\n");
                let head = if *first {
                    head(*fields, "").replacen("\r\n", &format!("\r\n{length}"), 1)
                } else {
                    head(*fields, &length)
                };
                head + &"\n".repeat(*body)
            })
            .collect();
        let got = through(sent.as_bytes(), size);
        let want = requests(sent.as_bytes(), 300);
        prop_assert_eq!(want.len(), requests_sent.len());
        prop_assert_eq!(requests(&got, ROOM), want);
    }

    #[test]
    fn any_bytes_come_through_without_harm(bytes in vec(any::<u8>(), 0..2_000), size in 1_usize..500) {
        // Fewer lines than a head that is touched has.
        prop_assume!(bytes.split(|byte| *byte == b'\n').count() <= 80);
        prop_assert_eq!(through(&bytes, size), bytes);
    }
}
