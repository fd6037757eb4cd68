//! Finds what texts of JSON end at, 64 bytes at a time.

use wide::u8x16;

/// How many bytes are looked at together.
pub(crate) const BLOCK: usize = 64;

/// Whether a byte ends or escapes a text, or is a control character, which no text has.
pub(crate) fn is_mark(byte: u8) -> bool {
    matches!(byte, b'"' | b'\\' | 0..b' ')
}

/// Whether a text stands for itself in JSON: nothing of it has to be escaped.
pub fn is_plain(text: &[u8]) -> bool {
    text.chunks(BLOCK).all(|block| marks(block) == 0)
}

/// Which of the first 64 bytes are marks: a bit for each, the first byte's lowest.
pub(crate) fn marks(bytes: &[u8]) -> u64 {
    if let Some(block) = bytes.first_chunk() {
        return of_block(block);
    }
    let mut block = [b' '; BLOCK];
    block.iter_mut().zip(bytes).for_each(|(byte, own)| *byte = *own);
    of_block(&block)
}

fn of_block(block: &[u8; BLOCK]) -> u64 {
    let (sixteens, _) = block.as_chunks::<16>();
    sixteens.iter().rev().fold(0, |marks, sixteen| {
        let bytes = u8x16::from(*sixteen);
        let is = |byte: u8| bytes.simd_eq(u8x16::splat(byte));
        let is_control = bytes.min(u8x16::splat(0x1f)).simd_eq(bytes);
        (marks << 16) | u64::from((is(b'"') | is(b'\\') | is_control).to_bitmask())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mark_is_found_and_nothing_else() {
        for byte in 0..=255 {
            for at in 0..BLOCK {
                for around in [b' ', b'"', b'!', b'#', 0x7f, 0x80, 0xff, 0] {
                    let mut block = [around; BLOCK];
                    block[at] = byte;
                    let bit = |(at, byte): (usize, &u8)| u64::from(is_mark(*byte)) << at;
                    let want: u64 = block.iter().enumerate().map(bit).sum();
                    assert_eq!(of_block(&block), want, "{byte} at {at} in {around}");
                }
            }
        }
    }

    #[test]
    fn a_text_is_plain_where_it_has_no_marks() {
        for (text, plain) in
            [("", true), ("a", true), ("a\"", false), ("\\", false), ("\n", false), ("é\u{7f}", true)]
        {
            assert_eq!(is_plain(text.as_bytes()), plain, "{text:?}");
            assert_eq!(
                is_plain(format!("{}{text}", "x".repeat(100)).as_bytes()),
                plain,
                "{text:?} far behind"
            );
        }
    }

    #[test]
    fn behind_the_end_is_none() {
        assert_eq!(marks(b""), 0);
        assert_eq!(marks(b"\"a\\"), 0b101);
        assert_eq!(marks(&[0; BLOCK + 1]), u64::MAX);
    }
}
