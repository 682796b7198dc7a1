//! Every preset is its formula.

use anyhow::Result;

use crate::case::check_preset;

#[test]
fn switch_is_its_formula() -> Result<()> {
    check_preset(r#"{ "kind": "switch", "eval_capacity": { "tokens": 2 } }"#)?;
    check_preset(
        r#"{ "kind": "switch", "eval_capacity": { "factor": 1 }, "capacity_scope": "sentence" }"#,
    )
}

#[test]
fn gshard_is_its_formula() -> Result<()> {
    check_preset(r#"{ "kind": "gshard", "eval_capacity": "dropless" }"#)?;
    check_preset(r#"{ "kind": "gshard", "eval_capacity": { "fraction": 0.25 } }"#)?;
    check_preset(
        r#"{ "kind": "gshard", "eval_capacity": { "tokens": 2 }, "batch_prioritized": true,
            "normalize_before_dropping": true, "expert_output_masking": 0.2 }"#,
    )
}

#[test]
fn mixtral_is_its_formula() -> Result<()> {
    check_preset(r#"{ "kind": "mixtral", "top_k": 3 }"#)
}

#[test]
fn deepseek_v2_is_its_formula() -> Result<()> {
    check_preset(
        r#"{ "kind": "deepseek_v2", "top_k": 3, "n_group": 3, "topk_group": 2,
            "routed_scaling_factor": 1.5 }"#,
    )?;
    check_preset(
        r#"{ "kind": "deepseek_v2", "top_k": 2, "n_group": 1, "topk_group": 1, "norm_topk_prob": true }"#,
    )
}

#[test]
fn deepseek_v3_is_its_formula() -> Result<()> {
    check_preset(r#"{ "kind": "deepseek_v3", "top_k": 3, "n_group": 3, "topk_group": 2 }"#)?;
    check_preset(
        r#"{ "kind": "deepseek_v3", "top_k": 2, "n_group": 2, "topk_group": 1,
            "norm_topk_prob": false, "masked": "never" }"#,
    )
}

#[test]
fn expert_choice_is_its_formula() -> Result<()> {
    check_preset(r#"{ "kind": "expert_choice" }"#)?;
    check_preset(r#"{ "kind": "expert_choice", "capacity_factor": 1.2, "scope": "batch" }"#)
}

#[test]
fn hash_is_its_formula() -> Result<()> {
    check_preset(r#"{ "kind": "hash" }"#)?;
    check_preset(r#"{ "kind": "hash", "assignment": { "table": [5, 5, 0, 1, 2, 3, 4, 4, 0, 1] } }"#)
}

#[test]
fn soft_is_its_formula() -> Result<()> {
    check_preset(r#"{ "kind": "soft" }"#)?;
    check_preset(r#"{ "kind": "soft", "slots_per_expert": 2, "normalize": true }"#)
}

#[test]
fn hierarchical_is_its_formula() -> Result<()> {
    check_preset(r#"{ "kind": "hierarchical", "num_groups": 2, "top_groups": 2, "top_k": 2 }"#)?;
    check_preset(r#"{ "kind": "hierarchical", "num_groups": 3, "top_groups": 2, "top_k": 1 }"#)?;
    check_preset(r#"{ "kind": "hierarchical", "num_groups": 2, "top_groups": 1, "top_k": 2 }"#)
}

#[test]
fn adaptive_is_its_formula() -> Result<()> {
    check_preset(r#"{ "kind": "adaptive", "threshold": 0.6, "top_k": 4 }"#)?;
    check_preset(r#"{ "kind": "adaptive", "threshold": 0.9, "top_k": 3, "normalize": true }"#)
}

#[test]
fn route_is_its_formula() -> Result<()> {
    for top_k in [1, 2] {
        check_preset(&format!(
            r#"{{ "kind": "route", "groups": [[4, 0, 2], [5, 1, 0, 3]], "top_k": {top_k} }}"#
        ))?;
    }
    Ok(())
}
