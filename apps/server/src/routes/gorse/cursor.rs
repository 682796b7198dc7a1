//! Where the next page starts, as clients carry it: base64 of an identifier or of JSON.

use super::reply::Refused;

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The cursor that stands for `text`.
pub(super) fn encode(text: &str) -> String {
    let mut coded = String::new();
    for chunk in text.as_bytes().chunks(3) {
        let mut bytes = [0; 3];
        bytes[..chunk.len()].copy_from_slice(chunk);
        let bits = bytes.iter().fold(0u32, |bits, &byte| bits << 8 | u32::from(byte));
        for place in 0..4 {
            match place <= chunk.len() {
                true => coded.push(DIGITS[(bits >> (18 - 6 * place) & 63) as usize].into()),
                false => coded.push('='),
            }
        }
    }
    coded
}

/// The text that a cursor stands for; upstream answers 500 to what is none.
pub(super) fn decode(cursor: &str) -> Result<String, Refused> {
    let refuse = || Refused::failed(format!("`{cursor}` is no cursor; take it from the last page"));
    let coded = cursor.trim_end_matches('=').as_bytes();
    let mut bytes = Vec::new();
    for chunk in coded.chunks(4) {
        let mut bits = 0u32;
        for &digit in chunk {
            let value = DIGITS.iter().position(|&known| known == digit).ok_or_else(refuse)?;
            bits = bits << 6 | value as u32;
        }
        bits <<= 6 * (4 - chunk.len());
        bytes.extend_from_slice(&bits.to_be_bytes()[1..chunk.len()]);
    }
    if !cursor.len().is_multiple_of(4) {
        return Err(refuse());
    }
    String::from_utf8(bytes).map_err(|_| refuse())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn cursors_are_standard_base64() {
        for (text, coded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("é?>", "w6k/Pg==")]
        {
            assert_eq!(encode(text), coded);
        }
        for bad in ["Zg", "Z", "Zg=a", "****", "////"] {
            assert!(decode(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_cursor_leads_back(text in ".{0,40}") {
            prop_assert_eq!(decode(&encode(&text)).expect("our own"), text);
        }
    }
}
