//! Headers: the request's header fields, whoever holds them.

/// Read access to header fields. Names are compared without regard to case; order and repeats are kept.
pub trait Headers {
    /// The first value of a field.
    fn first(&self, name: &str) -> Option<&[u8]>;

    /// Every value of a field, in order.
    fn each<'h>(&'h self, name: &str, visit: &mut dyn FnMut(&'h [u8]));

    /// Every field, names in lower case, repeats of a name in order.
    fn all<'h>(&'h self, visit: &mut dyn FnMut(&'h str, &'h [u8]));

    /// The first value of a field, if it is UTF-8.
    fn text(&self, name: &str) -> Option<&str> {
        self.first(name).and_then(|v| std::str::from_utf8(v).ok())
    }
}

/// Header fields in a list: what okctl and tests use. Names in lower case.
#[derive(Debug, Clone, Default)]
pub struct HeaderFields(Vec<(String, Vec<u8>)>);

impl HeaderFields {
    /// Adds a field.
    pub fn push(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        self.0.push((name.to_ascii_lowercase(), value.into()));
    }
}

impl<N: AsRef<str>, V: Into<Vec<u8>>> FromIterator<(N, V)> for HeaderFields {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(fields: I) -> Self {
        let mut list = Self::default();
        for (name, value) in fields {
            list.push(name.as_ref(), value);
        }
        list
    }
}

impl Headers for HeaderFields {
    fn first(&self, name: &str) -> Option<&[u8]> {
        self.0.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_slice())
    }

    fn each<'h>(&'h self, name: &str, visit: &mut dyn FnMut(&'h [u8])) {
        for (_, value) in self.0.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)) {
            visit(value);
        }
    }

    fn all<'h>(&'h self, visit: &mut dyn FnMut(&'h str, &'h [u8])) {
        for (name, value) in &self.0 {
            visit(name, value);
        }
    }
}

/// Whether a text is a token (RFC 9110 section 5.6.2): the name of a header, a cookie or a media type.
pub fn is_token(text: &[u8]) -> bool {
    let is_token = |byte: &u8| TOKEN_BYTES.get(usize::from(*byte)) == Some(&true);
    !text.is_empty() && text.iter().all(is_token)
}

/// By byte whether tokens have it.
static TOKEN_BYTES: [bool; 256] = {
    let mut bytes = [false; 256];
    let mut byte: u8 = 0;
    while byte.is_ascii() {
        #[expect(clippy::indexing_slicing, reason = "there is one for each byte")]
        let is_token = &mut bytes[byte as usize];
        *is_token = byte.is_ascii_alphanumeric()
            || matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~');
        byte += 1;
    }
    bytes
};
