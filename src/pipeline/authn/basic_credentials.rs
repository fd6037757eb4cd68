//! Basic credentials (RFC 7617), as a request carries them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::request::Headers;

/// User and password of the first `Authorization` header. `None` where it is of another scheme, no base64
/// or without a colon. Both may be any bytes.
pub(super) fn find(headers: &dyn Headers) -> Option<(Vec<u8>, Vec<u8>)> {
    let value = headers.first("authorization")?;
    let (scheme, encoded) = value.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    let mut user = STANDARD.decode(encoded).ok()?;
    let colon = user.iter().position(|byte| *byte == b':')?;
    let password = user.split_off(colon + 1);
    user.pop();
    Some((user, password))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::headers::HeaderFields;

    #[test]
    fn user_and_password() {
        for (value, want) in [
            ("Basic Y2lkOnNlYw==", Some(("cid", "sec"))),
            ("bAsIc Y2lkOnNlYw==", Some(("cid", "sec"))),
            ("Basic OnA=", Some(("", "p"))),
            ("Basic dTphOmI=", Some(("u", "a:b"))),
            ("Basic Og==", Some(("", ""))),
            ("Basic Y2lk", None),
            ("Basic Y2lkOnNlYw", None),
            ("Basic !!!", None),
            ("Basic", None),
            ("Basic  Y2lkOnNlYw==", None),
            ("Bearer Y2lkOnNlYw==", None),
            ("", None),
        ] {
            let headers: HeaderFields = [("authorization", value)].into_iter().collect();
            let found = find(&headers);
            let found = found.as_ref().map(|(user, password)| {
                (std::str::from_utf8(user).unwrap(), std::str::from_utf8(password).unwrap())
            });
            assert_eq!(found, want, "{value}");
        }
        assert_eq!(find(&HeaderFields::default()), None);
    }
}
