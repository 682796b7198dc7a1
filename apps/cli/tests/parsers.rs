//! Files and texts from outside, damaged at random: no parser panics, and none takes memory that the
//! size of its input does not explain.
//!
//! Each case is a valid input with a few changes, or bytes without any sense. `PROPTEST_CASES` and
//! `PROPTEST_RNG_SEED` ask for more and for others.

use std::{io::Write, path::Path};

use anyhow::Result;
use dragoman_core::{config::ModelConfig, register::Register, sentencepiece::SentencePiece};
use dragoman_data::{corpus::Corpus, interactions::Interactions};
use dragoman_import::{
    archive::Archive,
    checkpoint::{
        bergamot::MarianFile, ctranslate2::Ct2File, npz::NpzFile, safetensors::SafetensorsFiles,
    },
};
use dragoman_text::html;
use peak_alloc::PeakAlloc;
use proptest::{collection::vec, prelude::*, test_runner::TestRunner};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Bytes that a parser may take besides those for its input: tables that are made at the first use
/// are among them.
const MOST: usize = 48 << 20;

/// Bytes that a parser may take for each byte of its input.
const FOR_EACH_BYTE: usize = 2000;

/// One change of an input.
#[derive(Debug, Clone)]
enum Change {
    Flip(usize, u8),
    Insert(usize, Vec<u8>),
    Remove(usize, usize),
    Repeat(usize, usize, usize),
    Cut(usize),
    /// A number of eight bytes, such as a length.
    Number(usize, u64),
}

/// What breaks texts.
const TEXTS: [&str; 13] =
    ["<", ">", "</tu>", "<tuv>", "&#x110000;", "\"", "{", "[", "]", "\\ud800", "\0", "1e999", "-1"];

/// What breaks lengths.
const NUMBERS: [u64; 9] =
    [0, 1, 0x7F, 0xFF, 0xFFFF, u32::MAX as u64, 1 << 40, i64::MAX as u64, u64::MAX];

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let place = || any::<usize>();
    let text = prop::sample::select(TEXTS.to_vec());
    let number = prop::sample::select(NUMBERS.to_vec());
    let change = prop_oneof![
        4 => (place(), 1u8..).prop_map(|(at, bits)| Change::Flip(at, bits)),
        2 => (place(), vec(any::<u8>(), 1..8)).prop_map(|(at, new)| Change::Insert(at, new)),
        2 => (place(), text).prop_map(|(at, text)| Change::Insert(at, text.into())),
        2 => (place(), 1..20usize).prop_map(|(at, count)| Change::Remove(at, count)),
        1 => (place(), 1..40usize, 1..60usize).prop_map(|(at, n, times)| Change::Repeat(at, n, times)),
        1 => place().prop_map(Change::Cut),
        2 => (place(), number).prop_map(|(at, number)| Change::Number(at, number)),
    ];
    vec(change, 1..6)
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let place = |at: &usize| at % (bytes.len() + 1);
        match self {
            Self::Flip(at, bits) => {
                let at = place(at);
                bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= bits);
            }
            Self::Insert(at, new) => {
                let at = place(at);
                bytes.splice(at..at, new.iter().copied());
            }
            Self::Remove(at, count) => {
                let at = place(at);
                bytes.drain(at..(at + count).min(bytes.len()));
            }
            Self::Repeat(at, count, times) => {
                let at = place(at);
                let part = bytes[at..(at + count).min(bytes.len())].repeat(*times);
                bytes.splice(at..at, part);
            }
            Self::Cut(at) => {
                let at = place(at);
                bytes.truncate(at);
            }
            Self::Number(at, number) => {
                let at = place(at);
                let end = (at + 8).min(bytes.len());
                bytes[at..end].copy_from_slice(&number.to_le_bytes()[..end - at]);
            }
        }
    }
}

/// What reads bytes, from memory or from the file at a path that holds them.
type Parser = fn(&[u8], &Path);

/// Parses `samples`, as they are, changed and replaced, from a file called `name`.
#[track_caller]
fn holds(name: &str, samples: &[Vec<u8>], parse: Parser) {
    let folder = tempfile::tempdir().expect("a folder for the inputs");
    let path = folder.path().join(name);
    let try_one = |input: &[u8]| {
        std::fs::write(&path, input).expect("the disk is not full");
        MEMORY.reset_peak_usage();
        let before = MEMORY.current_usage();
        parse(input, &path);
        let taken = MEMORY.peak_usage().saturating_sub(before);
        match taken <= MOST + FOR_EACH_BYTE * input.len() {
            true => Ok(()),
            false => Err(format!("{taken} bytes of memory for {} of input", input.len())),
        }
    };
    for sample in samples {
        try_one(sample).expect("a sample is no attack");
    }
    let of_sample = (prop::sample::select(samples.to_vec()), changes());
    let of_sample = of_sample.prop_map(|(mut bytes, changes)| {
        changes.iter().for_each(|change| change.apply(&mut bytes));
        bytes
    });
    let input = prop_oneof![6 => of_sample, 1 => vec(any::<u8>(), 0..200)];
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    let outcome =
        TestRunner::new(config).run(&input, |input| try_one(&input).map_err(TestCaseError::fail));
    if let Err(error) = outcome {
        panic!("{name}: {error}");
    }
}

