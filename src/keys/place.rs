//! Where a key set comes from: a file, http(s), or the URL itself.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderValue, Method, header};

use crate::upstream::{Fetch, Outgoing, OutgoingBody, shown_url};

/// A longer document is an error.
const LONGEST: usize = 1 << 20;
/// How long a server may take.
const TIMEOUT: Duration = Duration::from_secs(15);
const REDIRECTS: u8 = 10;

/// Why a URL cannot be that of a key set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Object stores come later.
    #[error("key sets from `{0}` URLs cannot be read yet")]
    NotYet(String),
    /// Neither a known scheme nor a path.
    #[error("`{0}` is not a URL that key sets can be read from")]
    Unknown(String),
    /// The rest of an inline URL is not base64.
    #[error("what follows `inline://` is not base64")]
    Inline,
}

/// A place to read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    File(PathBuf),
    Http(String),
    Inline(Bytes),
}

/// A file as it was when it was read, so that an unchanged one is not read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    modified: SystemTime,
    length: u64,
}

/// What reading gave.
#[derive(Debug)]
pub(super) enum Document {
    New(Bytes, Option<Stamp>),
    Unchanged,
}

impl Place {
    pub(super) fn parse(url: &str) -> Result<Self, UrlError> {
        let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
        match scheme.to_ascii_lowercase().as_str() {
            "http" | "https" => Ok(Self::Http(url.to_owned())),
            // Go reads what follows as a path, relative where it does not begin with a slash.
            "file" if !rest.is_empty() => Ok(Self::File(decoded_path(rest))),
            "inline" => {
                let bytes = STANDARD
                    .decode(rest)
                    .or_else(|_| URL_SAFE_NO_PAD.decode(rest.trim_end_matches('=')))
                    .map_err(|_| UrlError::Inline)?;
                Ok(Self::Inline(bytes.into()))
            }
            "s3" | "gs" | "azblob" => Err(UrlError::NotYet(format!("{scheme}://"))),
            "" if rest.starts_with(['/', '.']) => Ok(Self::File(PathBuf::from(rest))),
            _ => Err(UrlError::Unknown(shown_url(url))),
        }
    }

    /// How logs name it.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Http(url) => shown_url(url),
            Self::Inline(_) => "inline://…".to_owned(),
        }
    }

    /// Reads without waiting for the network: files and inline documents only.
    pub(super) fn read_now(&self, known: Option<Stamp>) -> Option<Result<Document, String>> {
        match self {
            Self::File(path) => Some(read_file(path, known)),
            Self::Inline(bytes) => Some(Ok(Document::New(bytes.clone(), None))),
            Self::Http(_) => None,
        }
    }

    /// Reads.
    pub(super) async fn read(&self, known: Option<Stamp>, fetch: &Rc<dyn Fetch>) -> Result<Document, String> {
        match self {
            Self::Inline(bytes) => Ok(Document::New(bytes.clone(), None)),
            Self::File(path) => {
                let path = path.clone();
                tokio::task::spawn_blocking(move || read_file(&path, known))
                    .await
                    .unwrap_or_else(|error| Err(error.to_string()))
            }
            Self::Http(url) => {
                let answer = fetch.send(request(url)).await.map_err(|error| error.to_string())?;
                if !(200..300).contains(&answer.status) {
                    return Err(format!("it answered with status {}", answer.status));
                }
                Ok(Document::New(answer.body, None))
            }
        }
    }
}

fn request(url: &str) -> Outgoing {
    Outgoing {
        method: Method::GET,
        url: url.to_owned(),
        headers: vec![(
            header::ACCEPT,
            HeaderValue::from_static("application/jwk-set+json, application/json"),
        )],
        body: OutgoingBody::default(),
        timeout: TIMEOUT,
        max_response_bytes: LONGEST,
        redirects: REDIRECTS,
    }
}

fn decoded_path(rest: &str) -> PathBuf {
    PathBuf::from(percent_encoding::percent_decode_str(rest).decode_utf8_lossy().into_owned())
}

fn read_file(path: &Path, known: Option<Stamp>) -> Result<Document, String> {
    // Looked at before it is opened: opening a pipe may wait for ever.
    let about = std::fs::metadata(path).map_err(|error| error.to_string())?;
    if !about.is_file() {
        return Err("it is not a file".to_owned());
    }
    let stamp = about.modified().ok().map(|modified| Stamp { modified, length: about.len() });
    if stamp.is_some() && stamp == known {
        return Ok(Document::Unchanged);
    }
    let mut file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    let limit = LONGEST as u64;
    file.by_ref().take(limit + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() > LONGEST {
        return Err(format!("it is longer than {LONGEST} bytes"));
    }
    Ok(Document::New(bytes.into(), stamp))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_places() {
        let file = |path: &str| Ok(Place::File(PathBuf::from(path)));
        let inline = |text: &'static str| Ok(Place::Inline(Bytes::from_static(text.as_bytes())));
        for (url, want) in [
            ("file:///etc/keys.json", file("/etc/keys.json")),
            ("file://keys.json", file("keys.json")),
            ("file://./a/keys%20b.json", file("./a/keys b.json")),
            ("/etc/keys.json", file("/etc/keys.json")),
            ("./keys.json", file("./keys.json")),
            ("https://idp.test/keys", Ok(Place::Http("https://idp.test/keys".to_owned()))),
            ("HTTP://idp.test/keys", Ok(Place::Http("HTTP://idp.test/keys".to_owned()))),
            ("inline://eyJrZXlzIjpbXX0=", inline(r#"{"keys":[]}"#)),
            ("inline://eyJrZXlzIjpbXX0", inline(r#"{"keys":[]}"#)),
            ("inline://{", Err(UrlError::Inline)),
            ("s3://bucket/keys.json", Err(UrlError::NotYet("s3://".to_owned()))),
            ("gs://bucket/keys.json", Err(UrlError::NotYet("gs://".to_owned()))),
            ("ftp://u:p@host/keys?x", Err(UrlError::Unknown("ftp://host/keys".to_owned()))),
            ("file://", Err(UrlError::Unknown("file://".to_owned()))),
            ("keys.json", Err(UrlError::Unknown("keys.json".to_owned()))),
        ] {
            assert_eq!(Place::parse(url), want, "{url}");
        }
    }

    #[test]
    fn an_unchanged_file_is_not_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        std::fs::write(&path, "one").unwrap();
        let Ok(Document::New(bytes, stamp)) = read_file(&path, None) else { panic!("not read") };
        assert_eq!(&bytes[..], b"one");
        assert!(matches!(read_file(&path, stamp), Ok(Document::Unchanged)));
        std::fs::write(&path, "three").unwrap();
        assert!(matches!(read_file(&path, stamp), Ok(Document::New(..))));
        std::fs::write(&path, vec![b' '; LONGEST + 1]).unwrap();
        assert_eq!(read_file(&path, None).unwrap_err(), "it is longer than 1048576 bytes");
        std::fs::remove_file(&path).unwrap();
        assert!(read_file(&path, stamp).is_err());
    }
}
