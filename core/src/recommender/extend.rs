//! Items that the model did not learn: known by their content, and what is similar to what.

use std::{collections::HashSet, sync::Arc};

use super::Recommender;
use crate::{
    Error, Result,
    context::Context,
    kernels::matmul::Precision,
    ops,
    recommend::{Catalogue, Item, Profiler, behaviour::Categories, standardise},
};

impl Recommender {
    /// The same model with `items` behind its catalogue; their embeddings are zeros.
    pub(super) fn extended(&self, items: &[Item]) -> Result<Self> {
        let mut known: HashSet<&str> = self.ids.iter().map(String::as_str).collect();
        if let Some(item) = items.iter().find(|item| !known.insert(&item.id)) {
            return Err(Error::Invalid(format!("item `{}` is in the catalogue already", item.id)));
        }
        let mut catalogue: Catalogue = self.catalogue.clone();
        catalogue.items.extend(items.iter().cloned());
        let model = self.model.with_content(catalogue.content());
        Ok(Self {
            vectors: model.item_vectors(0.0, &Context::inference(Precision::F32))?,
            ids: catalogue.items.iter().map(|item| item.id.clone()).collect(),
            profiler: Profiler {
                categories: Categories::new(&catalogue.items),
                percentiles: self.profiler.percentiles.clone(),
            },
            register: self.register.clone(),
            scorers: Arc::clone(&self.scorers),
            blend: self.blend.clone(),
            user_features: self.user_features.clone(),
            groups: self.groups.clone(),
            model,
            catalogue,
        })
    }

    /// How similar each item is to `item`: the cosine of their vectors and, where people met both,
    /// what having met one says of the other, both standardised.
    pub(super) fn similar_items(&self, item: u32) -> Result<Vec<f32>> {
        self.check_item(item)?;
        let width = self.vectors.dim(1)?;
        let mut scores = ops::with_values(&self.vectors, |vectors| {
            let own = &vectors[item as usize * width..][..width];
            let norm = |row: &[f32]| row.iter().map(|x| x * x).sum::<f32>().sqrt().max(1e-9);
            let cosine = |row: &[f32]| {
                let dot: f32 = row.iter().zip(own).map(|(a, b)| a * b).sum();
                dot / (norm(row) * norm(own))
            };
            vectors.chunks_exact(width).map(cosine).collect::<Vec<f32>>()
        })?;
        standardise(&mut scores);
        let mut together = vec![0.0; self.ids.len()];
        self.scorers.similar(item).for_each(|(other, value)| together[other as usize] = value);
        standardise(&mut together);
        scores.iter_mut().zip(together).for_each(|(score, other)| *score += other);
        Ok(scores)
    }
}
