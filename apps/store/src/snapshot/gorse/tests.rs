//! Against bytes that Google's protobuf for Python (7.x) made of messages with the fields of Gorse's `protocol.proto`, with
//! `struct.pack("<q", …)` between them.

use super::*;
use crate::DEFAULT_TENANT;

/// `anna`, labels `{"age":[3]}`, comment `a regular`, subscribed to `x`; `ben`, labels `null`.
const USERS: &str = "\
    ffffffffffffffff21000000000000000a04616e6e61120b7b22616765223a5b335d7d1a09612072\
    6567756c61722201780b000000000000000a0362656e12046e756c6c";

/// `tea`, hidden, `hot` and `drink`, of 2020-01-02T00:00:00.0000005Z, labels `{"price":3}`, comment `Tea`; `mug`, of no time.
const ITEMS: &str = "\
    feffffffffffffff3000000000000000120374656118012203686f7422056472696e6b2a090880e5\
    b4f00510f403320b7b227072696365223a337d3a03546561180000000000000012036d75672a0b08\
    8092b8c398feffffff0132046e756c6c";

/// `buy` of `tea` by `anna`, 2.5, at 1700000000, `a gift`; `read` of `mug` by `ben`, 0, nine seconds later.
const FEEDBACK: &str = "\
    fdffffffffffffff290000000000000012036275791a04616e6e6122037465612900000000000004\
    4032060880e2cfaa063a0661206769667418000000000000001204726561641a0362656e22036d75\
    6732060889e2cfaa06";

/// The first of them as Gorse wrote it before it had values.
const OLD: &str = "\
    fdffffffffffffff200000000000000012036275791a04616e6e6122037465612a060880e2cfaa06\
    3206612067696674";

const END: &str = "0000000000000000";

fn bytes(parts: &[&str]) -> Vec<u8> {
    let hex: Vec<u8> = parts.concat().bytes().filter(u8::is_ascii_hexdigit).collect();
    let pairs = hex.chunks(2).map(|pair| std::str::from_utf8(pair).expect("hexadecimal"));
    pairs.map(|pair| u8::from_str_radix(pair, 16).expect("hexadecimal")).collect()
}

fn store() -> anyhow::Result<(Store, tempfile::TempDir)> {
    let dir = tempfile::tempdir()?;
    Ok((Store::open(dir.path())?, dir))
}

fn exported(store: &Store) -> anyhow::Result<String> {
    let mut lines = Vec::new();
    store.export(&mut lines)?;
    Ok(String::from_utf8(lines)?)
}

