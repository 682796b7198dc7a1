//! The recommendation model: kernels beside composites, batches beside single users, the past beside
//! the future, and a gradient for every weight.

use anyhow::Result;
use candle::{Device, Tensor};
use dragoman_core::{
    config::{RecommendationConfig, SegmentGate},
    context::{Context, Training},
    kernels::matmul::Precision,
    models::recommendation::{History, HistoryBatch, Output, RecommendationModel},
    params::ParamStore,
    recommend::{Bags, Event, behaviour::Behaviour},
    register::Register,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const ITEMS: usize = 30;
const SEGMENTS: [&str; 4] = ["segment.new", "segment.power", "segment.trend", "segment.consistent"];

fn config(gate: SegmentGate) -> RecommendationConfig {
    RecommendationConfig {
        num_items: ITEMS,
        num_features: 6,
        num_user_features: 4,
        num_kinds: 2,
        value_edges: vec![2.0],
        num_gaps: 6,
        num_statistics: Behaviour::FEATURES,
        statistics_in_tokens: true,
        d_model: 16,
        num_heads: 2,
        d_ff: 24,
        max_history: 12,
        gate,
        ..RecommendationConfig::default()
    }
}

fn model(config: &RecommendationConfig) -> Result<(RecommendationModel, ParamStore)> {
    let params = ParamStore::new(&Device::Cpu, 1);
    let register = Register::for_segments(&SEGMENTS, 6, &config.layers());
    let content: Vec<Vec<u32>> =
        (0..ITEMS as u32).map(|i| (0..i % 3).map(|f| (i + f) % 6).collect()).collect();
    let content = Bags::from_iter(content.iter().map(Vec::as_slice));
    let model = RecommendationModel::new(config, &register, content, &params)?;
    Ok((model, params))
}

/// A user as a test makes one up.
struct User {
    events: Vec<Event>,
    features: Vec<u32>,
    statistics: Vec<f32>,
}

impl User {
    fn history(&self) -> History<'_> {
        let now = self.events.last().map_or(0, |event| event.time) + 3;
        let User { events, features, statistics } = self;
        History { events, features, now, statistics, route: 0 }
    }
}

/// Users of random histories of 0 to 14 events: the first one did nothing, some more than is seen.
fn users(count: usize) -> Vec<User> {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let mut user = |i: usize| {
        let length = (i * 7) % 15;
        let mut time = 0;
        let mut event = |_| {
            time += rng.random_range(0..40);
            let item = rng.random_range(0..ITEMS as u32);
            let (kind, value) = (rng.random_range(0..2), rng.random_range(1.0..4.0));
            Event { item, kind, value, time }
        };
        let events: Vec<Event> = (0..length).map(&mut event).collect();
        let count = (length + 1) * Behaviour::FEATURES;
        let statistics = (0..count).map(|_| rng.random_range(-1.0..1.0)).collect();
        User { events, features: vec![i as u32 % 4], statistics }
    };
    (0..count).map(&mut user).collect()
}

fn batch(config: &RecommendationConfig, users: &[User]) -> HistoryBatch {
    let histories: Vec<History<'_>> = users.iter().map(User::history).collect();
    HistoryBatch::new(config, &histories)
}

fn training(dropout: f32) -> Context {
    let training = Training { seed: 5, step: 1, dropout, expert_dropout: 0.0 };
    Context::training(Precision::F32, training)
}

/// The gradients of all weights by name.
type Gradients = Vec<(String, Vec<f32>)>;

/// A loss that depends on every output, and the gradients of all weights.
fn gradients(
    batch: &HistoryBatch,
    context: &Context,
    (model, params): &(RecommendationModel, ParamStore),
) -> Result<(f32, Gradients)> {
    params.zero_grads();
    let vectors = model.item_vectors(0.3, context)?;
    let output = model.forward(batch, &vectors, context)?;
    let mut loss = output.hidden.matmul(&vectors.t()?)?.sqr()?.mean_all()?;
    for gate in &output.gates {
        loss = (loss + gate.sqr()?.mean_all()?)?;
    }
    params.collect(&loss.backward()?)?;
    let of = |p: dragoman_core::params::Param| (p.name().into(), p.with_grad(|g| g.to_vec()));
    Ok((loss.to_scalar()?, params.iter().map(of).collect()))
}

#[test]
fn kernels_and_composites_agree_and_every_weight_has_a_gradient() -> Result<()> {
    let config = config(SegmentGate::Learned);
    let parts = model(&config)?;
    let batch = batch(&config, &users(12));
    for dropout in [0.0, 0.2] {
        let (loss, ours) = gradients(&batch, &training(dropout), &parts)?;
        let mut composite = training(dropout);
        composite.composite = true;
        let (reference, theirs) = gradients(&batch, &composite, &parts)?;
        assert!((loss - reference).abs() < 1e-4 * reference.abs(), "{loss} {reference}");
        for ((name, ours), (_, theirs)) in ours.iter().zip(&theirs) {
            let scale = theirs.iter().fold(1e-4f32, |max, x| max.max(x.abs()));
            for (a, b) in ours.iter().zip(theirs) {
                assert!((a - b).abs() <= 2e-3 * scale, "{name}: {a} is not {b} (scale {scale})");
            }
            let size = ours.iter().map(|x| x.abs()).sum::<f32>() / ours.len() as f32;
            assert!(size.is_finite() && size > 1e-7, "the gradient of `{name}` is {size:e}");
        }
    }
    Ok(())
}

