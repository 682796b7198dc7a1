//! `/item` and `/items`

use actix_web::{HttpResponse, web};
use dragoman_store::Item;
use serde::Serialize;

use super::{
    context::RequestContext,
    cursor,
    record::Record,
    reply::{Answer, Refused, success},
};

/// A page of items.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Page {
    cursor: String,
    items: Vec<Item>,
}

/// Adds or replaces an item.
pub(super) async fn post(context: RequestContext, payload: web::Payload) -> Answer {
    let item = Record::parse(&context.body(payload).await?)?.item()?;
    context.block(move |_, index| Ok(index.put_items(&[item])?)).await?;
    success(1)
}

/// Adds or replaces items.
pub(super) async fn post_all(context: RequestContext, payload: web::Payload) -> Answer {
    let items = context.rows(payload, Record::item).await?;
    let count = items.len();
    context.block(move |_, index| Ok(index.put_items(&items)?)).await?;
    success(count)
}

/// Shows an item.
pub(super) async fn get(context: RequestContext) -> Answer {
    let id = context.path("item")?;
    let name = id.clone();
    let item = context.block(move |_, index| Ok(index.tenant.item(&id)?)).await?;
    let item = item.ok_or_else(|| Refused::not_found(format!("item {name} not found")))?;
    Ok(HttpResponse::Ok().json(item))
}

/// Changes an item; one that is not there stays so.
pub(super) async fn patch(context: RequestContext, payload: web::Payload) -> Answer {
    let id = context.path("item")?;
    let patch = Record::parse(&context.body(payload).await?)?.item_patch()?;
    context.block(move |_, index| Ok(index.patch_item(&id, patch)?)).await?;
    success(1)
}

/// Removes an item and all that was done with it.
pub(super) async fn delete(context: RequestContext) -> Answer {
    let id = context.path("item")?;
    context.block(move |_, index| Ok(index.delete_item(&id)?)).await?;
    success(1)
}

/// Puts an item into a category.
pub(super) async fn put_category(context: RequestContext) -> Answer {
    let category = context.path("category")?;
    change(context, |item| {
        if !item.categories.contains(&category) {
            item.categories.push(category);
        }
    })
    .await
}

/// Takes an item out of a category.
pub(super) async fn delete_category(context: RequestContext) -> Answer {
    let category = context.path("category")?;
    change(context, move |item| item.categories.retain(|known| *known != category)).await
}

/// Changes an item that has to be there: upstream answers 500 when it is not.
async fn change(
    context: RequestContext,
    change: impl FnOnce(&mut Item) + Send + 'static,
) -> Answer {
    let id = context.path("item")?;
    let changed = context.block(move |_, index| {
        let is_there = index.change_item(&id, change)?;
        is_there.then_some(()).ok_or_else(|| Refused::failed(format!("item {id} not found")))
    });
    changed.await?;
    success(1)
}

/// Lists items, or with `q` those whose identifier, title, categories and labels have its words.
pub(super) async fn list(context: RequestContext) -> Answer {
    let n = context.place()?.n;
    if let Some(text) = context.params.get("q").map(str::to_owned) {
        let items = context.block(move |_, index| {
            let ids: Vec<_> = {
                let catalogue = index.items();
                let found = catalogue.search(&text, n);
                found.into_iter().map(|number| catalogue.entry(number).id.clone()).collect()
            };
            let items = ids.iter().map(|id| index.tenant.item(id));
            Ok(items.filter_map(Result::transpose).collect::<Result<Vec<Item>, _>>()?)
        });
        return Ok(HttpResponse::Ok().json(Page { cursor: String::new(), items: items.await? }));
    }
    let start = context.params.cursor().map(cursor::decode).transpose()?.unwrap_or_default();
    let mut items = context
        .block(move |_, index| {
            let items = index.tenant.items(&start).take(n.saturating_add(1));
            Ok(items.collect::<Result<Vec<Item>, _>>()?)
        })
        .await?;
    let next = items.drain(n.min(items.len())..).next();
    let cursor = next.map(|item| cursor::encode(&item.item_id)).unwrap_or_default();
    Ok(HttpResponse::Ok().json(Page { cursor, items }))
}