fn texts(samples: &[&str]) -> Vec<Vec<u8>> {
    samples.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// Reads a corpus to its end.
fn read_corpus(path: &Path) {
    if let Ok(lines) = Corpus::new(path, "en", "de").lines() {
        lines.for_each(drop);
    }
}

const PAGES: [&str; 2] = [
    "<!doctype html><html><body><p>Good <b>morning</b>, <a href=\"/x?a=1&amp;b=2\">you</a>.<br>Two.\
     </p><script>if (a < b) {}</script><!-- no --><table><tr><td>1<td>2</table></body></html>",
    "<div translate=no>A<img alt='x'>&nbsp;&#8364;</div><pre>  x\n</pre><svg><title>t</title></svg>",
];

const TMX: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<tmx version=\"1.4\"><header srclang=\"en\"/>\
     <body>\n<tu><tuv xml:lang=\"en\"><seg>Good <bpt i=\"1\">b</bpt>day &amp; more</seg></tuv>\
     <tuv xml:lang=\"de-DE\"><seg>Guten Tag</seg></tuv></tu>\n<tu tuid=\"2\"><tuv lang=\"EN\">\
     <seg>One</seg></tuv><tuv lang=\"de\"><seg><![CDATA[Eins]]></seg></tuv></tu></body></tmx>";

const JSONL: &str = "{\"translation\": {\"en\": \"Good day\", \"de\": \"Guten Tag\"}}\n\
     {\"en\": \"a\\u00e9\", \"de\": \"b\", \"set\": \"dev\"}\n";

const CONFIGS: [&str; 2] = [
    "{\"kind\": \"translation\", \"vocab_size\": 64, \"d_model\": 16, \"num_heads\": 2, \
     \"encoder_layers\": 2, \"decoder_layers\": 2}",
    "{\"kind\": \"recommendation\", \"d_model\": 16}",
];

/// All parsers in one test: the memory is that of the whole process. Pickles are not among them:
/// candle's reader makes room for what a length of 32 bits says before it finds the file shorter.
#[test]
fn no_input_makes_a_parser_panic_or_take_memory_without_bound() -> Result<()> {
    holds("page.html", &texts(&PAGES), |input, _| {
        let text = String::from_utf8_lossy(input);
        drop(html::visible_text(&text));
        drop(html::HtmlDocument::parse(&text, "en", true));
    });
    holds("en-de.tmx", &texts(&[TMX]), |_, path| read_corpus(path));
    holds("en-de.jsonl", &texts(&[JSONL]), |_, path| read_corpus(path));
    let tables = ["en\tde\nGood day\tGuten Tag\n\"a\"\tb\tc\n", "a\tb\n"];
    holds("en-de.tsv", &texts(&tables), |_, path| read_corpus(path));
    let log = "user,item,time,value\nu,i,1700000000,1\n\"a\"\"b\",\"c\nd\",2024-01-02,2\n";
    holds("log.csv", &texts(&[log]), |_, path| drop(Interactions::load(path)));
    holds("experts.json", &[register()], |input, path| {
        if let Ok(text) = std::str::from_utf8(input) {
            drop(Register::parse(text, path));
        }
    });
    holds("config.json", &texts(&CONFIGS), |input, path| {
        if let Ok(text) = std::str::from_utf8(input) {
            drop(ModelConfig::parse(text, path));
        }
    });
    // A symbol without text once made the normaliser stand still.
    let empty = [sentencepiece(1), field(1, &[3 << 3, 4])].concat();
    holds("source.spm", &[sentencepiece(1), sentencepiece(2), empty], |input, _| {
        if let Ok(model) = SentencePiece::parse(input) {
            let ids = model.encode("a  ab ba\u{301} Ωß");
            drop(model.decode(&ids));
        }
    });
    holds("model.safetensors", &[safetensors(8), safetensors(u64::MAX - 3)], |_, path| {
        drop(SafetensorsFiles::open(path));
    });
    let stored = zipped(false)?;
    holds("package.argosmodel", &[zipped(true)?, stored.clone()], |_, path| {
        if let Ok(archive) = Archive::open(path) {
            for name in archive.names().map(str::to_owned).collect::<Vec<_>>() {
                drop(archive.read(&name));
            }
        }
    });
    holds("model.npz", &[stored], |_, path| drop(NpzFile::open(path)));
    holds("model.bin", &[ctranslate2()], |_, path| drop(Ct2File::open(path)));
    holds("model.alphas.bin", &[bergamot()], |_, path| drop(MarianFile::open(path)));
    Ok(())
}

fn register() -> Vec<u8> {
    let layers = ["encoder.0".to_owned(), "decoder.0".to_owned()];
    let pairs = [("en".to_owned(), "de".to_owned()), ("de".to_owned(), "en".to_owned())];
    let register = Register::for_pairs(&pairs, 4, 16, &layers);
    serde_json::to_vec(&register).expect("a register is JSON")
}

/// A field of a protocol buffer: bytes behind their length.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    [&[number << 3 | 2, content.len() as u8], content].concat()
}

