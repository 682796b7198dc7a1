//! In a model that recommends and of which one expert learns, no matrix product is spent on any
//! other weight's gradient. (A process of its own, because all threads count together.)

use anyhow::Result;
use candle::Device;
use dragoman_core::{
    config::RecommendationConfig,
    context::{Context, Training},
    kernels::{counters, matmul::Precision},
    models::recommendation::{History, HistoryBatch, RecommendationModel},
    params::ParamStore,
    recommend::{Bags, Event},
    register::{ExpertEntry, ExpertKind, Register, Route},
};

#[test]
fn frozen_weights_cost_no_products() -> Result<()> {
    let config = RecommendationConfig {
        num_items: 10,
        num_gaps: 4,
        num_statistics: 2,
        d_model: 16,
        d_ff: 24,
        max_history: 8,
        ..RecommendationConfig::default()
    };
    let mut register =
        Register::for_segments(&["segment.new", "segment.power"], 6, &config.layers());
    let layers = config.layers();
    register.experts.push(ExpertEntry::new("segment.x".into(), ExpertKind::Segment, &layers, 6));
    let group = ["segment.new", "segment.x"].map(String::from).to_vec();
    let rule = Some("events >= 1".parse().map_err(anyhow::Error::msg)?);
    register.routes.push(Route { name: "x".into(), group, rule, ..Route::default() });
    let content: Bags = (0..10).map(|_| &[][..]).collect();
    let event = |item| Event { item, kind: 0, value: 1.0, time: i64::from(item) };
    let (events, statistics) = ([event(1), event(4), event(2)], [0.5; 8]);
    let history =
        History { events: &events, features: &[], now: 9, statistics: &statistics, route: 1 };
    let batch = HistoryBatch::new(&config, &[history, history]);
    let mut counts = Vec::new();
    for all in [false, true] {
        let params = ParamStore::new(&Device::Cpu, 1);
        let model = RecommendationModel::new(&config, &register, content.clone(), &params)?;
        let learns = |name: &str| all || name.starts_with("experts.segment.x.");
        params.iter().for_each(|param| param.set_trainable(learns(param.name())));
        let training = Training { seed: 5, step: 1, dropout: 0.0, expert_dropout: 0.0 };
        let mut context = Context::training(Precision::F32, training);
        context.only_experts = !all;
        let before = counters::weight_gradients();
        let vectors = model.item_vectors(0.0, &context)?;
        assert_eq!(vectors.track_op(), all, "frozen items are not followed");
        model.forward(&batch, &vectors, &context)?.hidden.sqr()?.sum_all()?.backward()?;
        counts.push(counters::weight_gradients() - before);
        let with_grad: Vec<String> =
            params.iter().filter(|p| p.has_grad()).map(|p| p.name().into()).collect();
        assert!(with_grad.iter().all(|name| learns(name)), "{with_grad:?}");
        let own = with_grad.iter().filter(|name| name.starts_with("experts.segment.x.")).count();
        assert_eq!(own, 2 * 5, "each weight of both layers learns: {with_grad:?}");
    }
    // Two matrices in each of the two layers.
    assert_eq!(counts[0], 4);
    assert!(counts[1] > 15, "the whole model: {counts:?}");
    Ok(())
}
