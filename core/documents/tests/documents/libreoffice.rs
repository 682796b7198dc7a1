//! LibreOffice opens what was translated, and shows the translation.

use std::{fs, io::Write, path::Path, process::Command};

use super::{shout, translated, whole};

/// The text of the PDF that LibreOffice makes of a document.
fn text_in_libreoffice(folder: &Path, name: &str, bytes: &[u8]) -> anyhow::Result<String> {
    let file = folder.join(name);
    fs::write(&file, bytes)?;
    let profile = format!("-env:UserInstallation=file://{}/profile", folder.display());
    let output = Command::new("soffice")
        .args([&profile, "--headless", "--convert-to", "pdf", "--outdir"])
        .arg(folder)
        .arg(&file)
        .output()?;
    let pdf = file.with_extension("pdf");
    anyhow::ensure!(pdf.exists(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    let text = Command::new("pdftotext").arg("-layout").arg(&pdf).arg("-").output()?;
    anyhow::ensure!(text.status.success(), "{name}: pdftotext failed");
    Ok(String::from_utf8(text.stdout)?)
}

fn is_there(tool: &str) -> bool {
    Command::new(tool).arg("--version").output().is_ok()
        || Command::new(tool).arg("-v").output().is_ok()
}

#[test]
fn libreoffice_opens_what_was_translated() -> anyhow::Result<()> {
    if !["soffice", "pdftotext"].into_iter().all(is_there) {
        // Past the test framework, so that `tests/run` names it.
        let line = "skipped: libreoffice_opens_what_was_translated: there is no LibreOffice or no pdftotext\n";
        std::io::stderr().lock().write_all(line.as_bytes())?;
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let keep = std::env::var_os("DRAGOMAN_KEEP_PAGES").map(std::path::PathBuf::from);
    let folder = keep.as_deref().unwrap_or(folder.path());
    for (name, bytes, expected) in [
        (
            "report.docx",
            whole::docx(),
            &[
                "ANNUAL REPORT",
                "THE COMPANY HAD A VERY GOOD YEAR",
                "OUR PAGE",
                "APPLE JUICE",
                "12.50",
                "CONFIDENTIAL DRAFT",
                "IT WAS EVEN BETTER",
                "INSERTED WORDS",
            ][..],
        ),
        (
            "costs.xlsx",
            whole::xlsx(),
            &["TOTAL COST", "VERY CHEAP", "APPLE JUICE & MORE", "INLINE WORDS", "25"][..],
        ),
        (
            "talk.pptx",
            whole::pptx(),
            &["WELCOME TO OUR COMPANY", "THREE GOOD REASONS", "AND ONE MORE"][..],
        ),
        (
            "story.odt",
            whole::odt(),
            &[
                "A SHORT STORY",
                "THE HOUSE IS VERY OLD AND STANDS ALONE",
                "NOBODY LIVES THERE",
                "FIRST CELL",
                "12",
            ][..],
        ),
    ] {
        let same = translated(name, &bytes, str::to_owned)?;
        anyhow::ensure!(same == bytes, "{name} is not the same");
        if keep.is_some() {
            text_in_libreoffice(folder, &format!("before-{name}"), &bytes)?;
        }
        let text = text_in_libreoffice(folder, name, &translated(name, &bytes, shout)?)?;
        for words in expected {
            anyhow::ensure!(text.contains(words), "{name}: no `{words}` in {text}");
        }
    }
    let word = translated("paper.pdf", &super::pdf::sample(), shout)?;
    let text = text_in_libreoffice(folder, "paper.docx", &word)?;
    anyhow::ensure!(
        text.contains("REPORT OF THE YEAR") && text.contains("OPEN THE WINDOW"),
        "{text}"
    );
    Ok(())
}
