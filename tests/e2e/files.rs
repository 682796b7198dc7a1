//! `dragoman translate` with documents.

use anyhow::Result;
use dragoman_e2e::{Dragoman, model};

fn translate(args: &[&str]) -> Result<Dragoman> {
    let model = model::dir()?;
    let command = Dragoman::new(["translate", "--from", "en", "--to", "de"])?;
    Ok(command.args(args).args(["--model".as_ref(), model.as_os_str()]))
}

#[test]
fn a_document_is_written_beside_its_source() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let source = "{ \"a\": \"The train is late.\", \"b\": [1, \"The cat sleeps.\"] }\n";
    fs_err::write(folder.path().join("some.json"), source)?;
    let run = |args: &[&str]| Ok::<_, anyhow::Error>(translate(args)?.current_dir(&folder));
    assert_eq!(run(&["some.json"])?.stdout()?, "some.de.json\n");
    let written = fs_err::read_to_string(folder.path().join("some.de.json"))?;
    let german = "{ \"a\": \"Der Zug hat Verspätung.\", \"b\": [1, \"Die Katze schläft.\"] }\n";
    assert_eq!(written, german);
    assert_eq!(fs_err::read_to_string(folder.path().join("some.json"))?, source);

    let error = run(&["some.json"])?.failure()?;
    assert!(error.contains("some.de.json") && error.contains("--overwrite"), "{error}");
    assert_eq!(run(&["--overwrite", "some.json"])?.stdout()?, "some.de.json\n");
    fs_err::create_dir(folder.path().join("out"))?;
    assert_eq!(run(&["--out", "out", "some.json"])?.stdout()?, "out/some.de.json\n");
    assert_eq!(run(&["--out", "x.json", "some.json"])?.stdout()?, "x.json\n");
    assert_eq!(fs_err::read_to_string(folder.path().join("x.json"))?, german);
    Ok(())
}

#[test]
fn a_document_that_cannot_be_read_leaves_nothing_behind() -> Result<()> {
    let folder = tempfile::tempdir()?;
    fs_err::write(folder.path().join("bad.docx"), "no zip")?;
    fs_err::write(folder.path().join("good.txt"), "The cat sleeps.\n")?;
    let run = |args: &[&str]| Ok::<_, anyhow::Error>(translate(args)?.current_dir(&folder));
    let error = run(&["bad.docx"])?.failure()?;
    assert!(error.contains("bad.docx") && error.contains("Word"), "{error}");
    let both = run(&["bad.docx", "good.txt"])?.run()?;
    assert_eq!(both.code, Some(1), "{}", both.stderr);
    assert_eq!(String::from_utf8(both.stdout)?, "good.de.txt\n");
    let missing = run(&["missing.docx"])?.failure()?;
    assert!(missing.contains("no file `missing.docx`"), "{missing}");
    let mixed = run(&["good.txt", "some words"])?.failure()?;
    assert!(mixed.contains("`some words`"), "{mixed}");
    fs_err::write(folder.path().join("notes.xyz"), "The cat sleeps.\n")?;
    let unknown = run(&["notes.xyz"])?.failure()?;
    assert!(unknown.contains("`notes.xyz`") && unknown.contains(".docx"), "{unknown}");
    fs_err::remove_file(folder.path().join("notes.xyz"))?;
    let mut left: Vec<String> = fs_err::read_dir(folder.path())?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<Result<_>>()?;
    left.sort();
    assert_eq!(left, ["bad.docx", "good.de.txt", "good.txt"]);
    Ok(())
}

#[test]
fn what_cannot_be_written_is_said_before_the_work() -> Result<()> {
    let folder = tempfile::tempdir()?;
    fs_err::write(folder.path().join("a.txt"), "The cat sleeps.\n")?;
    fs_err::create_dir(folder.path().join("texts"))?;
    for (args, reason) in [
        (&["a.txt", "--out", "z.pdf"][..], "a document of `.txt` cannot be written as `pdf`"),
        (&["a.txt", "--out", "missing/"], "there is no such folder"),
        (&["a.txt", "--out", "missing/b.txt"], "there is no folder `missing`"),
        (&["a.txt", "--out", "./a.txt", "--overwrite"], "would replace the document itself"),
        (&["texts"], "`texts` is a folder; name the documents in it, as `texts/*.docx`"),
        (&["./texts/", "a word"], "is a folder"),
    ] {
        let error = translate(args)?.current_dir(&folder).failure()?;
        assert!(error.contains(reason), "{args:?}: {error}");
    }
    assert_eq!(fs_err::read_to_string(folder.path().join("a.txt"))?, "The cat sleeps.\n");
    Ok(())
}

#[test]
fn a_glossary_and_a_memory_are_used_for_documents() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let write = |name: &str, text: &str| fs_err::write(folder.path().join(name), text);
    write(
        "a.po",
        "msgid \"The cat sleeps.\"\nmsgstr \"\"\n\nmsgid \"The soup is too hot.\"\nmsgstr \"\"\n",
    )?;
    write("terms.tsv", "soup\tBrühe\n")?;
    write("units.tsv", "The cat sleeps.\tDie Katze pennt.\n")?;
    let run = |args: &[&str]| translate(args)?.current_dir(&folder).args(["--overwrite"]).stdout();
    run(&["a.po", "--glossary", "terms.tsv", "--memory=units.tsv"])?;
    let written = fs_err::read_to_string(folder.path().join("a.de.po"))?;
    assert!(
        written.starts_with("msgid \"The cat sleeps.\"\nmsgstr \"Die Katze pennt.\"\n"),
        "{written}"
    );
    assert!(
        written.contains("#, fuzzy\nmsgid \"The soup") && written.contains("Brühe"),
        "{written}"
    );

    let import = Dragoman::new(["memory", "import", "units.tsv", "--from", "en", "--to", "de"])?;
    import.current_dir(&folder).args(["--store", "store"]).stdout()?;
    write("b.txt", "The cat sleeps. Good morning.\n")?;
    let out = run(&["b.txt", "--memory=store"])?;
    assert_eq!(out, "b.de.txt\n");
    let written = fs_err::read_to_string(folder.path().join("b.de.txt"))?;
    assert_eq!(written, "Die Katze pennt. Guten Morgen.\n");
    assert_eq!(run(&["The cat sleeps.", "--memory=store"])?, "Die Katze pennt.\n");
    let within = ["The cat sleeps. Good morning.", "--memory=units.tsv"];
    assert_eq!(run(&within)?, "Die Katze pennt. Guten Morgen.\n");
    let own = translate(&["The cat sleeps.", "--memory"])?.current_dir(&folder);
    assert_eq!(own.env("DRAGOMAN_STORE", "store").stdout()?, "Die Katze pennt.\n");
    let error = translate(&["b.txt", "--memory=nowhere"])?.current_dir(&folder).failure()?;
    assert!(error.contains("no memory in `nowhere`"), "{error}");
    Ok(())
}

#[test]
fn a_column_of_a_table_can_be_chosen() -> Result<()> {
    let folder = tempfile::tempdir()?;
    fs_err::write(folder.path().join("t.csv"), "en,key\nThe cat sleeps.,The cat sleeps.\n")?;
    translate(&["--column", "en", "t.csv"])?.current_dir(&folder).stdout()?;
    let written = fs_err::read_to_string(folder.path().join("t.de.csv"))?;
    assert_eq!(written, "en,key\nDie Katze schläft.,The cat sleeps.\n");
    Ok(())
}
