//! `basic`: user and password are those of an htpasswd file.
//!
//! Trying a password is made to be slow. It happens on threads of their own, as many at a time as half of
//! the machine can bear, once for all who ask the same; what came of it is remembered for a while, under a
//! digest. So a flood of good requests costs nothing, and a flood of bad ones keeps nobody else waiting.

mod htpasswd;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use http::{HeaderName, HeaderValue, header};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use self::htpasswd::{Hash, Users};
use super::{basic_credentials, credential_file};
use crate::cache::{Cache, Key, Space};
use crate::diagnostic::Finding;
use crate::pipeline::handler::{Answer, Authentication, Authenticator, BuildContext, Exchange, Registration};
use crate::pipeline::{Denial, Detail, settings};
use crate::upstream::backend::Fault;
use crate::upstream::calls::Calls;

/// The `basic` authenticator.
pub const REGISTRATION: Registration<dyn Authenticator> =
    Registration { id: "basic", build: |context, config| Ok(Box::new(Basic::build(context, config)?)) };

/// Seconds that a password that fits is remembered. Another hash in the file is another entry.
const REMEMBER: u64 = 300;
/// Seconds that one that does not is.
const REMEMBER_WRONG: u64 = 10;
/// How long a request waits for its turn to have its password tried.
const PATIENCE: Duration = Duration::from_secs(2);
/// A longer password is wrong without trying.
const LONGEST_PASSWORD: usize = 1024;

/// Turns to try passwords, over all workers.
static TURNS: LazyLock<Arc<Semaphore>> = LazyLock::new(|| {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    Arc::new(Semaphore::new((cores / 2).max(1)))
});

#[derive(Deserialize)]
struct Settings {
    htpasswd_file: String,
}

struct Basic {
    /// None where the file was never good.
    users: Option<Arc<Users>>,
    space: Space,
    cache: Arc<Cache>,
    calls: Arc<Calls>,
}

impl Basic {
    fn build(context: &BuildContext<'_>, config: &Value) -> Result<Self, Vec<Finding>> {
        let settings: Settings = settings(config)?;
        Ok(Self {
            users: credential_file::open(context, &settings.htpasswd_file, Users::read),
            // The key holds the hash, so files need not be told apart.
            space: Space::new("basic", &[]),
            cache: Arc::clone(&context.shared.cache),
            calls: Arc::clone(&context.shared.calls),
        })
    }

    /// Whether the password is the user's, if that is known without trying.
    fn remembered(&self, attempt: &Attempt, now: u64) -> Option<bool> {
        self.cache.get::<bool>(&attempt.key, now).map(|fits| *fits && attempt.own)
    }

    fn attempt(&self, users: &Users, user: &[u8], password: &[u8]) -> Option<Attempt> {
        let (hash, own) = users.hash(user)?;
        let parts = [user, password, hash.text().as_bytes()];
        let key = Key::new(self.space, &parts);
        Some(Attempt { hash: hash.clone(), own, password: password.to_vec(), key })
    }

    /// Tries the password, with everybody who asks the same.
    async fn fits(&self, attempt: Attempt, now: u64) -> Result<bool, Denial> {
        let tried = self.calls.share(attempt.key, Instant::now() + 2 * PATIENCE, async || {
            if let Some(known) = self.cache.get::<bool>(&attempt.key, now) {
                return Ok(known);
            }
            let busy = || Fault::Busy("too many passwords were waiting to be tried".to_owned());
            let Ok(Ok(turn)) = timeout(PATIENCE, Arc::clone(&TURNS).acquire_owned()).await else {
                return Err(busy());
            };
            let (hash, password) = (attempt.hash.clone(), attempt.password.clone());
            let trying = tokio::task::spawn_blocking(move || {
                // Trying goes on when the request is given up, and the turn lasts as long.
                let _turn = turn;
                hash.fits(&password)
            });
            let fits = Arc::new(trying.await.map_err(|_| busy())?);
            let until = now.saturating_add(if *fits { REMEMBER } else { REMEMBER_WRONG });
            self.cache.put(attempt.key, Arc::clone(&fits), size_of::<bool>(), until);
            Ok(fits)
        });
        match tried.await {
            Ok(fits) => Ok(*fits && attempt.own),
            Err(fault) => {
                let why = Detail::id("too-many-attempts").log(fault);
                let headers: Vec<(HeaderName, HeaderValue)> =
                    vec![(header::RETRY_AFTER, HeaderValue::from_static("1"))];
                Err(Denial::TooManyRequests { why, headers })
            }
        }
    }
}

/// A password that is to be tried.
struct Attempt {
    hash: Hash,
    /// Whether the hash is that of the user, who is there.
    own: bool,
    password: Vec<u8>,
    key: Key,
}

impl Authenticator for Basic {
    fn authenticate<'a>(&'a self, exchange: &'a mut Exchange<'_>) -> Answer<'a, Authentication> {
        let Some((user, password)) = basic_credentials::find(exchange.request.headers()) else {
            return Answer::Now(Ok(Authentication::NotResponsible));
        };
        if password.len() > LONGEST_PASSWORD {
            return Answer::Now(Err(wrong()));
        }
        let Some(users) = &self.users else { return Answer::Now(Err(credential_file::unreadable())) };
        let Some(attempt) = self.attempt(users, &user, &password) else { return Answer::Now(Err(wrong())) };
        let now = exchange.context.now();
        if let Some(fits) = self.remembered(&attempt, now) {
            return Answer::Now(admit(exchange, &user, fits));
        }
        Answer::Later(Box::pin(async move {
            let fits = self.fits(attempt, now).await?;
            admit(exchange, &user, fits)
        }))
    }
}

fn admit(exchange: &mut Exchange<'_>, user: &[u8], fits: bool) -> Result<Authentication, Denial> {
    let Some(user) = std::str::from_utf8(user).ok().filter(|_| fits) else { return Err(wrong()) };
    exchange.session.subject = Arc::from(user);
    exchange.session.extra = None;
    Ok(Authentication::Subject)
}

/// The same words, whatever is wrong.
fn wrong() -> Denial {
    Denial::Unauthenticated { why: Detail::id("credentials-wrong").public("credentials-wrong") }
}

#[cfg(test)]
mod tests;