/// A SentencePiece model of five pieces; `algorithm` is 1 for unigram and 2 for BPE.
fn sentencepiece(algorithm: u8) -> Vec<u8> {
    let mut content = Vec::new();
    let pieces =
        [("<unk>", 0.0f32, 2), ("▁", -2.0, 1), ("a", -3.0, 1), ("▁ab", -4.0, 1), ("b", 0.0, 4)];
    for (text, score, kind) in pieces {
        let score = [&[2 << 3 | 5], score.to_le_bytes().as_slice()].concat();
        content.extend(field(1, &[field(1, text.as_bytes()), score, vec![3 << 3, kind]].concat()));
    }
    content.extend(field(2, &[3 << 3, algorithm]));
    content.extend(field(3, &field(2, &[8, 0, 0, 0, 1, 2, 3, 4, 5, 0, 1, 2, b'a', 0, b'b', 0])));
    content
}

/// A file of two tensors, the second of which ends at `end`.
fn safetensors(end: u64) -> Vec<u8> {
    let a = "\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}";
    let b = format!("\"b\":{{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[4,{end}]}}");
    let header = format!("{{{a},{b}}}");
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &[0; 8]].concat()
}

/// An archive of three files, packed or as they are.
fn zipped(is_packed: bool) -> Result<Vec<u8>> {
    let (mut out, mut central) = (Vec::new(), Vec::new());
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n";
    let array: [&[u8]; 4] =
        [b"\x93NUMPY\x01\0", &[header.len() as u8, 0], header.as_bytes(), &[0; 8]];
    let array = array.concat();
    let files: [(&str, &[u8]); 3] = [
        ("en_de/metadata.json", b"{\"from_code\": \"en\"}"),
        ("a.npy", &array),
        ("archive/data.pkl", b"\x80\x02}q\x00X\x01\0\0\0aq\x01K\x01s."),
    ];
    for (name, content) in files {
        let mut sum = flate2::Crc::new();
        sum.update(content);
        let mut data = content.to_vec();
        if is_packed {
            let level = flate2::Compression::best();
            let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), level);
            encoder.write_all(content)?;
            data = encoder.finish()?;
        }
        let mut fields = vec![0, 0, if is_packed { 8 } else { 0 }, 0, 0, 0, 0, 0];
        fields.extend(sum.sum().to_le_bytes());
        fields.extend((data.len() as u32).to_le_bytes());
        fields.extend((content.len() as u32).to_le_bytes());
        fields.extend((name.len() as u16).to_le_bytes());
        fields.extend([0, 0]);
        let place = (out.len() as u32).to_le_bytes();
        out.extend([b"PK\x03\x04\x14\0", fields.as_slice(), name.as_bytes(), &data].concat());
        let entry: [&[u8]; 5] =
            [b"PK\x01\x02\x14\0\x14\0", &fields, &[0; 10], &place, name.as_bytes()];
        central.extend(entry.concat());
    }
    let (place, size) = (out.len() as u32, central.len() as u32);
    out.extend(&central);
    out.extend(b"PK\x05\x06\0\0\0\0\x03\0\x03\0");
    out.extend([size.to_le_bytes(), place.to_le_bytes()].concat());
    out.extend([0; 2]);
    Ok(out)
}

/// A CTranslate2 model of one variable.
fn ctranslate2() -> Vec<u8> {
    let text =
        |text: &str| [&(text.len() as u16 + 1).to_le_bytes(), text.as_bytes(), &[0]].concat();
    let mut out = 6u32.to_le_bytes().to_vec();
    out.extend(text("TransformerSpec"));
    out.extend([7u32.to_le_bytes(), 1u32.to_le_bytes()].concat());
    out.extend(text("decoder/embeddings/weight"));
    out.extend([2]); // rank
    out.extend([2u32.to_le_bytes(), 1u32.to_le_bytes()].concat());
    out.extend([0]); // float32
    out.extend(8u32.to_le_bytes());
    out.extend([0; 8]);
    out.extend(0u32.to_le_bytes()); // aliases
    out
}

/// A Marian binary of one tensor.
fn bergamot() -> Vec<u8> {
    let numbers = [1, 1, 8, 0x404, 2, 8]; // version, tensors; name's length, type, rank, bytes
    let mut out: Vec<u8> = numbers.into_iter().flat_map(u64::to_le_bytes).collect();
    out.extend(b"Wemb\0\0\0\0");
    out.extend([1u32.to_le_bytes(), 2u32.to_le_bytes()].concat());
    out.extend(0u64.to_le_bytes());
    out.extend([0; 8]);
    out
}
