//! Every format, with what is wrong in it.

use std::{io::Write, path::Path};

use anyhow::Result;

use super::*;

/// A log as text: `user: item/kind/value@time …`.
fn shown(log: &Interactions) -> Vec<String> {
    let event = |event: &Event| {
        let (item, kind) = (&log.items[event.item as usize].id, &log.kinds[event.kind as usize]);
        format!(" {item}/{kind}/{}@{}", event.value, event.time)
    };
    let line = |(user, history): (&User, &Vec<Event>)| {
        format!("{}:{}", user.id, history.iter().map(event).collect::<String>())
    };
    log.users.iter().zip(&log.histories).map(line).collect()
}

fn write(folder: &Path, name: &str, text: &str) -> Result<()> {
    let path = folder.join(name);
    fs_err::create_dir_all(path.parent().unwrap_or(folder))?;
    if name.ends_with(".gz") {
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(text.as_bytes())?;
        fs_err::write(path, gz.finish()?)?;
    } else {
        fs_err::write(path, text)?;
    }
    Ok(())
}

/// Writes files into a folder and reads them as a log.
fn load(files: &[(&str, &str)]) -> Result<(Interactions, Faults)> {
    let folder = tempfile::tempdir()?;
    files.iter().try_for_each(|(name, text)| write(folder.path(), name, text))?;
    Ok(Interactions::load(folder.path())?)
}

#[test]
fn movielens_as_tables_with_and_without_headers() -> Result<()> {
    let (csv, faults) = load(&[
        (
            "ratings.csv.gz",
            "userId,movieId,rating,timestamp\n10,2,4.5,300\n2,10,3.0,200\n10,9,1.0,100\n",
        ),
        (
            "movies.csv",
            "movieId,title,genres\n2,\"Odd, The (1995)\",Crime|Drama\n9,Even,(no genres listed)\n\
             11,Untouched (2001),Drama\n",
        ),
    ])?;
    assert_eq!(faults.count, 0, "{faults:?}");
    assert_eq!(shown(&csv), ["2: 10//3@200", "10: 9//1@100 2//4.5@300"]);
    let ids: Vec<_> = csv.items.iter().map(|item| item.id.as_str()).collect();
    assert_eq!(ids, ["2", "9", "10", "11"]);
    assert_eq!(csv.items[0].title, "Odd, The");
    assert_eq!(csv.items[0].categories, ["Crime", "Drama"]);
    assert_eq!(csv.items[0].labels, ["year:1995"]);
    assert!(csv.items[1].categories.is_empty());

    let (dat, faults) = load(&[
        ("ratings.dat", "10::2::4.5::300\n2::10::3::200\n10::9::1::100\n"),
        ("movies.dat", "2::Odd, The (1995)::Crime|Drama\n"),
        ("users.dat", "10::F::1::10::48067\n"),
    ])?;
    assert_eq!(faults.count, 0, "{faults:?}");
    assert_eq!(shown(&dat), shown(&csv));
    assert_eq!(dat.fingerprint(), csv.fingerprint());
    assert_eq!(dat.items[0], csv.items[0]);
    assert_eq!(dat.users[1].labels, ["gender:F", "age:1", "occupation:10", "zip_code:48067"]);
    Ok(())
}

#[test]
fn recbole_has_typed_headers() -> Result<()> {
    let (log, faults) = load(&[
        (
            "x.inter",
            "user_id:token\titem_id:token\trating:float\ttimestamp:float\nu\ti\t3\t8.9e8\n",
        ),
        (
            "x.item",
            "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n\
             i\tSome Title\t1995\tCrime Drama\n",
        ),
        ("x.user", "user_id:token\tage:token\tgender:token\nu\t24\tM\n"),
    ])?;
    assert_eq!(faults.count, 0, "{faults:?}");
    assert_eq!(shown(&log), ["u: i//3@890000000"]);
    assert_eq!(log.items[0].title, "Some Title");
    assert_eq!(log.items[0].categories, ["Crime", "Drama"]);
    assert_eq!(log.items[0].labels, ["year:1995"]);
    assert_eq!(log.users[0].labels, ["age:24", "gender:M"]);
    Ok(())
}

