//! View: the session as one rendering sees it.

use std::borrow::Cow;
use std::rc::Rc;

use super::dict::Dict;
use super::list::List;
use super::url::Url;
use super::value::Value;
use crate::template::{Data, Numbers};

/// The data of one rendering, with how its numbers are written.
pub struct View<'d> {
    pub data: Data<'d>,
    pub numbers: Numbers,
}

impl<'d> View<'d> {
    /// `.Extra`
    pub fn extra(&self) -> Value<'d> {
        Value::Dict(self.data.extra.map_or(Dict::Nil, |map| Dict::Json(map, self.numbers)))
    }

    /// `.MatchContext.RegexpCaptureGroups`
    pub fn captures(&self) -> List<'d> {
        let count = self.data.captures.len();
        List::texts::<Cow<'d, str>>((0..count).filter_map(|index| self.data.capture(index)))
    }

    /// `.MatchContext.CaptureGroups`
    pub fn groups(&self) -> List<'d> {
        let count = self.data.captures.len();
        List::texts::<Cow<'d, str>>((0..count).filter_map(|index| self.data.group(index)))
    }

    /// `.MatchContext.URL`
    pub fn url(&'d self) -> Rc<Url<'d>> {
        Rc::new(Url::of(&self.data))
    }
}
