//! Functions that encode, decode and hash.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openssl::sha;

use crate::template::go::function::{Args, Function, Scope};
use crate::template::go::value::{Answer, Fault, Kind, Value};

const TEXT: Kind = Kind::Text;

pub const FUNCTIONS: &[Function] = &[
    Function::new("b64enc", &[TEXT], TEXT, |_, args| Ok(Value::text(STANDARD.encode(args.text(0))))),
    Function::new("b64dec", &[TEXT], TEXT, b64dec),
    Function::new("b32enc", &[TEXT], TEXT, |_, args| Ok(Value::text(base32(args.text(0).as_bytes())))),
    Function::new("b32dec", &[TEXT], TEXT, b32dec),
    Function::new("sha1sum", &[TEXT], TEXT, |_, args| Ok(hex(&sha::sha1(args.text(0).as_bytes())))),
    Function::new("sha256sum", &[TEXT], TEXT, |_, args| Ok(hex(&sha::sha256(args.text(0).as_bytes())))),
    Function::new("sha512sum", &[TEXT], TEXT, |_, args| Ok(hex(&sha::sha512(args.text(0).as_bytes())))),
    Function::new("adler32sum", &[TEXT], TEXT, |_, args| {
        Ok(Value::text(adler32(args.text(0).as_bytes()).to_string()))
    }),
];

fn hex<'d>(bytes: &[u8]) -> Value<'d> {
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(out, "{byte:02x}");
    }
    Value::text(out)
}

/// Decoded bytes as text. Oathkeeper gives the decoder's error text for a value; here it is an error.
fn decoded<'d>(bytes: Option<Vec<u8>>) -> Answer<'d> {
    let bytes = bytes.ok_or("this does not decode")?;
    String::from_utf8(bytes).map(Value::text).map_err(|_| Fault::from("what is decoded is not UTF-8"))
}

fn without_line_ends(text: &str) -> String {
    text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect()
}

fn b64dec<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    decoded(STANDARD.decode(without_line_ends(args.text(0))).ok())
}

fn b32dec<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    decoded(from_base32(&without_line_ends(args.text(0))))
}

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// RFC 4648 section 6.
fn base32(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(5) * 8);
    for chunk in bytes.chunks(5) {
        let bits = chunk.iter().chain(std::iter::repeat(&0)).take(5);
        let bits = bits.fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
        let used = (chunk.len() * 8).div_ceil(5);
        for place in 0..8 {
            let digit = usize::try_from(bits >> (35 - place * 5) & 31).unwrap_or(0);
            let letter = BASE32.get(digit).copied().unwrap_or(b'=');
            out.push(if place < used { char::from(letter) } else { '=' });
        }
    }
    out
}

fn from_base32(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(8) {
        return None;
    }
    let digits = text.trim_end_matches('=');
    if text.len() - digits.len() > 6 || matches!(digits.len() % 8, 1 | 3 | 6) {
        return None;
    }
    let mut out = Vec::with_capacity(digits.len() * 5 / 8);
    let (mut bits, mut count) = (0_u32, 0);
    for letter in digits.bytes() {
        let digit = BASE32.iter().position(|b| *b == letter)?;
        bits = bits << 5 | u32::try_from(digit).ok()?;
        count += 5;
        if count >= 8 {
            count -= 8;
            out.push(u8::try_from(bits >> count & 0xFF).ok()?);
        }
    }
    Some(out)
}

/// RFC 1950 section 8.2.
fn adler32(bytes: &[u8]) -> u32 {
    const BASE: u32 = 65_521;
    let (a, b) = bytes.iter().fold((1, 0), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % BASE;
        (a, (b + a) % BASE)
    });
    b << 16 | a
}