#[test]
fn events_in_tables_and_in_the_words_of_gorse() -> Result<()> {
    let expected = ["ann: x/read/1@1709209815 y/like/2@1709209816"];
    let (table, faults) = load(&[(
        "events.tsv",
        "ann\ty\tlike\t2\t1709209816\nann\tx\tread\t2024-02-29T12:30:15Z\n",
    )])?;
    assert_eq!(faults.count, 0, "{faults:?}");
    assert_eq!(shown(&table), expected);
    let (gorse, faults) = load(&[
        (
            "feedback.jsonl",
            "{\"FeedbackType\":\"like\",\"UserId\":\"ann\",\"ItemId\":\"y\",\"Value\":2,\
             \"Timestamp\":\"2024-02-29T12:30:16Z\"}\n{\"feedbackType\":\"read\",\"userId\":\"ann\",\
             \"itemId\":\"x\",\"timestamp\":1709209815}\n",
        ),
        (
            "items.jsonl",
            "{\"ItemId\":\"x\",\"IsHidden\":false,\"Categories\":[\"tools\"],\"Labels\":{\"of\":\
             {\"tags\":[\"a\",1]}},\"Timestamp\":\"1970-01-02\",\"Comment\":\"a saw\"}\n",
        ),
        ("users.jsonl", "{\"UserId\":\"ann\",\"Labels\":[\"b\"]}\n"),
    ])?;
    assert_eq!(faults.count, 0, "{faults:?}");
    assert_eq!(shown(&gorse), expected);
    let item = Item {
        id: "x".into(),
        title: "a saw".into(),
        categories: vec!["tools".into()],
        labels: vec!["of.tags:a".into(), "of.tags:1".into()],
        time: 86_400,
    };
    assert_eq!(gorse.items[0], item);
    assert_eq!(gorse.users[0].labels, ["b"]);
    Ok(())
}

#[test]
fn sequences_have_an_order_and_no_times() -> Result<()> {
    let (users, _) = load(&[("sequences.txt.gz", "7 3 1 3\n2 5\n7 2\n")])?;
    assert_eq!(shown(&users), ["2: 5//1@0", "7: 3//1@0 1//1@0 3//1@0 2//1@0"]);
    assert!(!users.has_times);
    let (lines, _) = load(&[("train/input.txt", "3 1 3\n5\n")])?;
    assert_eq!(shown(&lines), ["1: 3//1@0 1//1@0 3//1@0", "2: 5//1@0"]);
    Ok(())
}

#[test]
fn malformed_lines_are_named_and_the_rest_is_read() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("log.csv");
    let text = b"user,item,rating,time\na,x,1,5\na\na,y,many,6\na,z,1,noon\n,x,1,7\n\xFF,x,1,7\n\na,w,NaN,8\nb,x,2,9";
    fs_err::write(&path, text)?;
    let (log, faults) = Interactions::load(&path)?;
    assert_eq!(shown(&log), ["a: x//1@5", "b: x//2@9"]);
    assert_eq!(faults.count, 6, "{faults:?}");
    for (fault, wanted) in faults.first.iter().zip([
        "log.csv:3: it has 1 columns",
        "log.csv:4: the value `many`",
        "log.csv:5: the time `noon`",
        "log.csv:6: the user or the item is empty",
        "log.csv:7: not UTF-8",
        "log.csv:9: the value `NaN`",
    ]) {
        assert!(fault.contains(wanted), "{fault}");
    }
    Ok(())
}

#[test]
fn what_is_no_log_says_what_would_be_one() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let message = |path: &Path| {
        Interactions::load(path).map_or_else(|error| error.to_string(), |_| String::new())
    };
    assert!(message(folder.path()).contains("events.jsonl"));
    assert!(message(&folder.path().join("absent.tsv")).contains("absent.tsv"));
    write(folder.path(), "a.docx", "x")?;
    assert!(message(&folder.path().join("a.docx")).contains(".jsonl"));
    write(folder.path(), "a.jsonl", "{\n")?;
    assert!(message(&folder.path().join("a.jsonl")).contains("a.jsonl:1: "));
    assert!("spss".parse::<Format>().is_err_and(|error| error.to_string().contains("recbole")));
    Ok(())
}

