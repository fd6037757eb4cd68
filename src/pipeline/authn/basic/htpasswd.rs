//! htpasswd files: a user and a password hash a line, bcrypt (`htpasswd -B`) or argon2.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::str::FromStr as _;

use argon2::password_hash::{PasswordHash, PasswordVerifier as _};
use argon2::{Argon2, Params};

use super::super::credential_file::Read;

/// A hash that costs more is left out: each try would hold a thread for seconds.
const DEAREST_BCRYPT: u32 = 14;
/// The same for argon2: KiB of memory, and passes over it.
const DEAREST_ARGON2: (u32, u32) = (256 << 10, 16);

/// Users and their hashes.
#[derive(Debug, Default)]
pub(super) struct Users {
    /// The place of a user's hash.
    places: HashMap<Vec<u8>, usize>,
    hashes: Vec<Hash>,
    /// Says, with a secret of this process, whose hash is tried for a user who is not there.
    others: RandomState,
}

/// A password hash that can be tried.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Hash {
    Bcrypt(String),
    Argon2(String),
}

impl std::fmt::Debug for Hash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

impl Users {
    /// Reads a file. Of a user's lines the first counts, as for web servers. Any text is such a file: lines
    /// that are not as they should be are left out.
    #[expect(clippy::unnecessary_wraps, reason = "the readers of all credential files look the same")]
    pub(super) fn read(text: &str) -> Result<Read<Self>, String> {
        let mut users = Self::default();
        let mut notes = Vec::new();
        for (number, line) in text.lines().enumerate().map(|(index, line)| (index + 1, line.trim())) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let Some((user, hash)) = line.split_once(':').filter(|(user, _)| !user.is_empty()) else {
                notes.push(format!("line {number} is not `user:hash`"));
                continue;
            };
            match Hash::read(hash.trim()) {
                Ok(hash) => {
                    if users.places.contains_key(user.as_bytes()) {
                        notes.push(format!("line {number} is about a user who has one already"));
                    } else {
                        users.places.insert(user.as_bytes().to_vec(), users.hashes.len());
                        users.hashes.push(hash);
                    }
                }
                Err(why) => notes.push(format!("the hash in line {number} {why}")),
            }
        }
        Ok(Read { content: users, notes })
    }

    /// The hash to try a user's password against, and whether it is the user's own. Each of the others has one of the
    /// file's, always the same one: whatever hashes cost, the time of a try does not say who is there.
    pub(super) fn hash(&self, user: &[u8]) -> Option<(&Hash, bool)> {
        if let Some(own) = self.places.get(user) {
            return Some((self.hashes.get(*own)?, true));
        }
        let count = u64::try_from(self.hashes.len()).ok()?;
        let place = self.others.hash_one(user).checked_rem(count)?;
        Some((self.hashes.get(usize::try_from(place).ok()?)?, false))
    }
}

impl Hash {
    fn read(text: &str) -> Result<Self, &'static str> {
        if text.starts_with("$2") {
            let parts = bcrypt::HashParts::from_str(text).map_err(|_| "is broken")?;
            if !(4..=DEAREST_BCRYPT).contains(&parts.get_cost()) {
                return Err("is too costly to try");
            }
            return Ok(Self::Bcrypt(text.to_owned()));
        }
        if text.starts_with("$argon2") {
            let hash = PasswordHash::new(text).map_err(|_| "is broken")?;
            let params = Params::try_from(&hash).map_err(|_| "is broken")?;
            if hash.hash.is_none() || hash.salt.is_none() {
                return Err("is broken");
            }
            if params.m_cost() > DEAREST_ARGON2.0 || params.t_cost() > DEAREST_ARGON2.1 {
                return Err("is too costly to try");
            }
            return Ok(Self::Argon2(text.to_owned()));
        }
        Err("is neither bcrypt nor argon2")
    }

    /// The text of the hash: what a user's entry is told apart by.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Bcrypt(text) | Self::Argon2(text) => text,
        }
    }

    /// Tries a password, in the time that the hash was made to cost. Nothing else ever compares one; what comes out of
    /// the hash functions is compared in constant time by their libraries.
    pub(super) fn fits(&self, password: &[u8]) -> bool {
        #[cfg(test)]
        if let Ok(mut tried) = tests::TRIED.lock() {
            tried.push(self.text().to_owned());
        }
        match self {
            Self::Bcrypt(hash) => bcrypt::verify(password, hash).unwrap_or(false),
            Self::Argon2(hash) => PasswordHash::new(hash)
                .is_ok_and(|hash| Argon2::default().verify_password(password, &hash).is_ok()),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Mutex;

    use super::*;

    /// The hashes that passwords were tried against, by whatever test of this process.
    pub(in super::super) static TRIED: Mutex<Vec<String>> = Mutex::new(Vec::new());

    #[test]
    fn lines_and_what_becomes_of_them() {
        let good = bcrypt::hash("secret", 4).unwrap();
        let text = format!(
            "# people\n\nada:{good}\n  bob:{good}  \nada:{good}\nnobody\n:x\n\
             eve:{{SHA}}5en6G6MezRroT3XKqkdPOmY/BfQ=\nmal:$apr1$x$y\nold:$2y$31${}\nbad:$2y$10$x\n\
             gus:$argon2id$v=19$m=9999999,t=2,p=1$c29tZXNhbHQ$RdescudvJCsgt3ub+b4dWRWJTmaaJObG\n\
             tim:$argon2id$v=19$m=64,t=2,p=1$c29tZXNhbHQ$RdescudvJCsgt3ub+b4dWRWJTmaaJObG\n",
            "a".repeat(53)
        );
        let read = Users::read(&text).unwrap();
        assert_eq!(
            read.notes,
            [
                "line 5 is about a user who has one already",
                "line 6 is not `user:hash`",
                "line 7 is not `user:hash`",
                "the hash in line 8 is neither bcrypt nor argon2",
                "the hash in line 9 is neither bcrypt nor argon2",
                "the hash in line 10 is too costly to try",
                "the hash in line 11 is broken",
                "the hash in line 12 is too costly to try",
            ]
        );
        let own: Vec<&str> = ["ada", "bob", "tim", "eve", "gus", "zoe"]
            .into_iter()
            .filter(|user| read.content.hash(user.as_bytes()).is_some_and(|(_, own)| own))
            .collect();
        assert_eq!(own, ["ada", "bob", "tim"]);
        assert!(Users::read("").unwrap().content.hash(b"ada").is_none());
    }

    #[test]
    fn passwords_are_tried() {
        let bcrypt = bcrypt::hash("s\u{e9}cret", 4).unwrap();
        // By the argon2 reference implementation: `password`, salt `somesalt`.
        let argon2 = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
        for (hash, password, fits) in [
            (bcrypt.as_str(), "s\u{e9}cret", true),
            (&bcrypt, "secret", false),
            (&bcrypt, "", false),
            (argon2, "password", true),
            (argon2, "Password", false),
        ] {
            assert_eq!(Hash::read(hash).unwrap().fits(password.as_bytes()), fits, "{hash} {password}");
        }
    }
}
