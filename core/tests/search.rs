//! Search over a model that is no transformer: a table of what follows what.

use anyhow::Result;
use candle::{Device, Tensor};
use dragoman_core::{
    cache::StepRows,
    config::Stopping,
    context::Context,
    decoding::{
        Decoder, Encoded, EncoderDecoder, Output,
        bias::Bias,
        hints::{Hint, Hints},
        search::{Guidance, Hypothesis, SearchConfig, Sentences, search, search_with},
    },
    kernels::matmul::Precision,
    ragged::Ragged,
    register::RowRoute,
    vocabulary::Outputs,
};

const TOKENS: usize = 5;
const END: u32 = 0;

/// Probabilities of the next token, by the last one.
#[derive(Debug)]
struct Table([[f32; TOKENS]; TOKENS]);

impl EncoderDecoder for Table {
    fn max_positions(&self) -> usize {
        20
    }

    fn vocab_size(&self) -> usize {
        TOKENS
    }

    fn encode(
        &self,
        _: &[u32],
        layout: &Ragged,
        _: &[RowRoute],
        _: &Context,
    ) -> Result<Encoded, dragoman_core::Error> {
        let memory = Tensor::zeros((layout.rows(), 1), candle::DType::F32, &Device::Cpu)?;
        Ok(Encoded { memory, layout: layout.clone(), routing: Vec::new() })
    }

    fn decoder<'a>(
        &'a self,
        _: &Encoded,
        _: &Context,
    ) -> Result<Box<dyn Decoder + 'a>, dragoman_core::Error> {
        Ok(Box::new(Reading { table: self, steps: 0 }))
    }
}

struct Reading<'a> {
    table: &'a Table,
    steps: usize,
}

impl Decoder for Reading<'_> {
    fn step(
        &mut self,
        ids: &[u32],
        rows: &StepRows<'_>,
        _: &Context,
    ) -> Result<Output, dragoman_core::Error> {
        assert_eq!(ids.len(), rows.sentences.len());
        self.steps += 1;
        let ids: Vec<f32> = ids.iter().map(|&id| id as f32).collect();
        let hidden = Tensor::from_vec(ids.clone(), (ids.len(), 1), &Device::Cpu)?;
        Ok(Output { hidden, routing: Vec::new() })
    }

    fn logits(&self, hidden: &Tensor, _: &Context) -> Result<Tensor, dragoman_core::Error> {
        let ids = hidden.flatten_all()?.to_vec1::<f32>()?;
        let logs = |id: &f32| self.table.0[*id as usize].map(|p| p.max(1e-9).ln());
        let logits: Vec<f32> = ids.iter().flat_map(logs).collect();
        Ok(Tensor::from_vec(logits, (ids.len(), TOKENS), &Device::Cpu)?)
    }

    fn reorder(&mut self, _: &[usize]) {}
}

fn found(
    table: &Table,
    config: SearchConfig,
    outputs: &Outputs,
    start: &[u32],
) -> Result<Vec<Hypothesis>> {
    let context = Context::inference(Precision::F32);
    let encoded = table.encode(&[1, 2], &Ragged::contiguous(&[2]), &[0.into()], &context)?;
    let starts = [start.to_vec()];
    let sentences = Sentences { routes: &[0.into()], starts: &starts, outputs };
    Ok(search(table, &encoded, &sentences, &config, &context)?.swap_remove(0))
}

fn all(end: u32) -> Outputs {
    Outputs { end, first: 0, banned: Vec::new() }
}

/// From 4 mostly 1, from 1 mostly the end, from 2 and 3 anything.
const TABLE: Table = Table([
    [1.0, 0.0, 0.0, 0.0, 0.0],
    [0.7, 0.1, 0.1, 0.1, 0.0],
    [0.3, 0.3, 0.3, 0.1, 0.0],
    [0.1, 0.1, 0.1, 0.7, 0.0],
    [0.0, 0.5, 0.3, 0.2, 0.0],
]);

#[test]
fn a_banned_token_keeps_its_share_and_is_not_chosen() -> Result<()> {
    let outputs = Outputs { banned: vec![1], ..all(END) };
    let greedy = found(&TABLE, SearchConfig::greedy(), &outputs, &[4])?.swap_remove(0);
    assert_eq!(greedy.tokens[0], 2);
    assert!((greedy.log_probs[0] - 0.3f32.ln()).abs() < 1e-5, "{:?}", greedy.log_probs);
    assert!(!greedy.tokens.contains(&1));
    Ok(())
}

