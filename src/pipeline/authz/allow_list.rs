//! `allow_list`: whoever is on a list may: by subject, email, email domain or group.
//!
//! The lists stand in the configuration, in a file that is read again when it changes, or both. An empty list
//! lets nobody pass, and neither does a session that says nothing of what is asked for.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use crate::config::document;
use crate::diagnostic::Finding;
use crate::pipeline::files::path_of;
use crate::pipeline::handler::{Answer, Authorizer, BuildContext, Exchange, Registration};
use crate::pipeline::json_path::JsonPath;
use crate::pipeline::session::Session;
use crate::pipeline::{Denial, Detail, settings};

/// The `allow_list` authorizer. Not in Oathkeeper.
pub const REGISTRATION: Registration<dyn Authorizer> = Registration {
    id: "allow_list",
    build: |context, config| Ok(Box::new(AllowList::build(context, config)?)),
};

#[derive(Deserialize)]
#[serde(default)]
struct Settings {
    #[serde(flatten)]
    people: Written,
    email_from: String,
    email_verified_from: String,
    groups_from: String,
    #[serde(rename = "match")]
    matching: Matching,
    file: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            people: Written::default(),
            email_from: "email".to_owned(),
            email_verified_from: String::new(),
            groups_from: "groups".to_owned(),
            matching: Matching::Any,
            file: None,
        }
    }
}

/// How many of the lists somebody has to be on.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Matching {
    /// One is enough.
    Any,
    /// All that have an entry.
    All,
}

/// The lists as they are written, in the configuration or in a file.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Written {
    subjects: Vec<String>,
    emails: Vec<String>,
    email_domains: Vec<String>,
    groups: Vec<String>,
}

/// The names that a file may hold.
const LISTS: [&str; 4] = ["subjects", "emails", "email_domains", "groups"];

/// The lists. Emails and their domains are in lower case: mail systems make no difference.
#[derive(Default)]
struct People {
    subjects: HashSet<String>,
    emails: HashSet<String>,
    email_domains: HashSet<String>,
    groups: HashSet<String>,
}

struct AllowList {
    people: People,
    /// More of them.
    from_file: Option<Arc<People>>,
    email_from: JsonPath,
    email_verified_from: Option<JsonPath>,
    groups_from: JsonPath,
    matching: Matching,
}

impl AllowList {
    fn build(context: &BuildContext<'_>, config: &Value) -> Result<Self, Vec<Finding>> {
        let settings: Settings = settings(config)?;
        let mut findings = Vec::new();
        let mut path = |key: &str, path: &str| {
            JsonPath::compile(path).map_err(|why| {
                let message = format!("`{path}` is not a GJSON path: {why}");
                findings.push(Finding::error("invalid-path", format!("/{key}"), message));
            })
        };
        let email_from = path("email_from", &settings.email_from);
        let groups_from = path("groups_from", &settings.groups_from);
        let verified = Some(settings.email_verified_from.as_str()).filter(|path| !path.is_empty());
        let verified = verified.map(|written| path("email_verified_from", written)).transpose();
        let file = settings.file.as_deref().map(|file| {
            context.shared.files.read(&path_of(file), |text| People::read(text, file)).map_err(|why| {
                let finding = Finding::error("unreadable-file", "/file", why);
                findings.push(finding.help("as long as there is no list, nobody may pass"));
            })
        });
        match (email_from, groups_from, verified, file.transpose()) {
            (Ok(email_from), Ok(groups_from), Ok(email_verified_from), Ok(from_file)) => Ok(Self {
                people: People::new(settings.people),
                from_file,
                email_from,
                email_verified_from,
                groups_from,
                matching: settings.matching,
            }),
            _ => Err(findings),
        }
    }

    fn lists(&self) -> impl Iterator<Item = &People> {
        std::iter::once(&self.people).chain(self.from_file.as_deref())
    }

    /// Whether somebody is on a list; `None` where the list is empty.
    fn has(&self, list: fn(&People) -> &HashSet<String>, names: &[Cow<'_, str>]) -> Option<bool> {
        let mut there_is_one = false;
        let mut has = false;
        for list in self.lists().map(list) {
            there_is_one |= !list.is_empty();
            has |= names.iter().any(|name| list.contains(&**name));
        }
        there_is_one.then_some(has)
    }

    fn may_pass(&self, session: &Session) -> Result<(), &'static str> {
        let subject = [Cow::Borrowed(&*session.subject)];
        let emails = self.emails(session);
        let domains: Vec<_> = emails.iter().filter_map(|email| domain(email)).map(Cow::Borrowed).collect();
        let groups = texts(session, &self.groups_from);
        let has = [
            self.has(|people| &people.subjects, &subject),
            self.has(|people| &people.emails, &emails),
            self.has(|people| &people.email_domains, &domains),
            self.has(|people| &people.groups, &groups),
        ];
        let mut asked = has.iter().flatten().peekable();
        if asked.peek().is_none() {
            return Err("allow-list-empty");
        }
        let passes = match self.matching {
            Matching::Any => asked.any(|has| *has),
            Matching::All => asked.all(|has| *has),
        };
        if passes { Ok(()) } else { Err("not-on-the-list") }
    }

