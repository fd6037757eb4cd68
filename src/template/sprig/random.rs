//! Functions whose result nobody can know before.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::strings::room;
use crate::template::go::function::{Args, Function, Scope};
use crate::template::go::value::{Answer, Fault, Kind, Value};

const TEXT: Kind = Kind::Text;
const INT: Kind = Kind::Int;

const DIGITS: &str = "0123456789";
const LETTERS: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

pub const FUNCTIONS: &[Function] = &[
    Function::new("randNumeric", &[INT], TEXT, |_, args| pick(args.int(0), DIGITS)),
    Function::new("randAlpha", &[INT], TEXT, |_, args| pick(args.int(0), LETTERS)),
    Function::new("randAlphaNum", &[INT], TEXT, |_, args| pick(args.int(0), &format!("{LETTERS}{DIGITS}"))),
    Function::new("randAscii", &[INT], TEXT, |_, args| pick(args.int(0), &(' '..='~').collect::<String>())),
    Function::new("randBytes", &[INT], TEXT, rand_bytes),
    Function::new("randInt", &[INT, INT], INT, rand_int),
    Function::new("shuffle", &[TEXT], TEXT, shuffle),
    Function::new("uuidv4", &[], TEXT, |_, _| Ok(Value::text(uuid::Uuid::new_v4().to_string()))),
];

fn bytes(count: usize) -> Result<Vec<u8>, Fault> {
    room(count)?;
    let mut bytes = vec![0; count];
    openssl::rand::rand_bytes(&mut bytes).map_err(|_| Fault::from("there is no randomness"))?;
    Ok(bytes)
}

/// A number below `limit`, each equally likely; `limit` is not zero.
fn below(limit: u64) -> Result<u64, Fault> {
    // Numbers above the last whole multiple of the limit would favour the small ones.
    let fair = u64::MAX - u64::MAX % limit;
    loop {
        let mut number = [0; 8];
        openssl::rand::rand_bytes(&mut number).map_err(|_| Fault::from("there is no randomness"))?;
        let number = u64::from_le_bytes(number);
        if number < fair {
            return Ok(number % limit);
        }
    }
}

fn pick<'d>(count: i64, from: &str) -> Answer<'d> {
    let count = usize::try_from(count).unwrap_or(0);
    room(count)?;
    let from = from.as_bytes();
    // The largest multiple of the set's size that a byte can hold, so that each is equally likely.
    let fair = 256 - 256 % from.len();
    let mut out = String::with_capacity(count);
    while out.len() < count {
        for byte in bytes(count - out.len())? {
            if usize::from(byte) < fair
                && let Some(letter) = from.get(usize::from(byte) % from.len())
            {
                out.push(char::from(*letter));
            }
        }
    }
    Ok(Value::text(out))
}

fn rand_bytes<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    let count = usize::try_from(args.int(0)).map_err(|_| Fault::from("the count is negative"))?;
    Ok(Value::text(STANDARD.encode(bytes(count)?)))
}

fn rand_int<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    let (from, to) = (args.int(0), args.int(1));
    let span = to.checked_sub(from).and_then(|span| u64::try_from(span).ok()).filter(|span| *span > 0);
    let offset = below(span.ok_or("there is no number between these")?)?;
    Ok(Value::Int(from.wrapping_add_unsigned(offset)))
}

fn shuffle<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    let mut letters: Vec<char> = args.text(0).chars().collect();
    for last in (1..letters.len()).rev() {
        let limit = u64::try_from(last).unwrap_or(0) + 1;
        letters.swap(last, usize::try_from(below(limit)?).unwrap_or(0));
    }
    Ok(Value::text(letters.into_iter().collect::<String>()))
}