#[test]
fn columns_stand_in_any_order_under_the_names_of_the_shop() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let text = "when,what,who,page\r\n300,tea,anna,7\r\n100,mug,anna,8\r\n";
    write(folder.path(), "log.csv.gz", &format!("\u{feff}{text}"))?;
    let path = folder.path().join("log.csv.gz");
    let names = "user=who, item=what,time=when".parse().map_err(anyhow::Error::msg)?;
    let (log, faults) = Interactions::load_with(&path, &names)?;
    assert_eq!((shown(&log), faults.count), (vec!["anna: mug//1@100 tea//1@300".into()], 0));

    let names = "user=whom,item=what".parse().map_err(anyhow::Error::msg)?;
    let error = Interactions::load_with(&path, &names).expect_err("no such column").to_string();
    assert!(error.contains("`whom`") && error.contains("`who`"), "{error}");
    Ok(())
}

#[test]
fn a_header_without_a_user_is_refused_and_not_read_by_position() -> Result<()> {
    let files =
        [("events.csv", "timestamp,account_no,event,itemid\n1433221332117,257597,view,355908\n")];
    let error = load(&files).expect_err("nobody knows the user").to_string();
    assert!(error.contains("--columns user=account_no"), "{error}");
    // Titles that nobody knows are no event.
    let files = [("events.csv", "who,page,seen_at\nu1,p1,2024-01-01\n")];
    let error = load(&files).expect_err("nobody knows these names").to_string();
    assert!(error.contains("--columns user=who"), "{error}");
    let bare = [("events.csv", "anna,tea,view\nben,4711,view\n")];
    assert_eq!(shown(&load(&bare)?.0).len(), 2);
    let shop = [(
        "events.csv",
        "timestamp,visitorid,event,itemid,transactionid\n1433221332117,7,view,9,\n",
    )];
    assert_eq!(shown(&load(&shop)?.0), ["7: 9/view/1@1433221332"]);
    let reviews = [(
        "events.jsonl",
        r#"{"reviewerID":"A","asin":"B0","overall":4.0,"unixReviewTime":1433221332}"#,
    )];
    assert_eq!(shown(&load(&reviews)?.0), ["A: B0//4@1433221332"]);
    Ok(())
}

#[test]
fn old_movielens_files_are_latin() -> Result<()> {
    let folder = tempfile::tempdir()?;
    fs_err::write(folder.path().join("ratings.dat"), "1::2::5::978300760\n")?;
    fs_err::write(folder.path().join("movies.dat"), b"2::L'\xE9t\xE9 (1999)::Drama\n")?;
    let (log, faults) = Interactions::load(folder.path())?;
    assert_eq!((log.items[0].title.as_str(), faults.count), ("L'été", 0));
    Ok(())
}

#[test]
fn an_export_of_the_store_is_a_log() -> Result<()> {
    let text = r#"{"kind":"store","schema":2}
        {"kind":"suggestion","q":"a","s":"b","source":"en","target":"de","at":1}
        {"kind":"user","UserId":"u","Labels":{"plan":"free"},"Comment":""}
        {"kind":"item","ItemId":"a","IsHidden":false,"Categories":["x"],"Timestamp":"0001-01-01T00:00:00Z","Labels":{"embedding":[1,2]},"Comment":"Tea"}
        {"kind":"item","ItemId":"b","IsHidden":false,"Categories":[],"Timestamp":"1970-01-01T00:01:00Z","Labels":null,"Comment":""}
        {"kind":"feedback","FeedbackType":"read","UserId":"u","ItemId":"a","Value":3.0,"Timestamp":"1970-01-01T00:00:05Z","Updated":"1970-01-01T00:00:09Z","Labels":null,"Comment":"","Events":[["1970-01-01T00:00:05Z",1.0],["1970-01-01T00:00:09Z",2.0]]}
        {"kind":"feedback","tenant":"x","FeedbackType":"buy","UserId":"u","ItemId":"a","Value":1.0,"Timestamp":"1970-01-01T00:00:07Z"}
        {"kind":"feedback","tenant":"y","FeedbackType":"buy","UserId":"u","ItemId":"a","Value":1.0,"Timestamp":"1970-01-01T00:00:07Z"}"#;
    let (log, faults) = load(&[("events.jsonl", text)])?;
    assert_eq!(shown(&log), ["u: a/read/1@5 a/buy/1@7 a/read/2@9"]);
    assert_eq!(
        (log.users[0].labels.as_slice(), log.items.len()),
        (["plan:free".into()].as_slice(), 2)
    );
    assert_eq!((log.items[0].title.as_str(), log.items[0].labels.len()), ("Tea", 0));
    assert_eq!((log.items[0].time, log.items[1].time), (0, 60));
    assert_eq!(faults.count, 1, "one of another tenant: {faults:?}");
    Ok(())
}

