//! Makes one expert of two.

use std::collections::BTreeMap;

use candle::{DType, Device, Tensor};
use dragoman_core::{
    directory::{Edit, Files},
    register::{ExpertEntry, ExpertKind, Register},
};

use super::{
    measure::{Measure, SENTENCES, mean as mean_of},
    prune::{total, usage},
    quantise::too_bad,
    request::Judgement,
};
use crate::{Error, Result, checkpoint::Tensors};

/// What became of two experts.
#[derive(Debug, Clone, PartialEq)]
pub struct Merged {
    /// Weight of the first in the mean; the rest is the second's.
    pub share: f64,
    /// Mean chrF++ on the sets, before and after.
    pub chrf: [f64; 2],
}

/// Merges the experts `first` and `second` into one that takes the place and name of the first,
/// unless `judgement` is against it.
///
/// Two domains are measured with the domains on: each set with that of the two that suits it better,
/// and then with what became of both.
///
/// Inner units have no order of their own, so those of the second are first put beside those of the
/// first that they resemble most (Ainsworth et al. 2023, by weights, greedily); then the means are
/// taken, weighted by how often each expert is visited (Li et al. 2024), or for domains by how much
/// each learned from.
pub fn merge(edit: Edit, first: &str, second: &str, judgement: &Judgement) -> Result<Merged> {
    let (register, files) = (edit.register().clone(), edit.files());
    let find = |name: &str| -> Result<ExpertEntry> {
        let known: Vec<&str> = register.experts.iter().map(|expert| expert.name.as_str()).collect();
        register.expert(name).cloned().ok_or_else(|| {
            Error::Expert(format!("no expert `{name}`; this model has {}", known.join(", ")))
        })
    };
    let (a, b) = (find(first)?, find(second)?);
    let is_domain = |expert: &ExpertEntry| expert.kind == ExpertKind::Domain;
    let alike = a.layers == b.layers && a.d_ff == b.d_ff && a.lora.is_none() && b.lora.is_none();
    if first == second || !alike || is_domain(&a) != is_domain(&b) || b.tag.is_some() {
        return Err(Error::Expert(format!(
            "`{first}` and `{second}` cannot become one: only two full experts of equal width and \
             layers can, and none that holds the tag of a language"
        )));
    }
    let load = || files.load_translation(&Device::Cpu);
    let loaded = load()?;
    let measure = |domains: &[String]| {
        Measure::new(&judgement.dev, &loaded, SENTENCES)?.with_domains(domains, &loaded.register)
    };
    let alone = |expert: &ExpertEntry| measure(&[expert.short_name().to_string()]);
    let (share, before, after) = match is_domain(&a) {
        true => {
            let (one, other) = (alone(&a)?.scores(load()?)?, alone(&b)?.scores(load()?)?);
            let better: Vec<f64> = one.iter().zip(&other).map(|(a, b)| a.max(*b)).collect();
            let tokens = |expert: &ExpertEntry| expert.metrics.get("target tokens").copied();
            let share = match (tokens(&a), tokens(&b)) {
                (Some(a), Some(b)) if a + b > 0.0 => a / (a + b),
                _ => 0.5,
            };
            (share, mean_of(&better), alone(&a)?)
        }
        false => {
            let measure = measure(&judgement.domains)?;
            let visits = total(&usage(&measure, &loaded)?);
            let of = |name: &str| visits.get(name).copied().unwrap_or_default().max(1.0);
            (of(first) / (of(first) + of(second)), measure.chrf(load()?)?, measure)
        }
    };
    let (mine, theirs) = (files.expert_tensors(&a)?, files.expert_tensors(&b)?);
    let mut weights = Tensors::new();
    for layer in &a.layers {
        weights.extend(mean(layer, &mine, &theirs, share)?);
    }

    let mut merged = joined(&register, first, second, &files)?;
    let Some(entry) = merged.experts.iter_mut().find(|expert| expert.name == first) else {
        return Err(Error::Expert(format!("no expert `{first}`")));
    };
    entry.trained_on.extend(b.trained_on.iter().filter(|c| !a.trained_on.contains(c)).cloned());
    entry.metrics = BTreeMap::new(); // they were those of the first alone
    entry.routes.extend(b.routes.iter().filter(|route| !a.routes.contains(route)).cloned());
    entry.detector = None;
    edit.write_expert(entry, &weights, files.dtype()?)?;
    let after = after.chrf(files.load_as(merged.clone(), &Device::Cpu)?)?;
    if after < before - judgement.max_drop {
        edit.discard(&merged)?;
        return Err(too_bad(before, after));
    }
    edit.commit(&merged)?;
    Ok(Merged { share, chrf: [before, after] })
}