#[test]
fn a_gate_that_is_off_has_no_gradient_and_its_experts_have() -> Result<()> {
    for gate in [SegmentGate::Uniform, SegmentGate::Random] {
        let config = config(gate);
        let parts = model(&config)?;
        let (_, gradients) = gradients(&batch(&config, &users(12)), &training(0.0), &parts)?;
        for (name, gradient) in gradients {
            let is_gate = name.ends_with("gate.weight");
            let is_zero = gradient.iter().all(|x| *x == 0.0);
            assert_eq!(is_zero, is_gate, "{name} with {gate:?}");
        }
    }
    Ok(())
}

#[test]
fn a_swapped_gate_gives_each_expert_the_weight_of_the_one_before() -> Result<()> {
    let learned = config(SegmentGate::Learned);
    let (model, params) = model(&learned)?;
    let users = users(3);
    let batch = batch(&learned, &users);
    let register = Register::for_segments(&SEGMENTS, 6, &learned.layers());
    let swapped = RecommendationConfig { gate: SegmentGate::Swapped, ..learned };
    let content = Bags::from_iter(vec![&[][..]; ITEMS]);
    let model = model.with_content(content.clone());
    let other = RecommendationModel::new(&swapped, &register, content, &params)?;
    let gates = |model: &RecommendationModel| -> Result<Vec<Vec<f32>>> {
        let context = Context::inference(Precision::F32);
        let vectors = model.item_vectors(0.0, &context)?;
        Ok(model.forward(&batch, &vectors, &context)?.gates[0].to_vec2()?)
    };
    for (mut row, swapped) in gates(&model)?.into_iter().zip(gates(&other)?) {
        row.rotate_right(1);
        assert_eq!(row, swapped);
    }
    Ok(())
}

/// Hidden states at inference, by user.
fn states(
    parts: &(RecommendationModel, ParamStore),
    batch: &HistoryBatch,
) -> Result<Vec<Vec<Vec<f32>>>> {
    let context = Context::inference(Precision::F32);
    let vectors = parts.0.item_vectors(0.0, &context)?;
    let Output { hidden, .. } = parts.0.forward(batch, &vectors, &context)?;
    let rows = hidden.to_vec2::<f32>()?;
    let of_user = |pair: &[usize]| rows[pair[0]..pair[1]].to_vec();
    Ok(batch.layout.offsets().windows(2).map(of_user).collect())
}

#[test]
fn a_batch_equals_its_users_one_by_one() -> Result<()> {
    let config = config(SegmentGate::Learned);
    let parts = model(&config)?;
    let users = users(9);
    let together = states(&parts, &batch(&config, &users))?;
    for (user, together) in users.iter().zip(&together) {
        let alone = states(&parts, &HistoryBatch::new(&config, &[user.history()]))?;
        assert_eq!(&alone[0], together, "the same bits");
    }
    assert_eq!(together[0].len(), 1, "a user without events has a state");
    Ok(())
}

#[test]
fn what_comes_later_changes_nothing_before() -> Result<()> {
    let config = config(SegmentGate::Learned);
    let parts = model(&config)?;
    let user = users(2).pop().expect("there are two");
    let before = states(&parts, &HistoryBatch::new(&config, &[user.history()]))?;
    let mut later = User { events: user.events.clone(), ..user };
    let place = later.events.len() - 2;
    later.events[place].item = (later.events[place].item + 1) % ITEMS as u32;
    later.statistics[(place + 1) * Behaviour::FEATURES..].fill(0.5);
    let after = states(&parts, &HistoryBatch::new(&config, &[later.history()]))?;
    assert_eq!(before[0][..=place], after[0][..=place]);
    assert_ne!(before[0][place + 1..], after[0][place + 1..]);
    Ok(())
}

#[test]
fn a_new_item_is_known_by_its_content() -> Result<()> {
    let config = config(SegmentGate::Learned);
    let (model, _) = model(&config)?;
    let context = Context::inference(Precision::F32);
    let known = model.item_vectors(0.0, &context)?;
    let mut content: Vec<Vec<u32>> =
        (0..ITEMS as u32).map(|i| (0..i % 3).map(|f| (i + f) % 6).collect()).collect();
    content.push(vec![2, 5]);
    let longer = model.with_content(Bags::from_iter(content.iter().map(Vec::as_slice)));
    let vectors = longer.item_vectors(0.0, &context)?;
    assert_eq!(vectors.narrow(0, 0, ITEMS)?.to_vec2::<f32>()?, known.to_vec2::<f32>()?);
    let new: Tensor = vectors.narrow(0, ITEMS, 1)?;
    assert!(new.sqr()?.sum_all()?.to_scalar::<f32>()? > 0.0);
    Ok(())
}
