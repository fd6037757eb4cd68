//! Protobuf's wire format (<https://protobuf.dev/programming-guides/encoding/>), read without a copy and written in
//! one go.
//!
//! What a question holds is looked at where it lies: a library would first make a list of everything that is
//! there, which takes 32 times the room of what an attacker sends.

use smallvec::SmallVec;

/// What is no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the message is no protobuf")]
pub struct Malformed;

/// The value of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value<'m> {
    /// Number, boolean or enum.
    Number(u64),
    /// Text, bytes or message.
    Bytes(&'m [u8]),
    /// A number of fixed length, of which nothing here is.
    Fixed,
}

/// The fields of a message, as they come: number and value.
pub(super) struct Fields<'m>(pub(super) &'m [u8]);

impl<'m> Iterator for Fields<'m> {
    type Item = Result<(u64, Value<'m>), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        (!self.0.is_empty()).then(|| self.field())
    }
}

impl<'m> Fields<'m> {
    fn field(&mut self) -> Result<(u64, Value<'m>), Malformed> {
        let key = self.varint()?;
        let value = match key & 7 {
            0 => Value::Number(self.varint()?),
            1 => self.take(8).map(|_| Value::Fixed)?,
            2 => {
                let length = self.varint()?;
                Value::Bytes(self.take(length)?)
            }
            5 => self.take(4).map(|_| Value::Fixed)?,
            // Groups are gone from the language.
            _ => return Err(Malformed),
        };
        match key >> 3 {
            0 => Err(Malformed),
            number => Ok((number, value)),
        }
    }

    fn varint(&mut self) -> Result<u64, Malformed> {
        // Nearly all of them have one byte.
        if let [byte @ ..0x80, rest @ ..] = self.0 {
            self.0 = rest;
            return Ok(u64::from(*byte));
        }
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first().ok_or(Malformed)?;
            self.0 = rest;
            // Of the tenth byte one bit counts, of 64.
            if shift == 63 && *byte > 1 {
                return Err(Malformed);
            }
            value |= u64::from(byte & 0x7f) << shift;
            if *byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Malformed)
    }

    fn take(&mut self, length: u64) -> Result<&'m [u8], Malformed> {
        let length = usize::try_from(length).map_err(|_| Malformed)?;
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }
}

/// Most messages find room in so many bytes.
const ROOM: usize = 512;

/// A message that is being written.
#[derive(Debug, Default)]
pub(super) struct Message(Vec<u8>);

impl Message {
    /// The message that `write` puts together.
    pub(super) fn of(write: impl FnOnce(&mut Self)) -> Vec<u8> {
        let mut message = Self(Vec::with_capacity(ROOM));
        write(&mut message);
        message.0
    }

    /// A number, a boolean or an enum; 0 is what is not there.
    pub(super) fn number(&mut self, field: u32, number: u32) {
        if number != 0 {
            self.varint(u64::from(field) << 3);
            self.varint(u64::from(number));
        }
    }

    /// Text or bytes; empty ones are what is not there.
    pub(super) fn bytes(&mut self, field: u32, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.entry(field, bytes);
        }
    }

    /// One of a list: there, even if it is empty.
    pub(super) fn entry(&mut self, field: u32, bytes: &[u8]) {
        self.varint(u64::from(field) << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    /// A message in the message.
    pub(super) fn message(&mut self, field: u32, write: impl FnOnce(&mut Self)) {
        // Most are short, so that their length has one byte: it is put in when it is known.
        self.varint(u64::from(field) << 3 | 2);
        let at = self.0.len();
        self.0.push(0);
        write(self);
        let length = self.0.len() - at - 1;
        let prefix = varint(length as u64);
        match (prefix.as_slice(), self.0.get_mut(at)) {
            ([one], Some(place)) => *place = *one,
            _ => drop(self.0.splice(at..=at, prefix)),
        }
    }

    fn varint(&mut self, number: u64) {
        match u8::try_from(number) {
            Ok(byte @ ..0x80) => self.0.push(byte),
            _ => self.0.extend_from_slice(&varint(number)),
        }
    }
}

/// Seven bits a byte, the lowest first; all but the last have the eighth.
fn varint(mut number: u64) -> SmallVec<[u8; 10]> {
    let mut bytes = SmallVec::new();
    loop {
        let [low, ..] = number.to_le_bytes();
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let long = vec![b'x'; 300];
        let written = Message::of(|m| {
            m.number(1, 0);
            m.number(2, 300);
            m.bytes(3, b"");
            m.bytes(4, &long);
            m.entry(5, b"");
            m.message(600, |m| m.message(1, |m| m.bytes(1, &long)));
        });
        let fields: Vec<_> = Fields(&written).collect::<Result<_, _>>().unwrap();
        assert_eq!(fields.len(), 4);
        assert_eq!(fields[0], (2, Value::Number(300)));
        assert_eq!(fields[1], (4, Value::Bytes(&long)));
        assert_eq!(fields[2], (5, Value::Bytes(b"")));
        let (600, Value::Bytes(outer)) = fields[3] else { panic!("{:?}", fields[3]) };
        let Some(Ok((1, Value::Bytes(inner)))) = Fields(outer).next() else { panic!("{outer:?}") };
        assert_eq!(Fields(inner).next(), Some(Ok((1, Value::Bytes(&long)))));
    }

    #[test]
    fn what_breaks_off_or_means_nothing_is_no_message() {
        let eleven = [0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert_eq!(Fields(&eleven).next(), Some(Ok((1, Value::Number(u64::MAX)))));
        let too_large = [0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02];
        let rows: [&[u8]; 10] = [
            &[0x08],
            &[0x80],
            &[0x0a, 0x02, b'a'],
            &[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
            &[0x09, 0, 0, 0],
            &[0x0d, 0, 0, 0],
            &[0x0b, 0x0c],
            &[0x0f],
            &[0x00, 0x00],
            &too_large,
        ];
        for bytes in rows {
            assert_eq!(Fields(bytes).next(), Some(Err(Malformed)), "{bytes:?}");
        }
        for bytes in [[0x09, 0, 0, 0, 0, 0, 0, 0, 0].as_slice(), &[0x0d, 0, 0, 0, 0]] {
            assert_eq!(Fields(bytes).next(), Some(Ok((1, Value::Fixed))));
        }
    }
}