/// The register without `second`, in whose place stands `first`.
fn joined(register: &Register, first: &str, second: &str, files: &Files) -> Result<Register> {
    let config = files.translation_config()?;
    let top_k = config.moe.map_or(0, |moe| moe.top_k);
    let mut joined = register.clone();
    joined.experts.retain(|expert| expert.name != second);
    for route in &mut joined.routes {
        let before = route.group.len();
        let has_both = [first, second].iter().all(|name| route.group.iter().any(|n| n == name));
        match has_both {
            true => route.group.retain(|name| name != second),
            false => route.group.iter_mut().filter(|name| **name == second).for_each(|name| {
                *name = first.into();
            }),
        }
        if route.group.len() < before && route.group.len() <= top_k {
            return Err(Error::Expert(format!(
                "the route {} would have {} experts left, too few for a gate that picks {top_k}",
                route.name,
                route.group.len()
            )));
        }
    }
    Ok(joined)
}

/// The mean of two experts in one layer, the units of the second put in the order of the first's.
fn mean(layer: &str, mine: &Tensors, theirs: &Tensors, share: f64) -> Result<Tensors> {
    let get = |tensors: &Tensors, name: &str| -> Result<Tensor> {
        let name = format!("{layer}.{name}");
        let missing = || Error::Expert(format!("`{name}` is missing from an expert's file"));
        Ok(tensors.get(&name).ok_or_else(missing)?.to_dtype(DType::F32)?)
    };
    let rows = |tensor: Tensor| -> Result<Vec<Vec<f32>>> { Ok(tensor.to_vec2::<f32>()?) };
    let order = aligned(&rows(get(mine, "up.weight")?)?, &rows(get(theirs, "up.weight")?)?);
    let order = Tensor::new(order, &Device::Cpu)?;
    let mut means = Tensors::new();
    let is_gated = mine.contains_key(&format!("{layer}.up_gate.weight"));
    let gate = is_gated.then_some(("up_gate.weight", Some(0)));
    for (name, dim) in gate.into_iter().chain([
        ("up.weight", Some(0)),
        ("up.bias", Some(0)),
        ("down.weight", Some(1)),
        ("down.bias", None),
        ("gate.weight", None),
    ]) {
        let (a, b) = (get(mine, name)?, get(theirs, name)?);
        let b = match dim {
            Some(dim) => b.index_select(&order, dim)?,
            None => b,
        };
        means.insert(format!("{layer}.{name}"), ((a * share)? + (b * (1.0 - share))?)?);
    }
    Ok(means)
}

/// For each row of `a` the row of `b` to put beside it, each once: the most alike first.
fn aligned(a: &[Vec<f32>], b: &[Vec<f32>]) -> Vec<u32> {
    let norm = |row: &[f32]| row.iter().map(|x| x * x).sum::<f32>().sqrt().max(1e-9);
    let mut pairs: Vec<(f32, usize, usize)> = Vec::with_capacity(a.len() * b.len());
    for (i, x) in a.iter().enumerate() {
        for (j, y) in b.iter().enumerate() {
            let dot: f32 = x.iter().zip(y).map(|(x, y)| x * y).sum();
            pairs.push((dot / (norm(x) * norm(y)), i, j));
        }
    }
    pairs.sort_by(|x, y| y.0.total_cmp(&x.0));
    let (mut order, mut taken) = (vec![u32::MAX; a.len()], vec![false; b.len()]);
    for (_, i, j) in pairs {
        if order[i] == u32::MAX && !taken[j] {
            order[i] = j as u32;
            taken[j] = true;
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An expert with units whose weights differ.
    fn expert(units: &[f32]) -> Result<Tensors> {
        let tensor =
            |values: Vec<f32>, shape: &[usize]| Tensor::from_vec(values, shape, &Device::Cpu);
        let n = units.len();
        let up = units.iter().flat_map(|x| [x.cos(), x.sin()]).collect();
        let down = [units.to_vec(), units.iter().map(|x| 2.0 * x).collect()].concat();
        let parts = [
            ("up.weight", tensor(up, &[n, 2])?),
            ("up.bias", tensor(units.to_vec(), &[n])?),
            ("down.weight", tensor(down, &[2, n])?),
            ("down.bias", tensor(vec![1.0, 2.0], &[2])?),
            ("gate.weight", tensor(vec![0.5, 0.5], &[2])?),
        ];
        Ok(parts.into_iter().map(|(name, value)| (format!("encoder.1.{name}"), value)).collect())
    }

    #[test]
    fn an_expert_and_its_shuffled_copy_are_the_expert() -> Result<()> {
        let (one, shuffled) = (expert(&[0.1, 0.9, 1.7, 2.5])?, expert(&[1.7, 0.1, 2.5, 0.9])?);
        let merged = mean("encoder.1", &one, &shuffled, 0.3)?;
        for (name, value) in &one {
            let (a, b) = (
                value.flatten_all()?.to_vec1::<f32>()?,
                merged[name].flatten_all()?.to_vec1::<f32>()?,
            );
            assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-6), "{name}: {a:?} {b:?}");
        }
        Ok(())
    }
}
