//! `cookie`: sets cookies of the request that goes to the upstream, beside the client's own.

use http::HeaderName;
use http::header::COOKIE;
use serde_json::Value;

use super::{Named, header_value, named_templates, template_data, template_fault, templates, unusable_value};
use crate::diagnostic::Finding;
use crate::pipeline::denial::Denial;
use crate::pipeline::handler::{Answer, BuildContext, Exchange, Mutator, Registration};
use crate::request::cookies::{each_cookie, is_cookie_byte};
use crate::request::headers::is_token;
use crate::template::Purpose;

/// How the registry knows it.
pub const REGISTRATION: Registration<dyn Mutator> = Registration { id: "cookie", build };

struct Cookie {
    cookies: Vec<Named<String>>,
}

fn build(context: &BuildContext<'_>, config: &Value) -> Result<Box<dyn Mutator>, Vec<Finding>> {
    let settings = templates(config, context.templates);
    let cookies = named_templates(config, "cookies", Purpose::Cookie, settings, |written| {
        if is_token(written.as_bytes()) {
            Ok(Some(written.to_owned()))
        } else {
            Err(format!("`{written}` cannot be the name of a cookie"))
        }
    })?;
    Ok(Box::new(Cookie { cookies }))
}

impl Cookie {
    fn set(&self, exchange: &mut Exchange<'_>) -> Result<(), Denial> {
        let mut line = String::with_capacity(64);
        let mut room = String::new();
        let data = template_data(exchange);
        for Named { name, template } in &self.cookies {
            room.clear();
            template.render_into(&data, &mut room).map_err(template_fault)?;
            push_cookie(&mut line, name, room.as_bytes(), false);
        }
        each_cookie(exchange.request.headers(), &mut |name, value, quoted| {
            if !self.cookies.iter().any(|c| c.name.as_bytes() == name) {
                push_cookie(&mut line, &String::from_utf8_lossy(name), value, quoted);
            }
        });
        // Names are tokens and values hold nothing but printable ASCII, so this is always a header value.
        let value = header_value(&line).ok_or_else(|| unusable_value(&COOKIE, exchange))?;
        exchange.session.headers.set(COOKIE, value);
        Ok(())
    }
}

impl Mutator for Cookie {
    fn mutate<'a>(&'a self, exchange: &'a mut Exchange<'_>) -> Answer<'a, ()> {
        Answer::Now(self.set(exchange))
    }

    fn uses_captures(&self) -> bool {
        self.cookies.iter().any(|cookie| cookie.template.uses_captures())
    }

    fn header_names(&self) -> Vec<HeaderName> {
        vec![COOKIE]
    }
}

/// Appends `name=value`. Bytes that no cookie value may hold are left out; blanks and commas need quotes.
fn push_cookie(line: &mut String, name: &str, value: &[u8], quoted: bool) {
    if !line.is_empty() {
        line.push_str("; ");
    }
    line.push_str(name);
    line.push('=');
    let kept = || value.iter().copied().filter(|b| is_cookie_byte(*b));
    let quoted = kept().next().is_some() && (quoted || kept().any(|b| matches!(b, b' ' | b',')));
    line.extend(quoted.then_some('"'));
    line.extend(kept().map(char::from));
    line.extend(quoted.then_some('"'));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::headers::HeaderFields;

    #[test]
    fn only_well_formed_cookies_of_the_client_go_on() {
        let headers: HeaderFields =
            [("cookie", r#"ok=1; b@d[=2; =3; four; "five"=5; six="6""#), ("cookie", "x=a b")]
                .into_iter()
                .collect();
        let mut line = String::new();
        each_cookie(&headers, &mut |name, value, quoted| {
            push_cookie(&mut line, std::str::from_utf8(name).unwrap(), value, quoted);
        });
        assert_eq!(line, r#"ok=1; four=; six="6"; x="a b""#);
    }

    #[test]
    fn values_lose_what_no_cookie_may_hold() {
        for (value, want) in
            [("a b, c; d\"e\\f", "n=\"a b, c def\""), ("a\nb", "n=ab"), ("", "n="), ("Zürich", "n=Zrich")]
        {
            let mut line = String::new();
            push_cookie(&mut line, "n", value.as_bytes(), false);
            assert_eq!(line, want);
        }
    }
}
