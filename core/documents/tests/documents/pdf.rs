//! PDF, written by hand.

use std::time::Instant;

use dragoman_documents::{Error, Kind, Limits, Settings};

use super::{asked, shout, translated, translated_with, zip::member};

/// A PDF of pages with these programs, with more `objects` from number 100 on, and a page's further
/// `resources`.
fn pdf_with(programs: &[String], objects: &[String], resources: &str) -> Vec<u8> {
    let mut all: Vec<(usize, String)> = vec![(1, "<</Type/Catalog/Pages 2 0 R>>".into())];
    let kids: Vec<String> =
        (0..programs.len()).map(|page| format!("{} 0 R", 10 + 2 * page)).collect();
    all.push((2, format!("<</Type/Pages/Count {}/Kids[{}]>>", programs.len(), kids.join(" "))));
    let font = "<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding<</BaseEncoding/WinAnsiEncoding/Differences[1/fi 2/ffi]>>>>";
    all.push((3, font.into()));
    for (page, program) in programs.iter().enumerate() {
        let number = 10 + 2 * page;
        all.push((
            number,
            format!(
                "<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Resources<</Font<</F 3 0 R>>{resources}>>/Contents {} 0 R>>",
                number + 1
            ),
        ));
        all.push((number + 1, stream("", program)));
    }
    all.extend(objects.iter().enumerate().map(|(i, object)| (100 + i, object.clone())));
    let mut out = String::from("%PDF-1.4\n");
    for (number, object) in all {
        out.push_str(&format!("{number} 0 obj\n{object}\nendobj\n"));
    }
    out.push_str("trailer\n<</Root 1 0 R>>\n%%EOF\n");
    out.into_bytes()
}

fn stream(entries: &str, content: &str) -> String {
    format!("<</Length {}{entries}>>\nstream\n{content}\nendstream", content.len())
}

fn pdf(programs: &[String]) -> Vec<u8> {
    pdf_with(programs, &[], "")
}

/// Draws lines of text, the first at `(x, y)`, 12 points apart.
fn lines(x: usize, y: usize, lines: &[&str]) -> String {
    let line = |(number, line): (usize, &&str)| {
        format!("BT /F 10 Tf {x} {} Td ({line}) Tj ET\n", y - 12 * number)
    };
    lines.iter().enumerate().map(line).collect()
}

const LEFT: [&str; 7] = [
    "The committee met on the first of May to talk about",
    "the report. It was found that offices are used much bet-",
    "ter than before, and that the way from one depart-",
    "ment to the next is short. Nobody had expected that.",
    "In the second part the members talked about the old",
    "building. The heating is expensive, the windows are",
    "open, and in winter the first floor is so very cold that",
];

const RIGHT: [&str; 5] = [
    "people work in their coats. A new building would be",
    "a good investment for all of them and for the town.",
    "Nobody said anything about the money that it costs,",
    "and so the meeting ended later than it had begun, and",
    "everybody went home.",
];

/// A page with a heading and two columns, and a page with a list.
pub(crate) fn sample() -> Vec<u8> {
    let heading = "BT /F 20 Tf 200 740 Td (Report of the year) Tj ET\n".to_owned();
    let number = |page: usize| format!("BT /F 8 Tf 300 30 Td (Page {page}) Tj ET\n");
    let first = [heading, lines(40, 700, &LEFT), lines(320, 700, &RIGHT), number(1)].concat();
    let list = lines(40, 700, &["1. Open the window.", "2. Close the door."]);
    pdf(&[first, [list, number(2)].concat()])
}

#[test]
fn columns_are_read_in_order_and_parted_words_are_whole() {
    let expected = [
        "Report of the year",
        "The committee met on the first of May to talk about the report.",
        "It was found that offices are used much better than before, and that the way from one department to the next is short.",
        "Nobody had expected that.",
        "In the second part the members talked about the old building.",
        "The heating is expensive, the windows are open, and in winter the first floor is so very cold that people work in their coats.",
        "A new building would be a good investment for all of them and for the town.",
        "Nobody said anything about the money that it costs, and so the meeting ended later than it had begun, and everybody went home.",
        "Open the window.",
        "Close the door.",
    ];
    let mut found = asked("a.pdf", &sample());
    found.retain(|text| !text.to_lowercase().starts_with("page"));
    assert_eq!(found, expected);
}

#[test]
fn the_text_is_written_as_word_or_as_html() {
    let word = translated("a.pdf", &sample(), shout).expect("it is read");
    let document = member(&word, "word/document.xml");
    let heading = "<w:outlineLvl w:val=\"0\"/></w:pPr><w:r><w:rPr><w:b/><w:sz w:val=\"40\"/></w:rPr><w:t xml:space=\"preserve\">REPORT OF THE YEAR</w:t>";
    assert!(document.contains(heading), "{document}");
    let settings =
        Settings { output: Some(Kind::Html), target: "de".into(), ..Settings::default() };
    let html = translated_with(&settings, "a.pdf", &sample(), shout).expect("it is read");
    let html = String::from_utf8(html).expect("it is text");
    assert!(html.contains("<h1>REPORT OF THE YEAR</h1>\n<p>THE COMMITTEE MET"), "{html}");
}

