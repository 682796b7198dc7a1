//! Small models, written by hand.

use super::*;

/// A field of a message: bytes behind their length.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    let mut length = content.len();
    while length >= 128 {
        out.push(length as u8 & 127 | 128);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend(content);
    out
}

/// A small number as a field.
fn number(number: u8, value: u8) -> Vec<u8> {
    match number {
        0..16 => vec![number << 3, value],
        _ => vec![(number & 15) << 3 | 128, number >> 4, value],
    }
}

fn piece(text: &str, score: f32, kind: u8) -> Vec<u8> {
    let score = [&[2 << 3 | 5], &score.to_le_bytes()[..]].concat();
    field(1, &[field(1, text.as_bytes()), score, number(3, kind)].concat())
}

/// A model of these pieces behind `<unk>`; `algorithm` is 1 for unigram and 2 for BPE.
fn model(
    algorithm: u8,
    pieces: &[(&str, f32, u8)],
    trainer: &[u8],
) -> Result<SentencePiece, String> {
    let mut content = piece("<unk>", 0.0, 2);
    for (text, score, kind) in pieces {
        content.extend(piece(text, *score, *kind));
    }
    content.extend(field(2, &[&number(3, algorithm), trainer].concat()));
    SentencePiece::parse(&content)
}

fn texts(cut: &[(String, u32)]) -> Vec<&str> {
    cut.iter().map(|(text, _)| text.as_str()).collect()
}

#[test]
fn unigram_takes_the_best_path_and_joins_what_is_unknown() -> Result<(), String> {
    let pieces = [("▁", -2.0, 1), ("a", -3.0, 1), ("b", -3.0, 1), ("▁ab", -4.0, 1)];
    let model = model(1, &pieces, &[])?;
    assert_eq!(texts(&model.cut("  ab   ba ")), ["▁ab", "▁", "b", "a"]);
    assert_eq!(model.encode("äöb"), [1, 0, 3]);
    assert_eq!(model.decode(&[4, 1, 3]), "ab b");
    assert_eq!(model.decode(&[1, 0, 3]), " ⁇ b");
    Ok(())
}

#[test]
fn bpe_merges_the_best_pair_first_and_of_equals_the_leftmost() -> Result<(), String> {
    let pieces =
        [("▁", -9.0, 1), ("a", -9.0, 1), ("b", -9.0, 1), ("aa", -1.0, 1), ("aab", -2.0, 1)];
    let model = model(2, &pieces, &[])?;
    assert_eq!(texts(&model.cut("aaab")), ["▁", "aa", "a", "b"]);
    assert_eq!(texts(&model.cut("aab")), ["▁", "aab"]);
    Ok(())
}

#[test]
fn an_unknown_character_falls_back_to_its_bytes() -> Result<(), String> {
    let bytes: Vec<String> = (0..256).map(|byte| format!("<0x{byte:02X}>")).collect();
    let mut pieces = vec![("▁", -1.0, 1), ("a", -2.0, 1)];
    pieces.extend(bytes.iter().map(|text| (text.as_str(), 0.0, 6)));
    let model = model(1, &pieces, &number(35, 1))?;
    let ids = model.encode("aß");
    assert_eq!(ids, [1, 2, 3 + 0xC3, 3 + 0x9F]);
    assert_eq!(model.decode(&ids), "aß");
    assert_eq!(model.decode(&[2, 3 + 0xC3, 2]), "a\u{FFFD}a");
    Ok(())
}

#[test]
fn a_symbol_of_the_user_is_never_cut() -> Result<(), String> {
    let pieces = [("▁", -1.0, 1), ("<", -2.0, 1), ("s", -2.0, 1), (">", -2.0, 1), ("<s>", 0.0, 4)];
    for algorithm in [1, 2] {
        assert_eq!(texts(&model(algorithm, &pieces, &[])?.cut("s<s>")), ["▁", "s", "<s>"]);
    }
    Ok(())
}

#[test]
fn what_is_no_model_is_refused() {
    let error = |content: &[u8]| SentencePiece::parse(content).err().unwrap_or_default();
    assert!(error(b"").contains("no pieces"));
    assert!(error(b"{\"model\": 1}").contains("no SentencePiece model"));
    let whole = piece("a", 0.0, 1);
    assert_eq!(error(&whole[..whole.len() - 1]), "it is truncated");
    let words = [piece("a", 0.0, 1), field(2, &number(3, 3))].concat();
    assert!(error(&words).contains("unigram and BPE"));
}
