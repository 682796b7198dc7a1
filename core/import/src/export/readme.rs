//! What stands beside an exported model: how its tokens are framed, and a program that shows it.

use std::path::Path;

use dragoman_core::{
    directory::write_whole,
    vocabulary::{Frame, Side, TOKENIZER_FILE},
};

use super::Dense;
use crate::Result;

/// Directions that are listed; models of many languages have thousands.
const LISTED: usize = 40;

pub(super) fn ctranslate2(model: &Dense, frames: &[Frame], folder: &Path) -> Result<()> {
    let program = match folder.join(TOKENIZER_FILE).exists() {
        true => {
            "```python\n\
             # pip install ctranslate2 tokenizers\n\
             import ctranslate2, tokenizers\n\n\
             tokenizer = tokenizers.Tokenizer.from_file(\"tokenizer.json\")\n\
             translator = ctranslate2.Translator(\".\", compute_type=\"int8\")\n\
             before, start = BEFORE, START  # of the direction, from the table\n\
             pieces = before + tokenizer.encode(\"Good morning.\", add_special_tokens=False).tokens\n\
             best = translator.translate_batch([pieces], target_prefix=[start[SKIPPED:]])[0].hypotheses[0]\n\
             ids = [tokenizer.token_to_id(piece) for piece in best]\n\
             print(tokenizer.decode(ids, skip_special_tokens=True))\n\
             ```\n"
        }
        false => {
            "```python\n\
             # pip install ctranslate2 sentencepiece\n\
             import ctranslate2, sentencepiece\n\n\
             source = sentencepiece.SentencePieceProcessor(\"source.spm\")\n\
             translator = ctranslate2.Translator(\".\", compute_type=\"int8\")\n\
             before, start = BEFORE, START  # of the direction, from the table\n\
             pieces = before + source.encode(\"Good morning.\", out_type=str)\n\
             best = translator.translate_batch([pieces], target_prefix=[start[SKIPPED:]])[0].hypotheses[0]\n\
             print(\"\".join(best[len(start) - SKIPPED:]).replace(\"▁\", \" \").strip())\n\
             ```\n"
        }
    };
    // A start that all directions share is in `config.json`.
    let is_shared = frames.iter().all(|frame| frame.start[0] == frames[0].start[0]);
    let skipped = if is_shared { "1" } else { "0" };
    let first = example(model, frames);
    let program = program
        .replace("BEFORE", &list(model, Side::Source, &first.before))
        .replace("START", &list(model, Side::Target, &first.start))
        .replace("SKIPPED", skipped);
    let text = format!(
        "# A translation model for CTranslate2\n\n\
         Exported by `dragoman model export --format ctranslate2`. The end of a source is added by CTranslate2.\n\n\
         {}\n{program}",
        table(model, frames)
    );
    Ok(write_whole(&folder.join("README.md"), text.as_bytes())?)
}

pub(super) fn huggingface(
    model: &Dense,
    class: &str,
    frames: &[Frame],
    folder: &Path,
) -> Result<()> {
    let first = example(model, frames);
    let text = format!(
        "# A translation model for Transformers\n\n\
         Exported by `dragoman model export --format huggingface`; its class is `{class}`.\n\n\
         {}\n\
         ```python\n\
         # pip install transformers torch\n\
         import torch, transformers\n\n\
         model = transformers.{class}.from_pretrained(\".\").eval()\n\
         tokenizer = transformers.AutoTokenizer.from_pretrained(\".\")\n\
         ids = tokenizer.convert_tokens_to_ids\n\
         text = tokenizer.encode(\"Good morning.\", add_special_tokens=False)\n\
         source = ids({}) + text + ids({})\n\
         start = torch.tensor([ids({})])\n\
         found = model.generate(torch.tensor([source]), decoder_input_ids=start)[0]\n\
         print(tokenizer.decode(found[start.shape[1]:], skip_special_tokens=True))\n\
         ```\n",
        table(model, frames),
        list(model, Side::Source, &first.before),
        list(model, Side::Source, &first.after),
        list(model, Side::Target, &first.start),
    );
    Ok(write_whole(&folder.join("README.md"), text.as_bytes())?)
}

/// The frame of the example, whose text is English where the model translates that.
fn example<'a>(model: &Dense, frames: &'a [Frame]) -> &'a Frame {
    let is_english = |(source, _): &(&str, &str)| *source == "en";
    &frames[model.pairs().iter().position(is_english).unwrap_or(0)]
}

/// The tokens around a text, for each direction.
fn table(model: &Dense, frames: &[Frame]) -> String {
    let mut table = String::from(
        "| from | to | before the source | behind it | the decoder begins with |\n|---|---|---|---|---|\n",
    );
    for ((source, target), frame) in model.pairs().into_iter().zip(frames).take(LISTED) {
        let [before, after, start] = [
            list(model, Side::Source, &frame.before),
            list(model, Side::Source, &frame.after),
            list(model, Side::Target, &frame.start),
        ];
        table.push_str(&format!("| {source} | {target} | `{before}` | `{after}` | `{start}` |\n"));
    }
    if frames.len() > LISTED {
        let more = frames.len() - LISTED;
        table.push_str(&format!("\nand {more} directions more, after the same pattern.\n"));
    }
    table
}

/// Tokens as a list of Python.
fn list(model: &Dense, side: Side, ids: &[u32]) -> String {
    let token = |&id: &u32| model.vocabulary.token(side, id).unwrap_or_default();
    let tokens: Vec<String> = ids.iter().map(|id| format!("{:?}", token(id))).collect();
    format!("[{}]", tokens.join(", "))
}