#[test]
fn a_dump_is_read_and_a_second_time_changes_nothing() -> anyhow::Result<()> {
    let (store, _dir) = store()?;
    let mut dump = bytes(&[USERS, ITEMS, FEEDBACK, END]);
    dump.extend(br#"{"Users":2,"Items":2,"Feedback":2,"Duration":7}"#); // what Gorse writes behind it
    let mut first = None;
    for _ in 0..2 {
        let counts = store.import(dump.as_slice())?;
        assert_eq!((counts.users, counts.items, counts.feedback), (2, 2, 2));
        let lines = exported(&store)?;
        assert_eq!(*first.get_or_insert_with(|| lines.clone()), lines);
    }
    let tenant = store.tenant(DEFAULT_TENANT)?;
    let anna = tenant.user("anna")?.expect("it was imported");
    assert_eq!(
        (anna.labels, anna.comment.as_str()),
        (serde_json::json!({ "age": [3] }), "a regular")
    );
    let tea = tenant.item("tea")?.expect("it was imported");
    assert!(tea.is_hidden && tea.categories == ["hot", "drink"] && tea.comment == "Tea", "{tea:?}");
    assert_eq!(tea.timestamp.to_string(), "2020-01-02T00:00:00.0000005Z");
    assert_eq!(tea.labels, serde_json::json!({ "price": 3 }));
    assert!(tenant.item("mug")?.expect("it was imported").timestamp.is_zero());
    let buy = tenant.feedback("buy", "anna", "tea")?.expect("it was imported");
    assert_eq!(
        (buy.value, buy.timestamp.seconds, buy.comment.as_str()),
        (2.5, 1_700_000_000, "a gift")
    );
    let read = tenant.feedback("read", "ben", "mug")?.expect("it was imported");
    assert_eq!((read.value, read.timestamp.seconds), (0.0, 1_700_000_009));
    Ok(())
}

#[test]
fn feedback_without_values_is_read_too() -> anyhow::Result<()> {
    let (store, _dir) = store()?;
    assert_eq!(store.import(bytes(&[OLD, END]).as_slice())?.feedback, 1);
    let buy =
        store.tenant(DEFAULT_TENANT)?.feedback("buy", "anna", "tea")?.expect("it was imported");
    assert_eq!(
        (buy.value, buy.timestamp.seconds, buy.comment.as_str()),
        (0.0, 1_700_000_000, "a gift")
    );
    Ok(())
}

#[test]
fn what_is_written_is_what_protobuf_writes() -> anyhow::Result<()> {
    let (store, _dir) = store()?;
    store.import(bytes(&[USERS, ITEMS, FEEDBACK, END]).as_slice())?;
    let mut dump = Vec::new();
    let counts = store.export_to_gorse(DEFAULT_TENANT, &mut dump)?;
    assert_eq!((counts.users, counts.items, counts.feedback), (2, 2, 2));
    let expected = |part: &str| bytes(&[part]);
    let (mut rest, mut messages) = (dump.as_slice(), Vec::new());
    while let Ok(piece) = next(&mut rest) {
        match piece {
            Piece::Rows(which) => messages.push(which.to_le_bytes().to_vec()),
            Piece::Row(bytes) => messages.push(bytes),
            Piece::End => break,
        }
    }
    let tea = expected(ITEMS)[16..16 + 48].to_vec();
    let mug = expected(ITEMS)[16 + 48 + 8..].to_vec();
    let (buy, read) =
        (expected(FEEDBACK)[16..16 + 41].to_vec(), expected(FEEDBACK)[16 + 41 + 8..].to_vec());
    let anna = expected(USERS)[16..16 + 30].to_vec(); // without the three bytes of what she subscribes to
    let ben = expected(USERS)[16 + 33 + 8..].to_vec();
    let mark = |number: i64| number.to_le_bytes().to_vec();
    assert_eq!(messages, [mark(-1), anna, ben, mark(-2), mug, tea, mark(-3), buy, read]);
    assert!(rest.is_empty());

    let (other, _dir) = self::store()?;
    other.import(dump.as_slice())?;
    assert_eq!(exported(&other)?, exported(&store)?);
    Ok(())
}

#[test]
fn a_dump_that_is_cut_off_says_so_and_keeps_what_came() -> anyhow::Result<()> {
    let whole = bytes(&[USERS, ITEMS, FEEDBACK, END]);
    for length in NUMBER..whole.len() {
        let (store, _dir) = store()?;
        let error = store.import(&whole[..length]).expect_err("it is cut off");
        let message = error.to_string();
        assert!(message.contains("cut off") && message.contains("were kept"), "{message}");
        let Error::Dump { kept, bad: 1, .. } = error else { anyhow::bail!("{error:?}") };
        let tenant = store.tenant(DEFAULT_TENANT)?;
        assert_eq!(
            (kept.feedback, kept.users),
            (tenant.count_feedback()?, tenant.users("").count())
        );
        store.import(whole.as_slice())?;
    }
    Ok(())
}

#[test]
fn rows_that_cannot_be_read_are_left_out_and_named() -> anyhow::Result<()> {
    let (store, _dir) = store()?;
    let bad = ["0200000000000000", "0aff"]; // a text that is longer than the row
    let nameless = ["0300000000000000", "1a0178"]; // a user who is called nothing
    let dump = bytes(&[USERS, bad[0], bad[1], nameless[0], nameless[1], ITEMS, END]);
    let error = store.import(dump.as_slice()).expect_err("two rows are bad");
    assert!(matches!(error, Error::Dump { row: 3, bad: 2, .. }), "{error:?}");
    assert!(error.to_string().contains("1 more rows"), "{error}");
    let tenant = store.tenant(DEFAULT_TENANT)?;
    assert_eq!((tenant.users("").count(), tenant.items("").count()), (2, 2));
    Ok(())
}

#[test]
fn other_binary_files_are_refused() -> anyhow::Result<()> {
    let (store, _dir) = store()?;
    for (bytes, named) in [
        (&b"PK\x03\x04\x14\0\0\0\x08\0"[..], "neither JSON Lines nor"),
        (b"\0\0\0\0\0\0\0\0", "neither JSON Lines nor"),
        (b"\x1f\x8b\x08\0\0\0\0\0\0\x03", "neither JSON Lines nor"),
        (
            b"\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0\0\0\0\x7f",
            "no dump of Gorse, or a damaged one",
        ),
    ] {
        let error = store.import(bytes).expect_err("that is no dump").to_string();
        assert!(error.contains(named), "{error}");
    }
    assert!(store.import(&b""[..]).is_ok() && store.import(&b"\n"[..]).is_ok());
    Ok(())
}