#[test]
fn ligatures_are_letters_and_rows_of_a_table_have_tabs() {
    let program = [
        lines(40, 700, &["Product", "Apple juice"]),
        lines(200, 700, &["Price", "12.50"]),
        "BT /F 10 Tf 40 600 Td (\\001nd the o\\002ce) Tj ET\n".to_owned(),
    ]
    .concat();
    let word = translated("a.pdf", &pdf(&[program]), str::to_owned).expect("it is read");
    let document = member(&word, "word/document.xml");
    assert!(document.contains(">find the office<"), "{document}");
    assert!(
        document.contains("Product</w:t><w:tab/><w:t xml:space=\"preserve\">Price"),
        "{document}"
    );
}

/// The texts of a page of two columns, whose right one begins `lower` points below the left one.
fn columns(lower: usize, heading: &str) -> Vec<String> {
    let page =
        [lines(40, 700, &LEFT), lines(320, 700 - lower, &RIGHT), heading.to_owned()].concat();
    asked("a.pdf", &pdf(&[page]))
}

#[test]
fn columns_need_not_share_their_base_lines() {
    let expected = columns(0, "");
    assert!(expected[4].ends_with("so very cold that people work in their coats."), "{expected:?}");
    let heading = "BT /F 20 Tf 200 740 Td (Report of the year) Tj ET\n";
    for lower in [1, 2, 3, 5, 6, 8, 11, 20, 35] {
        assert_eq!(columns(lower, ""), expected, "{lower} points lower");
        let mut headed = columns(lower, heading);
        assert_eq!(headed.remove(0), "Report of the year");
        assert_eq!(headed, expected, "{lower} points lower, below a heading");
    }
}