#[test]
fn a_term_is_used_and_its_probability_is_that_of_the_model() -> Result<()> {
    let context = Context::inference(Precision::F32);
    let encoded = TABLE.encode(&[1, 2], &Ragged::contiguous(&[1, 1]), &[0.into(); 2], &context)?;
    let starts = [vec![4], vec![4]];
    let outputs = all(END);
    let sentences = Sentences { routes: &[0.into(); 2], starts: &starts, outputs: &outputs };
    let config = SearchConfig { beam_size: 2, ..SearchConfig::greedy() };
    let bias = Bias::new(vec![vec![vec![3, 1]]]);
    let biases = [Some(&bias), None];
    let both = (&encoded, &sentences);
    let found = search_with(
        &TABLE,
        both,
        Guidance { biases: &biases, ..Guidance::default() },
        &config,
        &context,
    )?;
    let plain = search(&TABLE, &encoded, &sentences, &config, &context)?;
    assert_eq!(found[1], plain[1], "a neighbour's bias changes no bit");
    let best = &found[0][0];
    assert!(bias.is_met(&best.tokens), "{best:?}");
    let place = best.tokens.windows(2).position(|two| two == [3, 1]).expect("it is met");
    assert!((best.log_probs[place + 1] - 0.1f32.ln()).abs() < 1e-5, "{best:?}");
    assert!(!bias.is_met(&plain[0][0].tokens));
    Ok(())
}

#[test]
fn a_lexicon_raises_its_tokens_and_changes_no_bit_of_a_neighbour() -> Result<()> {
    let context = Context::inference(Precision::F32);
    let encoded = TABLE.encode(&[1, 2], &Ragged::contiguous(&[1, 1]), &[0.into(); 2], &context)?;
    let starts = [vec![4], vec![4]];
    let outputs = all(END);
    let sentences = Sentences { routes: &[0.into(); 2], starts: &starts, outputs: &outputs };
    let hint = |token: u32| Hint { forms: vec![(vec![token], 4f32.ln())] };
    let hints = [Some(Hints { words: vec![hint(3)] }), None];
    let guidance = Guidance { hints: &hints, begins: &[true; TOKENS], ..Guidance::default() };
    for beam_size in [1, 2] {
        let config = SearchConfig { beam_size, ..SearchConfig::greedy() };
        let found = search_with(&TABLE, (&encoded, &sentences), guidance, &config, &context)?;
        let plain = search(&TABLE, &encoded, &sentences, &config, &context)?;
        assert_eq!(found[1], plain[1]);
        if beam_size == 1 {
            let best = &found[0][0];
            assert_eq!((best.tokens[0], plain[0][0].tokens[0]), (3, 1));
            // 0.2 becomes 0.8 of 1.6.
            assert!((best.log_probs[0] - 0.5f32.ln()).abs() < 1e-5, "{best:?}");
        }
    }
    Ok(())
}

#[test]
fn what_is_given_is_not_said_but_counts_in_the_length() -> Result<()> {
    let alone = found(&TABLE, SearchConfig::greedy(), &all(END), &[4])?.swap_remove(0);
    let behind = found(&TABLE, SearchConfig::greedy(), &all(END), &[3, 2, 4])?.swap_remove(0);
    assert_eq!((&alone.tokens, &alone.log_probs), (&behind.tokens, &behind.log_probs));
    let sum: f32 = alone.log_probs.iter().sum();
    let length = alone.log_probs.len() as f32;
    assert!((alone.score - sum / length).abs() < 1e-6);
    assert!((behind.score - sum / (length + 2.0)).abs() < 1e-6);
    Ok(())
}

#[test]
fn beams_end_as_their_suite_says() -> Result<()> {
    let run = |stopping| {
        let config = SearchConfig { beam_size: 2, stopping, ..SearchConfig::greedy() };
        found(&TABLE, config, &all(END), &[4])
    };
    let (best, worst, full) = (run(Stopping::Best)?, run(Stopping::Worst)?, run(Stopping::Full)?);
    for found in [&best, &worst, &full] {
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].tokens, [1], "0.5 · 0.7 over a length of 2");
        assert!(found[0].score >= found[1].score);
    }
    // Who waits for a live hypothesis to beat the worst finished one finds more.
    assert!(worst[1].score >= full[1].score && worst[1].score >= best[1].score);
    Ok(())
}

#[test]
fn starts_of_different_lengths_are_refused() -> Result<()> {
    let context = Context::inference(Precision::F32);
    let encoded = TABLE.encode(&[1, 2], &Ragged::contiguous(&[1, 1]), &[0.into(); 2], &context)?;
    let starts = [vec![4], vec![4, 3]];
    let outputs = all(END);
    let sentences = Sentences { routes: &[0.into(); 2], starts: &starts, outputs: &outputs };
    let error = search(&TABLE, &encoded, &sentences, &SearchConfig::greedy(), &context);
    assert!(error.expect_err("1 and 2").to_string().contains("equally long"));
    Ok(())
}