#[test]
fn movielens_100k_as_it_is_published() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let write = |name: &str, bytes: &[u8]| fs_err::write(folder.path().join(name), bytes);
    write("u.data", b"196\t242\t3\t881250949\n186\t302\t4\t891717742\n")?;
    write(
        "u.item",
        b"242|L'\xE9t\xE9 (1997)|24-Jan-1997||http://us.imdb.com/M|0|0|0|0|0|1|0|0|1|0|0|0|0|0|0|0|0|0|0\n\
          267|unknown||||1|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0\n",
    )?;
    write("u.user", b"196|49|M|writer|55105\n186|39|F|executive|00000\n")?;
    write("u1.base", b"196\t1\t1\t1\n")?;
    let (log, faults) = Interactions::load(folder.path())?;
    assert_eq!(faults.count, 0, "{faults:?}");
    assert_eq!(shown(&log), ["186: 302//4@891717742", "196: 242//3@881250949"]);
    let item = Item {
        id: "242".into(),
        title: "L'été".into(),
        categories: vec!["Comedy".into(), "Drama".into()],
        labels: vec!["year:1997".into()],
        time: 0,
    };
    assert_eq!(log.items[0], item);
    assert!(log.items[1].id == "267" && log.items[1].categories.is_empty(), "{:?}", log.items[1]);
    assert_eq!(log.users[1].labels, ["age:49", "gender:M", "occupation:writer", "zip_code:55105"]);
    write("u.genre", b"none|0\nFirst|1\nSecond|2\nA|3\nB|4\nFunny|5\n\n")?;
    assert_eq!(Interactions::load(folder.path())?.0.items[0].categories, ["Funny"]);
    Ok(())
}

#[test]
fn ratings_of_amazon_begin_with_the_user_or_with_the_item() -> Result<()> {
    let log = |text: &str| Ok::<_, anyhow::Error>(shown(&load(&[("events.csv", text)])?.0));
    let expected =
        ["A1YS9MDZP93857: 0001393774//3@1394496000", "A3478QRKQDOPQ2: B00005N7P0//5@1362960000"];
    let of_2014 =
        "A1YS9MDZP93857,0001393774,3.0,1394496000\nA3478QRKQDOPQ2,B00005N7P0,5.0,1362960000\n";
    assert_eq!(log(of_2014)?, expected);
    let of_2018 =
        "0001393774,A1YS9MDZP93857,3.0,1394496000\nB00005N7P0,A3478QRKQDOPQ2,5.0,1362960000\n";
    assert_eq!(log(of_2018)?, expected);
    let doubtful = format!("{of_2018}B00005N7P1,anna,5.0,1362960000\n");
    assert!(log(&doubtful)?.iter().any(|line| line.starts_with("B00005N7P0: A3478QRKQDOPQ2")));
    Ok(())
}

#[test]
fn a_date_of_eight_digits_is_a_time_with_a_header_and_without() -> Result<()> {
    for text in ["user,item,time\nann,x,20240101\n", "ann,x,20240101\n", "ann,x,1,20240101\n"] {
        assert_eq!(shown(&load(&[("events.csv", text)])?.0), ["ann: x//1@1704067200"], "{text}");
    }
    assert_eq!(shown(&load(&[("events.csv", "ann,x,20241300\n")])?.0), ["ann: x//20241300@0"]);
    let year = [("events.jsonl", "{\"user\":\"ann\",\"item\":\"x\",\"time\":\"2014\"}\n")];
    assert_eq!(shown(&load(&year)?.0), ["ann: x//1@1388534400"]);
    Ok(())
}
