//! Answers: how one is read to its end, within its limit, and inflated.

use std::io::Read as _;
use std::pin::pin;

use actix_http::error::PayloadError;
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _};
use http::{HeaderName, HeaderValue, header};

use super::{FetchError, Incoming, connection};

/// Reads an answer of at most `limit` bytes. `url` is for messages. `whole`: whether a body of the promised length
/// has to follow, which it does not after HEAD.
pub(super) async fn read(
    url: &str,
    status: u16,
    mut headers: Vec<(HeaderName, HeaderValue)>,
    pieces: impl Stream<Item = Result<Bytes, PayloadError>>,
    limit: usize,
    whole: bool,
) -> Result<Incoming, FetchError> {
    let broken = |reason: String| FetchError::Protocol { url: url.to_owned(), reason };
    let too_large = || FetchError::TooLarge { url: url.to_owned(), limit };
    let mut pieces = pin!(pieces);
    let mut body = BytesMut::new();
    // Without either, a body ends with its connection (RFC 9112 section 6.3).
    let framed =
        headers.iter().any(|(name, _)| [header::CONTENT_LENGTH, header::TRANSFER_ENCODING].contains(name));
    while let Some(piece) = pieces.next().await {
        let piece = match piece {
            Ok(piece) => piece,
            Err(PayloadError::Incomplete(Some(error)) | PayloadError::Io(error)) => {
                if !framed && connection::is_end(&error) {
                    break;
                }
                return Err(broken(error.to_string()));
            }
            Err(error) => return Err(broken(error.to_string())),
        };
        if body.len() + piece.len() > limit {
            return Err(too_large());
        }
        body.extend_from_slice(&piece);
    }
    let field = |name| headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value);
    let promised: Option<usize> =
        field(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if let Some(length) = promised.filter(|_| whole)
        && body.len() < length
    {
        return Err(broken(format!("{} of {length} bytes came", body.len())));
    }
    let coding = field(header::CONTENT_ENCODING).cloned();
    let mut body = body.freeze();
    if let Some(coding) = coding.filter(|coding| !body.is_empty() && coding != "identity") {
        body = inflate(&coding, &body, limit).map_err(|error| match error {
            Inflating::TooLarge => too_large(),
            Inflating::Broken(reason) => broken(reason),
        })?;
        headers.retain(|(name, _)| *name != header::CONTENT_ENCODING && *name != header::CONTENT_LENGTH);
    }
    Ok(Incoming { status, headers, body })
}

enum Inflating {
    TooLarge,
    Broken(String),
}

/// Inflates a body to at most `limit` bytes. Done here, because awc's own decoder knows no limit.
fn inflate(coding: &HeaderValue, body: &[u8], limit: usize) -> Result<Bytes, Inflating> {
    if !coding.as_bytes().eq_ignore_ascii_case(b"gzip") {
        return Err(Inflating::Broken(format!("content encoding {coding:?} was not asked for")));
    }
    let mut inflated = Vec::new();
    flate2::read::MultiGzDecoder::new(body)
        .take(limit as u64 + 1)
        .read_to_end(&mut inflated)
        .map_err(|error| Inflating::Broken(error.to_string()))?;
    if inflated.len() > limit { Err(Inflating::TooLarge) } else { Ok(inflated.into()) }
}
