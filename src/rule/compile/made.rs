//! What was made for one rule and serves others: rules that list the same handlers run the same steps.

use std::collections::HashMap;

use http::HeaderName;

use crate::diagnostic::Finding;
use crate::pipeline::errors::select::ErrorStep;
use crate::pipeline::handler::{Authenticator, Authorizer, Mutator};
use crate::pipeline::step::Step;
use crate::rule::common::{Common, Pool};
use crate::rule::spec::{HandlerSpec, UpstreamSpec};
use crate::rule::upstream::Upstream;

/// The steps of each list of handlers, by the list's place. The lists are kept, so that no other can take it.
pub(super) struct Steps<W: ?Sized, S> {
    known: HashMap<usize, (Common<W>, Common<[S]>)>,
    none: Common<[S]>,
}

impl<W: ?Sized, S> Default for Steps<W, S> {
    fn default() -> Self {
        Self { known: HashMap::new(), none: Vec::new().into() }
    }
}

impl<W: ?Sized, S> Steps<W, S> {
    /// The steps of a list, none where there is none. Those with findings are made anew for each rule, which all want to be named.
    pub(super) fn of(
        &mut self,
        written: Option<&Common<W>>,
        findings: &mut Vec<Finding>,
        make: impl FnOnce(&W, &mut Vec<Finding>) -> Vec<S>,
    ) -> Common<[S]> {
        let Some(written) = written else { return self.none.clone() };
        if let Some((_, steps)) = self.known.get(&written.place()) {
            return steps.clone();
        }
        let before = findings.len();
        let steps: Common<[S]> = make(written, findings).into();
        if findings.len() == before {
            self.known.insert(written.place(), (written.clone(), steps.clone()));
        }
        steps
    }
}

/// The upstreams, by the place of what is written.
#[derive(Default)]
pub(super) struct Upstreams(HashMap<usize, (Common<UpstreamSpec>, Option<Common<Upstream>>)>);

impl Upstreams {
    /// The upstream that is written, if it is one.
    pub(super) fn of(&mut self, written: &Common<UpstreamSpec>) -> Option<Common<Upstream>> {
        let make = || (written.clone(), Upstream::new(written).map(Common::from));
        self.0.entry(written.place()).or_insert_with(make).1.clone()
    }
}

/// Everything that the rules of one load share, beside what is shared as it is written. What handlers say to the
/// log while they are built names the first rule that has them.
#[derive(Default)]
pub struct Made {
    pub(super) authenticators: Steps<[HandlerSpec], Step<dyn Authenticator>>,
    pub(super) authorizer: Steps<HandlerSpec, Step<dyn Authorizer>>,
    pub(super) authorizers: Steps<[HandlerSpec], Step<dyn Authorizer>>,
    pub(super) mutators: Steps<[HandlerSpec], Step<dyn Mutator>>,
    pub(super) errors: Steps<[HandlerSpec], ErrorStep>,
    pub(super) headers: Pool<[HeaderName]>,
    pub(super) methods: Pool<[String]>,
    pub(super) upstreams: Upstreams,
}
