//! What an answer without `Content-Type` holds (WHATWG MIME Sniffing, the part of it that Go's servers know and
//! Oathkeeper therefore says).

/// How many bytes count.
const LOOKED_AT: usize = 512;

/// Tags that begin a page, and have to be followed by a blank or `>`.
const TAGS: &[&str] = &[
    "<!DOCTYPE HTML",
    "<HTML",
    "<HEAD",
    "<SCRIPT",
    "<IFRAME",
    "<H1",
    "<DIV",
    "<FONT",
    "<TABLE",
    "<A",
    "<STYLE",
    "<TITLE",
    "<B",
    "<BODY",
    "<BR",
    "<P",
    "<!--",
];

/// What begins a file of a kind.
const BEGINNINGS: &[(&[u8], &str)] = &[
    (b"%PDF-", "application/pdf"),
    (b"%!PS-Adobe-", "application/postscript"),
    (b"\xFE\xFF", "text/plain; charset=utf-16be"),
    (b"\xFF\xFE", "text/plain; charset=utf-16le"),
    (b"\xEF\xBB\xBF", "text/plain; charset=utf-8"),
    (b"\0\0\x01\0", "image/x-icon"),
    (b"\0\0\x02\0", "image/x-icon"),
    (b"BM", "image/bmp"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"\x89PNG\r\n\x1A\n", "image/png"),
    (b"\xFF\xD8\xFF", "image/jpeg"),
    (b"OggS\0", "application/ogg"),
    (b"wOFF", "font/woff"),
    (b"wOF2", "font/woff2"),
    (b"\0asm", "application/wasm"),
    (b"\x1F\x8B\x08", "application/x-gzip"),
    (b"PK\x03\x04", "application/zip"),
];

/// The content type of a body by its beginning.
pub(super) fn content_type(body: &[u8]) -> &'static str {
    let body = body.get(..LOOKED_AT).unwrap_or(body);
    let text = body.trim_ascii_start();
    if TAGS.iter().any(|tag| begins_with_tag(text, tag.as_bytes())) {
        return "text/html; charset=utf-8";
    }
    if text.starts_with(b"<?xml") {
        return "text/xml; charset=utf-8";
    }
    if let Some((_, kind)) = BEGINNINGS.iter().find(|(begin, _)| body.starts_with(begin)) {
        return kind;
    }
    if body.starts_with(b"RIFF") && body.get(8..14) == Some(b"WEBPVP") {
        return "image/webp";
    }
    let is_binary = |byte: &u8| matches!(byte, 0..=8 | 0x0B | 0x0E..=0x1A | 0x1C..=0x1F);
    if text.iter().any(is_binary) { "application/octet-stream" } else { "text/plain; charset=utf-8" }
}

fn begins_with_tag(text: &[u8], tag: &[u8]) -> bool {
    let Some((begin, rest)) = text.split_at_checked(tag.len()) else { return false };
    begin.eq_ignore_ascii_case(tag) && matches!(rest.first(), Some(b' ' | b'>'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_what_it_begins_like() {
        for (body, want) in [
            (&b"up"[..], "text/plain; charset=utf-8"),
            (b"{\"a\":1}", "text/plain; charset=utf-8"),
            (b"  \n<!doctype html><html>", "text/html; charset=utf-8"),
            (b"<p>x", "text/html; charset=utf-8"),
            (b"<pre>", "text/plain; charset=utf-8"),
            (b"<p", "text/plain; charset=utf-8"),
            (b"<?xml version=\"1.0\"?>", "text/xml; charset=utf-8"),
            (b"%PDF-1.7", "application/pdf"),
            (b"\x89PNG\r\n\x1A\n....", "image/png"),
            (b"RIFF1234WEBPVP8 ", "image/webp"),
            (b"a\0b", "application/octet-stream"),
            ("h\u{e9}llo".as_bytes(), "text/plain; charset=utf-8"),
        ] {
            assert_eq!(content_type(body), want, "{}", String::from_utf8_lossy(body));
        }
    }
}
