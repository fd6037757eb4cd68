//! Labels of requests: a bounded number of combinations, whatever is asked.
//!
//! Clients choose methods, paths, and over the proxy statuses. Methods are those that have a meaning, paths the known
//! ones and the first others to come. So many combinations are told apart; after that, a new one counts as its class
//! of status and nothing else. Known paths have room that others cannot take.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

/// Paths that are told apart where the first segment counts, beside known ones.
const SEGMENTS: usize = 100;
/// The same where all of a path counts.
const WHOLE_PATHS: usize = 1000;
/// Combinations that any paths can have, and those that known paths can have.
const ANY: usize = 2000;
const KNOWN: usize = 3000;
/// A longer path is not told apart.
const LONGEST_PATH: usize = 200;

/// How many combinations there are at most.
pub(super) const MOST: usize = KNOWN;

/// What stands for everything that is not told apart. No path is written like it.
const OTHER: &str = "other";

/// Methods that are told apart (RFC 9110 section 9, RFC 5789), the most frequent first. The last is for all others.
const METHODS: [&str; 10] =
    ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "CONNECT", "TRACE", OTHER];
const OTHER_METHOD: u8 = 9;

/// Which listener was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Service {
    /// Decisions and management.
    Api,
    /// Requests that are passed on.
    Proxy,
    /// Envoy's questions over gRPC.
    Grpc,
}

impl Service {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Api, Self::Proxy, Self::Grpc];

    /// The value of the label: Oathkeeper's names, and one like them.
    pub fn name(self) -> &'static str {
        match self {
            Self::Api => "oathkeeper-api",
            Self::Proxy => "oathkeeper-proxy",
            Self::Grpc => "oathkeeper-grpc",
        }
    }
}

/// What of a path is a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paths {
    /// Nothing: `hide_request_paths`.
    Hidden,
    /// The first segment: `collapse_request_paths`.
    Segment,
    /// All of it, never a query.
    Whole,
}

impl Paths {
    fn of(self, path: &str) -> &str {
        match self {
            Self::Hidden => "",
            _ if !path.starts_with('/') => "/",
            Self::Whole => path,
            Self::Segment => {
                let end = path.bytes().skip(1).position(|byte| byte == b'/').map_or(path.len(), |at| at + 1);
                path.get(..end).unwrap_or(path)
            }
        }
    }
}

/// A combination, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Set {
    service: Service,
    method: u8,
    /// [`OTHER_PATH`] or the place in the table.
    path: u16,
    /// Below 100 a class: 5 for all of 500 to 599.
    status: u16,
}

const OTHER_PATH: u16 = 0;

/// A combination with the names that people read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// `service`
    pub service: &'static str,
    /// `method`
    pub method: &'static str,
    /// `request`
    pub request: Arc<str>,
    /// `status_code`
    pub status: String,
}

#[derive(Clone)]
struct Table {
    /// By place.
    paths: Vec<Arc<str>>,
    places: HashMap<Arc<str>, u16>,
    sets: Vec<Set>,
    ids: HashMap<Set, u16>,
}

/// See the module.
pub(super) struct Labels {
    table: ArcSwap<Table>,
    /// Held by who replaces the table.
    replacing: Mutex<()>,
    show: Paths,
    /// Places below this one are of known paths.
    known: u16,
    most_paths: usize,
}

impl Labels {
    pub(super) fn new<'k>(show: Paths, known: impl IntoIterator<Item = &'k str>) -> Self {
        let mut table = Table::new();
        for path in known {
            table.place(show.of(path));
        }
        let known = table.paths.len();
        let more = if show == Paths::Whole { WHOLE_PATHS } else { SEGMENTS };
        Self {
            table: ArcSwap::from_pointee(table),
            replacing: Mutex::new(()),
            show,
            known: u16::try_from(known).unwrap_or(u16::MAX),
            most_paths: known + more,
        }
    }

    /// The number of a combination, below [`MOST`]. Neither locks nor allocates, unless it is new and there is room.
    pub(super) fn id(&self, service: Service, method: &str, path: &str, status: u16) -> u16 {
        let method = METHODS.iter().position(|known| *known == method);
        let method = method.and_then(|at| u8::try_from(at).ok()).unwrap_or(OTHER_METHOD);
        let shown = Some(self.show.of(path)).filter(|path| path.len() <= LONGEST_PATH);
        let table = self.table.load();
        match self.find(&table, service, method, shown, status) {
            Found::Id(id) => id,
            Found::Full => overflow(service, status),
            Found::New => self.add(service, method, shown, status),
        }
    }

    fn find(&self, table: &Table, service: Service, method: u8, shown: Option<&str>, status: u16) -> Found {
        let place = shown.and_then(|path| table.places.get(path).copied());
        let path = match place {
            Some(place) => place,
            None if shown.is_none() || table.paths.len() >= self.most_paths => OTHER_PATH,
            // Its place would be taken in vain.
            None if table.sets.len() >= ANY => return Found::Full,
            None => return Found::New,
        };
        let room = if path != OTHER_PATH && path < self.known { KNOWN } else { ANY };
        match table.ids.get(&Set { service, method, path, status }) {
            Some(id) => Found::Id(*id),
            None if table.sets.len() >= room => Found::Full,
            None => Found::New,
        }
    }

    #[cold]
    fn add(&self, service: Service, method: u8, shown: Option<&str>, status: u16) -> u16 {
        let _replacing = self.replacing.lock().unwrap_or_else(PoisonError::into_inner);
        let current = self.table.load_full();
        // Another worker may have been faster.
        match self.find(&current, service, method, shown, status) {
            Found::Id(id) => id,
            Found::Full => overflow(service, status),
            Found::New => {
                let mut table = Table::clone(&current);
                let known = shown.and_then(|path| table.places.get(path).copied());
                let path = match (known, shown) {
                    (Some(place), _) => place,
                    (None, Some(path)) if table.paths.len() < self.most_paths => table.place(path),
                    _ => OTHER_PATH,
                };
                let id = table.id(Set { service, method, path, status });
                self.table.store(Arc::new(table));
                id
            }
        }
    }

    /// Every combination there is, by number.
    pub(super) fn all(&self) -> Vec<Named> {
        let table = self.table.load();
        let named = |set: &Set| Named {
            service: set.service.name(),
            method: METHODS.get(usize::from(set.method)).copied().unwrap_or(OTHER),
            request: table.paths.get(usize::from(set.path)).cloned().unwrap_or_else(|| OTHER.into()),
            status: match set.status {
                class @ ..100 => format!("{class}xx"),
                status => status.to_string(),
            },
        };
        table.sets.iter().map(named).collect()
    }
}

