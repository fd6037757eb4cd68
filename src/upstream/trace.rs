//! Trace context: what ties a call to the request that caused it (W3C Trace Context).

use http::{HeaderName, HeaderValue};

use crate::request::Headers;

/// A longer `tracestate` is left out (section 3.3.1.5 asks for 512 to be carried).
const LONGEST: usize = 2048;

/// `traceparent` and `tracestate` of a request, to be sent along as they are.
pub fn context(headers: &dyn Headers) -> Vec<(HeaderName, HeaderValue)> {
    let mut trace = Vec::new();
    for name in ["traceparent", "tracestate"] {
        let value = headers.first(name).filter(|value| !value.is_empty() && value.len() <= LONGEST);
        if let Some(value) = value.and_then(|value| HeaderValue::from_bytes(value).ok()) {
            trace.push((HeaderName::from_static(name), value));
        }
        if trace.is_empty() {
            // State means nothing without a parent.
            break;
        }
    }
    trace
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::headers::HeaderFields;

    #[test]
    fn state_only_goes_along_with_its_parent() {
        for (fields, want) in [
            (&[("traceparent", "00-a-b-01"), ("tracestate", "x=1"), ("x", "y")][..], 2),
            (&[("traceparent", "00-a-b-01")], 1),
            (&[("tracestate", "x=1")], 0),
            (&[("traceparent", "")], 0),
            (&[], 0),
        ] {
            let fields: HeaderFields = fields.iter().map(|(n, v)| (*n, v.as_bytes())).collect();
            assert_eq!(context(&fields).len(), want, "{fields:?}");
        }
    }
}
