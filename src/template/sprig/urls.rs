//! Functions on URLs.

use std::borrow::Cow;

use crate::template::go::dict::Entries;
use crate::template::go::function::{Args, Function, Scope};
use crate::template::go::url::Url;
use crate::template::go::value::{Answer, Fault, Kind, Value};

pub const FUNCTIONS: &[Function] = &[
    Function::new("urlParse", &[Kind::Text], Kind::Dict, url_parse),
    Function::new("urlJoin", &[Kind::Dict], Kind::Text, url_join),
];

fn url_parse<'d>(scope: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    let url = Url::parse(args.text(0)).ok_or("this is not a URL")?;
    let user = url.user.as_ref().map(super::super::go::url::User::text).unwrap_or_default();
    let hostname = url.hostname().to_owned();
    let entries: Entries<'d> = [
        ("scheme", url.scheme),
        ("host", url.host),
        ("hostname", Cow::Owned(hostname)),
        ("path", url.path),
        ("query", url.raw_query),
        ("opaque", url.opaque),
        ("fragment", url.fragment),
        ("userinfo", Cow::Owned(user)),
    ]
    .into_iter()
    .map(|(key, text)| (Cow::Borrowed(key), Value::Text(text)))
    .collect();
    Ok(scope.dict(entries))
}

fn url_join<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    let Value::Dict(parts) = args.get(0) else { return Err(Fault::from("this is not a dict")) };
    let part = |key: &str| match parts.get(key) {
        None => Ok(Cow::Borrowed("")),
        Some(Value::Text(text)) => Ok(text),
        Some(_) => Err(Fault::from("a part of a URL has to be a text")),
    };
    let user = part("userinfo")?;
    let user = if user.is_empty() {
        None
    } else {
        let whole = Url::parse(&format!("proto://{user}@host")).ok_or("this user info does not read")?;
        whole.user
    };
    let url = Url {
        scheme: part("scheme")?,
        host: part("host")?,
        path: part("path")?,
        raw_query: part("query")?,
        opaque: part("opaque")?,
        fragment: part("fragment")?,
        user,
        ..Url::default()
    };
    Ok(Value::text(url.text()))
}
