use std::io::Write;

use anyhow::Result;

use super::*;

fn pairs(corpus: &Corpus) -> Result<Vec<(String, String)>> {
    let mut pairs = Vec::new();
    for line in corpus.lines()? {
        let pair = line?.pair.map_err(anyhow::Error::msg)?;
        pairs.push((pair.source, pair.target));
    }
    Ok(pairs)
}

#[test]
fn every_format_yields_the_same_pairs() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let write = |name: &str, bytes: &[u8]| -> Result<PathBuf> {
        let path = dir.path().join(name);
        fs_err::write(&path, bytes)?;
        Ok(path)
    };
    let tsv = "Good morning.\tGuten Morgen.\r\nA & B\tA & B\tset\n";
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(tsv.as_bytes())?;
    let jsonl = "{\"source\":\"Good morning.\",\"target\":\"Guten Morgen.\"}\n\
                 {\"translation\":{\"en\":\"A & B\",\"de\":\"A & B\"}}\n";
    let tmx = "<?xml version=\"1.0\"?><tmx version=\"1.4\"><header/><body>\n\
        <tu><tuv xml:lang=\"EN-us\"><seg>Good <hi>morning</hi>.</seg></tuv>\n\
        <tuv xml:lang=\"de\"><seg>Guten Morgen.</seg></tuv></tu>\n\
        <tu><tuv lang=\"de\"><seg>A<ph>{1}</ph> &amp;\n B</seg></tuv>\
        <tuv lang=\"en\"><seg>A &#38; B</seg></tuv></tu></body></tmx>";
    let corpora = [
        Corpus::new(write("a.tsv", tsv.as_bytes())?, "en", "de"),
        Corpus::new(write("a.tsv.gz", &gz.finish()?)?, "en", "de"),
        Corpus::new(write("a.tsv.zst", &zstd::encode_all(tsv.as_bytes(), 3)?)?, "en", "de"),
        Corpus::new(write("a.jsonl", jsonl.as_bytes())?, "en", "de"),
        Corpus::new(write("a.tmx", tmx.as_bytes())?, "en", "de"),
        Corpus::new(write("a.en", b"Good morning.\nA & B")?, "en", "de")
            .with_target(write("a.de", b"Guten Morgen.\nA & B\n")?),
    ];
    let expected = [("Good morning.", "Guten Morgen."), ("A & B", "A & B")];
    let expected = expected.map(|(source, target)| (source.to_owned(), target.to_owned()));
    for corpus in corpora {
        assert_eq!(pairs(&corpus)?, expected, "{}", corpus.path.display());
    }
    Ok(())
}

#[test]
fn malformed_lines_are_numbered_and_passed_over() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("en-de.tsv");
    fs_err::write(&path, b"one\teins\nno tab here\n\xFF\xFE\tzwei\nthree\tdrei\n")?;
    let mut faults = Faults::default();
    let mut good = Vec::new();
    for line in Corpus::from_name(&path)?.lines()? {
        let line = line?;
        match line.pair {
            Ok(pair) => good.push(pair.target),
            Err(reason) => faults.add(&path, line.number, &reason),
        }
    }
    assert_eq!(good, ["eins", "drei"]);
    assert_eq!(faults.count, 2);
    assert!(faults.first[0].contains("en-de.tsv:2: "), "{faults:?}");
    assert!(faults.first[1].ends_with("en-de.tsv:3: not UTF-8"), "{faults:?}");
    Ok(())
}

#[test]
fn units_without_a_pair_are_faults_and_the_rest_is_read() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("en-de.tmx");
    let unit = |languages: [&str; 2]| {
        let segment = |language| format!("<tuv xml:lang='{language}'><seg>x</seg></tuv>\n");
        format!("<tu>\n{}</tu>\n", languages.map(segment).concat())
    };
    let units = [["en", "de"], ["en", "fr"], ["de", "en"]].map(unit).concat();
    fs_err::write(&path, format!("<tmx><body>\n{units}<tu><tuv <<"))?;
    let lines = Corpus::from_name(&path)?.lines()?.collect::<crate::Result<Vec<_>>>()?;
    let good: Vec<bool> = lines.iter().map(|line| line.pair.is_ok()).collect();
    assert_eq!(good, [true, false, true, false], "{lines:?}");
    assert_eq!(lines[1].number, 6);
    assert_eq!(lines[1].pair, Err("the unit has no `de` segment".into()));
    Ok(())
}

#[test]
fn a_plain_file_that_is_shorter_is_named() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let [english, german] = ["a.en", "a.de"].map(|name| dir.path().join(name));
    fs_err::write(&english, "one\ntwo\n")?;
    fs_err::write(&german, "eins\n")?;
    let corpus = Corpus::new(english, "en", "de").with_target(german);
    let lines = corpus.lines()?.collect::<crate::Result<Vec<_>>>()?;
    assert_eq!(lines[1].pair, Err("the target file has no such line".into()));
    Ok(())
}

#[test]
fn a_truncated_archive_is_an_error_with_its_name() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("en-de.tsv.gz");
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    for i in 0..10_000u32 {
        writeln!(gz, "{}\t{}", i.wrapping_mul(2_654_435_761), i.wrapping_mul(40_503))?;
    }
    let bytes = gz.finish()?;
    fs_err::write(&path, &bytes[..bytes.len() / 2])?;
    let error = Corpus::from_name(&path)?.lines()?.find_map(Result::err);
    assert!(error.is_some_and(|error| error.to_string().contains("en-de.tsv.gz")));
    Ok(())
}

#[test]
fn names_tell_languages_and_formats() {
    assert!(Corpus::from_name("x/en-de.train.tsv.gz").is_ok_and(|corpus| {
        corpus.source == "en" && corpus.target == "de" && corpus.label == "x"
    }));
    assert!(Corpus::from_name("readme.txt").is_err());
    assert!(Corpus::new("en-de.docx", "en", "de").format().is_err());
}
