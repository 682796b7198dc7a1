//! Lets the language model of the settings put the first items of a list in order.

use dragoman_store::Item;

use super::{
    Recommendations, Scored, TenantIndex,
    score::UserContext,
    upstream::{FeedbackItem, Reranker},
};
use crate::error::ServiceError;

/// Events of the user that the model is told of.
const EVENTS: usize = 10;

impl Recommendations {
    /// Puts the first items of `list`, with their numbers, in the order that `reranker` gives them; scores
    /// stay those of the places. The list stays as it is where the model says nothing that can be used, or
    /// the user did nothing yet. Blocks.
    pub(super) fn rerank(
        &self,
        reranker: &Reranker,
        index: &TenantIndex,
        context: &UserContext,
        list: &mut [(Scored, u32)],
    ) -> Result<(), ServiceError> {
        let count = list.len().min(reranker.top());
        let mut feedback = Vec::new();
        for event in context.liked().take(EVENTS) {
            let item = index.tenant.item(&event.item_id)?;
            let feedback_type = event.feedback_type.as_str();
            feedback.extend(item.map(|item| FeedbackItem { feedback_type, item }));
        }
        if feedback.is_empty() || count < 2 {
            return Ok(());
        }
        let mut items = Vec::with_capacity(count);
        for (scored, _) in &list[..count] {
            let unknown = || Item { item_id: scored.id.clone(), ..Item::default() };
            items.push(index.tenant.item(&scored.id)?.unwrap_or_else(unknown));
        }
        let Some(order) = reranker.order(&feedback, &items) else { return Ok(()) };
        let first = list[..count].to_vec();
        for (place, from) in order.into_iter().enumerate() {
            let (Scored { id, .. }, number) = first[from].clone();
            list[place] = (Scored { id, score: first[place].0.score }, number);
        }
        Ok(())
    }
}
