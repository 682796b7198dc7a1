//! A model of a published rule with fewer of its experts (Koishekenov et al. 2023).

use std::{collections::BTreeSet, path::Path};

use candle::{Device, Tensor};
use fs_err as fs;

use super::{
    CONFIG, Files, REGISTER, SHARED, TOKENIZER, sha256_of, to_bytes, to_json, write_whole,
};
use crate::{
    Error, Result,
    memory::ExpertMemory,
    register::{ExpertKind, Register},
};

impl Files {
    /// Writes the model with those of its experts whose names are `kept` into the new folder `out`. A gate
    /// loses the rows of the others, so its softmax runs over those that stay.
    ///
    /// # Errors
    /// Fails when the model's tokens do not choose by a published rule, or too few experts of a layer stay
    /// for it; then `out` is removed.
    pub fn prune_to(&self, kept: &BTreeSet<String>, out: &Path) -> Result<Register> {
        let written = self.write_pruned(kept, out).and_then(|register| {
            Self::Folder(out.into()).open_translation(&ExpertMemory::new(None))?;
            Ok(register)
        });
        if written.is_err() && out.is_dir() {
            fs::remove_dir_all(out)?;
        }
        written
    }

    fn write_pruned(&self, kept: &BTreeSet<String>, out: &Path) -> Result<Register> {
        let (config, mut register) = (self.translation_config()?, self.register()?);
        if config.moe.as_ref().is_none_or(|moe| moe.routing.is_none()) {
            let reason = "only a model whose tokens choose by a published rule, such as NLLB-MoE, is \
                          pruned; in others each route has a group of its own";
            return Err(Error::Invalid(reason.into()));
        }
        let shared = self.read_checked(SHARED, &register.shared_sha256)?;
        let mut shared = self.parse(SHARED, &shared)?;
        for layer in config.moe_layers() {
            let own = register
                .experts
                .iter()
                .filter(|expert| expert.kind == ExpertKind::Free && expert.layers.contains(&layer));
            let own: Vec<&String> = own.map(|expert| &expert.name).collect();
            let places = (0..own.len()).filter(|&place| kept.contains(own[place]));
            let places: Vec<u32> = places.map(|place| place as u32).collect();
            let prefix = format!("{layer}.router.");
            let of_router = shared.iter_mut().filter(|(name, _)| name.starts_with(&prefix));
            for (_, tensor) in
                of_router.filter(|(_, tensor)| tensor.dims().first() == Some(&own.len()))
            {
                let rows = Tensor::from_slice(&places, places.len(), &Device::Cpu)?;
                *tensor = tensor.index_select(&rows, 0)?;
            }
        }
        register.experts.retain(|expert| kept.contains(&expert.name));
        for route in &mut register.routes {
            route.group.retain(|name| kept.contains(name));
        }
        fs::create_dir_all(out.join("experts"))?;
        for expert in &register.experts {
            let content = self.read_checked(&expert.file, &expert.sha256)?;
            write_whole(&out.join(&expert.file), &content)?;
        }
        let content = to_bytes(&shared)?;
        register.shared_sha256 = sha256_of(&content);
        write_whole(&out.join(SHARED), &content)?;
        let tokenizer = (!register.tokenizer_sha256.is_empty()).then_some(TOKENIZER);
        let others = register.files.keys().map(String::as_str).chain(tokenizer);
        for name in others {
            write_whole(&out.join(name), &self.read(name)?)?;
        }
        let content = self.read(CONFIG)?;
        register.config_sha256 = sha256_of(&content);
        write_whole(&out.join(CONFIG), &content)?;
        write_whole(&out.join(REGISTER), &to_json(&register)?)?;
        Ok(register)
    }
}