#[test]
fn columns_that_stand_close_are_two_and_wide_spaces_are_none() {
    // Lines of 246 points: the gaps are of 9 points and more, at 10 points of the letters.
    let row =
        |name: char, number: usize| format!("{name} {number} Mmmmm mmmmm mmmmm mmmmm iiiii mmmm.");
    let column = |name: char| (0..6).map(|number| row(name, number)).collect::<Vec<_>>();
    let (left, right) = (column('A'), column('B'));
    let drawn = |x: usize, column: &[String]| {
        lines(x, 700, &column.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let expected = [left.clone(), right.clone()].concat().join(" ");
    for x in [295, 297, 300, 306] {
        let page = drawn(40, &left) + &drawn(x, &right);
        let found = asked("a.pdf", &pdf(&[page])).join(" ");
        assert_eq!(found, expected, "the right one begins at {x}");
    }
    // Words that stand far apart in some lines.
    let mut page = drawn(40, &left);
    for (number, x) in [(6, 297), (7, 295), (8, 301), (9, 296)] {
        page += &lines(40, 700 - 12 * number, &[&row('C', number)]);
        page += &lines(x, 700 - 12 * number, &["behind it stands more text"]);
    }
    let found = asked("a.pdf", &pdf(&[page])).join(" ");
    assert!(found.contains("mmmm. behind it stands more text C 7 Mmmmm"), "{found}");
}

#[test]
fn three_columns_are_read_one_after_the_other() {
    let column = |name: char| -> Vec<String> {
        (0..6).map(|line| format!("Column {name} line {line} is short.")).collect()
    };
    let all = [column('a'), column('b'), column('c')];
    let draw = |(number, column): (usize, &Vec<String>)| {
        let column: Vec<&str> = column.iter().map(String::as_str).collect();
        lines(30 + 190 * number, 700 - 5 * number, &column)
    };
    let page: String = all.iter().enumerate().map(draw).collect();
    assert_eq!(asked("a.pdf", &pdf(&[page])), all.concat());
}

#[test]
fn a_page_that_is_turned_is_read_as_it_is_seen() {
    let text = [LEFT, LEFT].concat().join(" ");
    let long = &text[..140];
    for (turn, matrix) in [
        (90, "0 1 -1 0 600 0"),
        (180, "-1 0 0 -1 600 800"),
        (270, "0 -1 1 0 0 800"),
        (0, "1 0 0 1 0 0"),
    ] {
        let width = if turn % 180 == 90 { 140 } else { 90 };
        let program = format!("q {matrix} cm {} Q", lines(40, 500, &[&long[..width], "Goodbye."]));
        let turned = pdf(&[program]);
        let turned = String::from_utf8(turned).expect("it is text");
        let turned = turned.replace("/MediaBox", &format!("/Rotate {turn}/MediaBox"));
        let found = asked("a.pdf", turned.as_bytes()).join(" ");
        assert!(
            found.contains(long[..width].split(". ").next().unwrap_or(long)),
            "{turn}: {found}"
        );
        assert!(found.ends_with("Goodbye."), "{turn}: {found}");
    }
}

#[test]
fn text_that_is_turned_on_its_page_is_read() {
    let turned = |matrix: &str, text: &[&str]| format!("q {matrix} cm {} Q\n", lines(40, 40, text));
    let first =
        [lines(40, 700, &LEFT), turned("0 1 -1 0 100 300", &["Turned to the left."])].concat();
    let second =
        [lines(40, 700, &RIGHT), turned("0 -1 1 0 400 700", &["Turned to the right."])].concat();
    let found = asked("a.pdf", &pdf(&[first, second])).join(" ");
    assert!(found.contains("so very cold that people work in their coats."), "{found}");
    assert!(
        found.contains("Turned to the left.") && found.contains("Turned to the right."),
        "{found}"
    );
    let table = turned("0 1 -1 0 300 100", &["A table on its side.", "It has two lines."]);
    let found = asked("a.pdf", &pdf(&[table + &lines(40, 700, &["A note."])]));
    assert_eq!(found, ["A table on its side.", "It has two lines.", "A note."]);
    let slanted = turned("0.7 0.7 -0.7 0.7 300 100", &["DRAFT"]);
    assert_eq!(asked("a.pdf", &pdf(&[slanted + &lines(40, 700, &["A note."])])), ["A note."]);
}

fn refused(bytes: &[u8], limits: Limits) -> Error {
    let settings = Settings { limits, ..Settings::default() };
    translated_with(&settings, "a.pdf", bytes, shout).expect_err("it is refused")
}

#[test]
fn a_scan_is_refused_with_a_way_on() {
    let picture = stream(
        "/Type/XObject/Subtype/Image/Width 1/Height 1/ColorSpace/DeviceGray/BitsPerComponent 8",
        "x",
    );
    let page = "q 600 0 0 800 0 0 cm /I Do Q\n".to_owned();
    let scan = pdf_with(&[page.clone(), page], &[picture], "/XObject<</I 100 0 R>>");
    let error = refused(&scan, Limits::default()).to_string();
    assert!(error.contains("pictures") && error.contains("ocrmypdf"), "{error}");
}

#[test]
fn a_page_without_anything_and_a_file_without_its_end_are_said_to_be_so() {
    let error = refused(&pdf(&["".into()]), Limits::default()).to_string();
    assert!(
        error.contains("there is no text on its pages") && !error.contains("pictures"),
        "{error}"
    );
    let whole = sample();
    for share in [40, 60, 80] {
        let error = refused(&whole[..whole.len() * share / 100], Limits::default()).to_string();
        assert!(error.contains("cut off"), "{share}%: {error}");
    }
}

#[test]
fn broken_and_endless_files_are_refused() {
    for broken in ["no pdf", "%PDF-1.4\n", "%PDF-1.4\n1 0 obj\n<<"] {
        let error = refused(broken.as_bytes(), Limits::default());
        assert!(matches!(error, Error::Broken { .. }), "{error}");
    }
    let one = || lines(40, 700, &["Some words here."]);
    let error = refused(&pdf(&[one(), one()]), Limits { pages: 1, ..Limits::default() });
    assert!(error.to_string().contains("more than 1 pages"), "{error}");
    let error = refused(&pdf(&[one()]), Limits { chars: 5, ..Limits::default() });
    assert!(error.to_string().contains("more than 5 characters"), "{error}");

    // Each form draws the next ten times: far more than anybody can wait for.
    let form = |next: usize| {
        let resources = format!(
            "/Type/XObject/Subtype/Form/BBox[0 0 600 800]/Resources<</XObject<</N {next} 0 R>>/Font<</F 3 0 R>>>>"
        );
        stream(&resources, &"/N Do\n".repeat(10))
    };
    let mut forms: Vec<String> = (101..115).map(form).collect();
    forms.push(stream(
        "/Type/XObject/Subtype/Form/BBox[0 0 600 800]/Resources<</Font<</F 3 0 R>>>>",
        &one(),
    ));
    let bomb = pdf_with(&["/N Do\n".into()], &forms, "/XObject<</N 100 0 R>>");
    let started = Instant::now();
    let error = refused(&bomb, Limits { seconds: 1, ..Limits::default() });
    assert!(
        matches!(error, Error::Unsafe { .. } | Error::TooLarge { .. } | Error::Broken { .. }),
        "{error}"
    );
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
    // A form that draws itself.
    let itself = pdf_with(&["/N Do\n".into()], &[form(100)], "/XObject<</N 100 0 R>>");
    refused(&itself, Limits { seconds: 1, ..Limits::default() });
}