    /// The session's emails in lower case. Where it matters whether they are verified, only if they are.
    fn emails<'s>(&self, session: &'s Session) -> Vec<Cow<'s, str>> {
        if let Some(path) = &self.email_verified_from {
            let verified = session.extra.as_deref().and_then(|extra| path.find_in(extra));
            let yes = match verified.as_deref() {
                Some(Value::Bool(verified)) => *verified,
                // As some services write it.
                Some(Value::String(verified)) => verified == "true",
                _ => false,
            };
            if !yes {
                return Vec::new();
            }
        }
        let mut emails = texts(session, &self.email_from);
        for email in &mut emails {
            if email.bytes().any(|byte| byte.is_ascii_uppercase()) {
                *email = Cow::Owned(email.to_ascii_lowercase());
            }
        }
        emails
    }
}

impl Authorizer for AllowList {
    fn authorize<'a>(&'a self, exchange: &'a mut Exchange<'_>) -> Answer<'a, ()> {
        let passes = self.may_pass(&exchange.session);
        Answer::Now(passes.map_err(|id| Denial::Forbidden { why: Detail::id(id) }))
    }

    fn uses_captures(&self) -> bool {
        false
    }
}

impl People {
    fn new(written: Written) -> Self {
        let lower = |list: Vec<String>| list.into_iter().map(|entry| entry.to_ascii_lowercase());
        Self {
            subjects: written.subjects.into_iter().collect(),
            emails: lower(written.emails).collect(),
            // `@example.com` means the same.
            email_domains: lower(written.email_domains)
                .map(|domain| domain.strip_prefix('@').map_or_else(|| domain.clone(), str::to_owned))
                .collect(),
            groups: written.groups.into_iter().collect(),
        }
    }

    /// Reads the lists of a file, YAML or JSON.
    fn read(text: &str, name: &str) -> Result<Self, String> {
        let document =
            document::parse(text, name).map_err(|finding| format!("`{name}`: {}", finding.message))?;
        let lists = match document.value {
            // More likely half written than meant.
            Value::Null => {
                return Err(format!("`{name}` is empty; an empty list is written as `subjects: []`"));
            }
            Value::Object(lists) => lists,
            _ => return Err(format!("`{name}` must hold `subjects`, `emails`, `email_domains` or `groups`")),
        };
        if let Some(unknown) = lists.keys().find(|key| !LISTS.contains(&key.as_str())) {
            return Err(format!("there is no list `{unknown}` in `{name}`"));
        }
        let written = Written::deserialize(Value::Object(lists));
        let written = written.map_err(|_| format!("a list in `{name}` is not a list of texts"))?;
        let all = [&written.subjects, &written.emails, &written.email_domains, &written.groups];
        if all.into_iter().flatten().any(String::is_empty) {
            return Err(format!("an entry in `{name}` is empty"));
        }
        Ok(Self::new(written))
    }
}

/// The texts that a path finds: one, or a list of them. Whole numbers count as texts.
fn texts<'s>(session: &'s Session, path: &JsonPath) -> Vec<Cow<'s, str>> {
    let found = session.extra.as_deref().and_then(|extra| path.find_in(extra));
    match found {
        Some(Cow::Borrowed(Value::Array(items))) => items.iter().filter_map(text).collect(),
        Some(Cow::Borrowed(value)) => text(value).into_iter().collect(),
        Some(Cow::Owned(Value::Array(items))) => {
            items.iter().filter_map(text).map(|text| Cow::Owned(text.into_owned())).collect()
        }
        Some(Cow::Owned(value)) => {
            text(&value).map(|text| Cow::Owned(text.into_owned())).into_iter().collect()
        }
        None => Vec::new(),
    }
}

fn text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) if !text.is_empty() => Some(Cow::Borrowed(text)),
        Value::Number(number) if !number.is_f64() => Some(Cow::Owned(number.to_string())),
        _ => None,
    }
}

/// The domain of an email address that is one.
fn domain(email: &str) -> Option<&str> {
    let (local, domain) = email.split_once('@')?;
    (!local.is_empty() && !domain.contains('@')).then_some(domain)
}

#[cfg(test)]
mod tests;
