//! A tiny model of CTranslate2, written by hand: eight tokens, eight dimensions, a layer on each side.

use std::path::Path;

use anyhow::Result;

const WIDTH: u32 = 8;
const TOKENS: [&str; 8] = ["<unk>", "<s>", "</s>", "▁a", "▁b", "▁c", "a", "b"];

/// Writes the folder of the model.
pub(crate) fn write(folder: &Path) -> Result<()> {
    fs_err::create_dir_all(folder)?;
    fs_err::write(folder.join("shared_vocabulary.json"), serde_json::to_vec(&TOKENS)?)?;
    fs_err::write(folder.join("sentencepiece.model"), sentencepiece())?;
    let mut model = Model::default();
    let size = TOKENS.len() as u32;
    model.matrix("encoder/embeddings_0/weight", size, WIDTH);
    model.matrix("decoder/embeddings/weight", size, WIDTH);
    model.matrix("encoder/position_encodings/encodings", 32, WIDTH);
    for side in ["encoder", "decoder"] {
        model.number(&format!("{side}/num_heads"), 2);
        model.norm(&format!("{side}/layer_norm"));
        let layer = format!("{side}/layer_0");
        model.linear(&format!("{layer}/self_attention/linear_0"), 3 * WIDTH, WIDTH);
        model.linear(&format!("{layer}/self_attention/linear_1"), WIDTH, WIDTH);
        model.norm(&format!("{layer}/self_attention/layer_norm"));
        model.linear(&format!("{layer}/ffn/linear_0"), 2 * WIDTH, WIDTH);
        model.linear(&format!("{layer}/ffn/linear_1"), WIDTH, 2 * WIDTH);
        model.norm(&format!("{layer}/ffn/layer_norm"));
    }
    let cross = "decoder/layer_0/attention";
    model.linear(&format!("{cross}/linear_0"), WIDTH, WIDTH);
    model.linear(&format!("{cross}/linear_1"), 2 * WIDTH, WIDTH);
    model.linear(&format!("{cross}/linear_2"), WIDTH, WIDTH);
    model.norm(&format!("{cross}/layer_norm"));
    Ok(fs_err::write(folder.join("model.bin"), model.finish())?)
}

/// The variables of a `model.bin`.
#[derive(Default)]
struct Model {
    count: u32,
    body: Vec<u8>,
    state: u32,
}

impl Model {
    fn text(&mut self, text: &str) {
        self.body.extend((text.len() as u16 + 1).to_le_bytes());
        self.body.extend(text.as_bytes());
        self.body.push(0);
    }

    fn variable(&mut self, name: &str, shape: &[u32], kind: u8, payload: &[u8]) {
        self.count += 1;
        self.text(name);
        self.body.push(shape.len() as u8);
        self.body.extend(shape.iter().flat_map(|size| size.to_le_bytes()));
        self.body.push(kind);
        self.body.extend((payload.len() as u32).to_le_bytes());
        self.body.extend(payload);
    }

    /// A value between −0.5 and 0.5.
    fn next(&mut self) -> f32 {
        self.state = self.state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.state >> 8) as f32 / (1 << 24) as f32 - 0.5
    }

    fn floats(&mut self, name: &str, shape: &[u32], centre: f32) {
        let count = shape.iter().product::<u32>();
        let values: Vec<u8> =
            (0..count).flat_map(|_| (centre + self.next()).to_le_bytes()).collect();
        self.variable(name, shape, 0, &values);
    }

    fn matrix(&mut self, name: &str, rows: u32, columns: u32) {
        self.floats(name, &[rows, columns], 0.0);
    }

    fn linear(&mut self, name: &str, rows: u32, columns: u32) {
        self.matrix(&format!("{name}/weight"), rows, columns);
        self.floats(&format!("{name}/bias"), &[rows], 0.0);
    }

    fn norm(&mut self, name: &str) {
        self.floats(&format!("{name}/gamma"), &[WIDTH], 1.0);
        self.floats(&format!("{name}/beta"), &[WIDTH], 0.0);
    }

    fn number(&mut self, name: &str, value: i16) {
        self.variable(name, &[], 2, &value.to_le_bytes());
    }

    fn finish(mut self) -> Vec<u8> {
        let variables = std::mem::take(&mut self.body);
        self.body.extend(6u32.to_le_bytes());
        self.text("TransformerSpec");
        self.body.extend(7u32.to_le_bytes());
        self.body.extend(self.count.to_le_bytes());
        self.body.extend(variables);
        self.body.extend(1u32.to_le_bytes());
        self.text("decoder/projection/weight");
        self.text("decoder/embeddings/weight");
        self.body
    }
}

/// A unigram model of the tokens above.
fn sentencepiece() -> Vec<u8> {
    let mut out = Vec::new();
    for (i, token) in TOKENS.iter().enumerate() {
        let kind = match i {
            0 => 2,
            1 | 2 => 3,
            _ => 1,
        };
        let mut piece = vec![1 << 3 | 2, token.len() as u8];
        piece.extend(token.as_bytes());
        piece.push(2 << 3 | 5);
        piece.extend((-(i as f32)).to_le_bytes());
        piece.extend([3 << 3, kind]);
        out.extend([1 << 3 | 2, piece.len() as u8]);
        out.extend(piece);
    }
    out
}