enum Found {
    Id(u16),
    New,
    Full,
}

impl Table {
    /// With the combinations that stand for all others, and the place of the paths that have none.
    fn new() -> Self {
        let mut table =
            Self { paths: vec![OTHER.into()], places: HashMap::new(), sets: Vec::new(), ids: HashMap::new() };
        for service in Service::ALL {
            for status in 0..CLASSES {
                table.id(Set { service, method: OTHER_METHOD, path: OTHER_PATH, status });
            }
        }
        table
    }

    fn place(&mut self, path: &str) -> u16 {
        if let Some(place) = self.places.get(path) {
            return *place;
        }
        let path: Arc<str> = path.into();
        let place = u16::try_from(self.paths.len()).unwrap_or(OTHER_PATH);
        self.paths.push(Arc::clone(&path));
        self.places.insert(path, place);
        place
    }

    fn id(&mut self, set: Set) -> u16 {
        let id = u16::try_from(self.sets.len()).unwrap_or(u16::MAX);
        self.sets.push(set);
        self.ids.insert(set, id);
        id
    }
}

/// Classes of statuses: 1xx to 5xx, and 0xx for what is none.
const CLASSES: u16 = 6;

fn overflow(service: Service, status: u16) -> u16 {
    let class = status / 100;
    service as u16 * CLASSES + if class < CLASSES { class } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(labels: &Labels) -> Vec<String> {
        let shown = |n: Named| format!("{} {} {} {}", n.service, n.method, n.request, n.status);
        labels.all().into_iter().skip(Service::ALL.len() * usize::from(CLASSES)).map(shown).collect()
    }

    #[test]
    fn requests_are_told_apart_as_far_as_is_wanted() {
        let asked = [
            ("GET", "/decisions/a/b", 200),
            ("GET", "/decisions", 200),
            ("get", "/", 404),
            ("DELETE", "*", 400),
            ("QUERY", "//a", 404),
            ("GET", "/decisions/a/b", 200),
        ];
        for (show, want) in [
            (Paths::Hidden, &["GET  200", "other  404", "DELETE  400"][..]),
            (Paths::Segment, &["GET /decisions 200", "other / 404", "DELETE / 400"]),
            (
                Paths::Whole,
                &[
                    "GET /decisions/a/b 200",
                    "GET /decisions 200",
                    "other / 404",
                    "DELETE / 400",
                    "other //a 404",
                ],
            ),
        ] {
            let labels = Labels::new(show, ["/decisions"]);
            for (method, path, status) in asked {
                let id = labels.id(Service::Api, method, path, status);
                assert_eq!(id, labels.id(Service::Api, method, path, status));
            }
            let want: Vec<_> = want.iter().map(|rest| format!("oathkeeper-api {rest}")).collect();
            assert_eq!(all(&labels), want, "{show:?}");
        }
    }

    #[test]
    fn made_up_paths_and_methods_and_statuses_end_as_other() {
        for (show, paths) in [(Paths::Segment, SEGMENTS), (Paths::Whole, WHOLE_PATHS)] {
            let labels = Labels::new(show, ["/decisions"]);
            for n in 0..5000_u16 {
                labels.id(Service::Proxy, "GET", &format!("/{n}"), 404);
            }
            let seen = all(&labels);
            assert_eq!(seen.len(), paths + 1, "{show:?}");
            assert_eq!(seen.last().map(String::as_str), Some("oathkeeper-proxy GET other 404"));
            for n in 0..50_000_u16 {
                let method = METHODS[usize::from(n / 13 % 10)];
                let id = labels.id(Service::Proxy, method, &format!("/{}", n % 800), 100 + n % 900);
                assert!(usize::from(id) < MOST);
            }
            assert_eq!(labels.all().len(), ANY, "{show:?}");
            let full = labels.id(Service::Grpc, "GET", "/new", 503);
            assert_eq!(
                labels.all().get(usize::from(full)).map(|named| named.status.clone()),
                Some("5xx".into())
            );
            labels.id(Service::Api, "GET", "/decisions", 503);
            assert!(all(&labels).contains(&"oathkeeper-api GET /decisions 503".to_owned()), "{show:?}");
        }
    }

    #[test]
    fn a_long_path_is_no_label() {
        let labels = Labels::new(Paths::Whole, []);
        labels.id(Service::Api, "GET", &format!("/{}", "x".repeat(LONGEST_PATH)), 404);
        assert_eq!(all(&labels), ["oathkeeper-api GET other 404"]);
    }
}
