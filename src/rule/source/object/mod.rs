//! `s3://`, `gs://` and `azblob://`: a document in an object store, `scheme://bucket/key?options`.
//!
//! The library `object_store` knows the stores' addresses, credentials and signatures
//! ([docs/decisions/0013](../../../../docs/decisions/0015-object-stores.md)); [`calls`] makes its calls with our
//! client and [`crypto`] its signatures with OpenSSL.

mod calls;
mod credentials_file;
mod crypto;
mod vendors;

use std::rc::Rc;
use std::sync::{Arc, OnceLock};

use futures_util::future::LocalBoxFuture;
use object_store::path::Path;
use object_store::{Error, GetOptions};
use tokio::sync::{Mutex, mpsc};

use self::calls::{Call, Outcome};
use self::vendors::Store;
use super::{Failure, Fetched, RuleSource, Version, text_of};
use crate::diagnostic::Finding;
use crate::diagnostic::text::{one_line, one_of, quote};
use crate::upstream::{Fetch, FetchError};

/// An object of a store.
struct Object {
    place: Place,
    store: OnceLock<Arc<Opened>>,
}

/// Where an object is.
struct Place {
    scheme: &'static str,
    bucket: String,
    key: Path,
    options: Vec<(String, String)>,
}

/// A store with its credentials, and the calls it wants to make.
struct Opened {
    store: Store,
    calls: Mutex<mpsc::UnboundedReceiver<Call>>,
}

pub(super) fn open(entry: &str, scheme: &str, _: &str) -> Result<Box<dyn RuleSource>, Finding> {
    let (scheme, known) = vendors::options(scheme);
    let refuse = |why: String| {
        let message = format!("{}: {why}", quote(&super::name(entry)));
        Finding::error("unknown-source", "", message)
            .help(format!("write `{scheme}://bucket/path/rules.yaml`, with options after `?`"))
    };
    let url = url::Url::parse(entry).map_err(|error| refuse(error.to_string()))?;
    let bucket = url.host_str().filter(|host| !host.is_empty());
    let bucket = bucket.ok_or_else(|| refuse("it names no bucket".to_owned()))?.to_owned();
    let key = Path::from_url_path(url.path()).map_err(|_| refuse("it names no usable key".to_owned()))?;
    if key.as_ref().is_empty() {
        return Err(refuse("it names no object of the bucket".to_owned()));
    }
    let options: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    if let Some((name, _)) = options.iter().find(|(name, _)| !known.contains(&name.as_str())) {
        return Err(refuse(format!(
            "there is no option {}, but {}",
            quote(name),
            one_of(known.iter().copied())
        )));
    }
    Ok(Box::new(Object { place: Place { scheme, bucket, key, options }, store: OnceLock::new() }))
}

impl RuleSource for Object {
    fn is_remote(&self) -> bool {
        true
    }

    fn fetch<'a>(
        &'a self,
        known: Option<&'a Version>,
        fetch: &'a Rc<dyn Fetch>,
    ) -> LocalBoxFuture<'a, Result<Fetched, Failure>> {
        Box::pin(async move {
            let opened = self.opened()?;
            opened.get(&self.place.key, known.and_then(|version| version.etag.clone()), fetch).await
        })
    }
}

impl Object {
    /// The store. Made when it is first needed: its credentials may come later than this server.
    fn opened(&self) -> Result<Arc<Opened>, Failure> {
        if let Some(opened) = self.store.get() {
            return Ok(Arc::clone(opened));
        }
        let (connector, calls) = calls::channel();
        let store = vendors::open(&self.place, connector, &|name| std::env::var(name).ok())
            .map_err(|why| Failure::new(format!("it cannot be asked: {}", one_line(&why))))?;
        let opened = Arc::new(Opened { store, calls: Mutex::new(calls) });
        Ok(Arc::clone(self.store.get_or_init(|| opened)))
    }
}

impl Opened {
    async fn get(&self, key: &Path, etag: Option<String>, fetch: &Rc<dyn Fetch>) -> Result<Fetched, Failure> {
        let mut calls = self.calls.lock().await;
        let options = GetOptions { if_none_match: etag, ..GetOptions::default() };
        let read = async {
            let object = self.store.get(key, options).await?;
            let etag = object.meta.e_tag.clone();
            Ok((object.bytes().await?, etag))
        };
        tokio::pin!(read);
        let mut last = None;
        let read: Result<_, Error> = loop {
            tokio::select! {
                read = &mut read => break read,
                Some(call) = calls.recv() => last = Some(call.make(fetch).await),
            }
        };
        match read {
            Ok((bytes, etag)) => {
                let text = text_of(bytes.into()).map_err(Failure::new)?;
                let version = etag.map(|etag| Version { etag: Some(etag), last_modified: None });
                Ok(Fetched::Document(text, version))
            }
            Err(Error::NotModified { .. }) => Ok(Fetched::Unchanged),
            Err(error) => Err(Failure::new(reason(&error, last))),
        }
    }
}

/// Why there is no document, by the last call: what the library says of it may hold signatures.
fn reason(error: &Error, last: Option<Result<Outcome, FetchError>>) -> String {
    match last {
        Some(Err(error)) => error.to_string(),
        Some(Ok(Outcome { status, code: Some(code) })) if status >= 300 => {
            format!("it answered with status {status}, `{code}`")
        }
        Some(Ok(Outcome { status, .. })) if status >= 300 => format!("it answered with status {status}"),
        Some(Ok(_)) => "what it answered cannot be read".to_owned(),
        None => format!("it cannot be asked: {}", one_line(&error.to_string())),
    }
}

#[cfg(test)]
mod tests;
