//! `/item` and `/items`

use actix_web::{HttpResponse, web};
use dragoman_store::Item;
use serde::Serialize;

use super::{
    cursor,
    record::Record,
    reply::{Answer, Refused, success},
    visitor::Visitor,
};

/// A page of items.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Page {
    cursor: String,
    items: Vec<Item>,
}

/// Adds or replaces an item.
pub(super) async fn post(visitor: Visitor, payload: web::Payload) -> Answer {
    let item = Record::parse(&visitor.body(payload).await?)?.item()?;
    visitor.block(move |_, shop| Ok(shop.put_items(&[item])?)).await?;
    success(1)
}

/// Adds or replaces items.
pub(super) async fn post_all(visitor: Visitor, payload: web::Payload) -> Answer {
    let items = visitor.rows(payload, Record::item).await?;
    let count = items.len();
    visitor.block(move |_, shop| Ok(shop.put_items(&items)?)).await?;
    success(count)
}

/// Shows an item.
pub(super) async fn get(visitor: Visitor) -> Answer {
    let id = visitor.path("item")?;
    let name = id.clone();
    let item = visitor.block(move |_, shop| Ok(shop.tenant.item(&id)?)).await?;
    let item = item.ok_or_else(|| Refused::not_found(format!("{name}: item not found")))?;
    Ok(HttpResponse::Ok().json(item))
}

/// Changes an item; one that is not there stays so.
pub(super) async fn patch(visitor: Visitor, payload: web::Payload) -> Answer {
    let id = visitor.path("item")?;
    let patch = Record::parse(&visitor.body(payload).await?)?.item_patch()?;
    visitor.block(move |_, shop| Ok(shop.patch_item(&id, patch)?)).await?;
    success(1)
}

/// Removes an item and all that was done with it.
pub(super) async fn delete(visitor: Visitor) -> Answer {
    let id = visitor.path("item")?;
    visitor.block(move |_, shop| Ok(shop.delete_item(&id)?)).await?;
    success(1)
}

/// Puts an item into a category.
pub(super) async fn put_category(visitor: Visitor) -> Answer {
    let category = visitor.path("category")?;
    change(visitor, |item| {
        if !item.categories.contains(&category) {
            item.categories.push(category);
        }
    })
    .await
}

/// Takes an item out of a category.
pub(super) async fn delete_category(visitor: Visitor) -> Answer {
    let category = visitor.path("category")?;
    change(visitor, move |item| item.categories.retain(|known| *known != category)).await
}

/// Changes an item that has to be there: upstream answers 500 when it is not.
async fn change(visitor: Visitor, change: impl FnOnce(&mut Item) + Send + 'static) -> Answer {
    let id = visitor.path("item")?;
    let changed = visitor.block(move |_, shop| {
        let is_there = shop.change_item(&id, change)?;
        is_there.then_some(()).ok_or_else(|| Refused::failed(format!("{id}: item not found")))
    });
    changed.await?;
    success(1)
}

/// Lists items, or with `q` those whose identifier or title has it in it.
pub(super) async fn list(visitor: Visitor) -> Answer {
    let (_, n) = visitor.place()?;
    if let Some(text) = visitor.params.get("q").map(str::to_owned) {
        let items = visitor.block(move |_, shop| {
            let ids: Vec<_> = {
                let catalogue = shop.catalogue();
                let found = catalogue.search(&text, n);
                found.into_iter().map(|number| catalogue.entry(number).id.clone()).collect()
            };
            let items = ids.iter().map(|id| shop.tenant.item(id));
            Ok(items.filter_map(Result::transpose).collect::<Result<Vec<Item>, _>>()?)
        });
        return Ok(HttpResponse::Ok().json(Page { cursor: String::new(), items: items.await? }));
    }
    let start = visitor.params.cursor().map(cursor::decode).transpose()?.unwrap_or_default();
    let mut items = visitor
        .block(move |_, shop| {
            let items = shop.tenant.items(&start).take(n.saturating_add(1));
            Ok(items.collect::<Result<Vec<Item>, _>>()?)
        })
        .await?;
    let next = items.drain(n.min(items.len())..).next();
    let cursor = next.map(|item| cursor::encode(&item.item_id)).unwrap_or_default();
    Ok(HttpResponse::Ok().json(Page { cursor, items }))
}
