//! What Gorse's dashboard and `gorse-cli` ask of the server itself.

use std::sync::LazyLock;

use actix_web::HttpResponse;
use dragoman_store::Timestamp;
use serde_json::json;

use super::{
    context::RequestContext,
    reply::{Answer, Refused},
};

/// What tells this process from others.
static NODE: LazyLock<String> = LazyLock::new(|| uuid::Uuid::new_v4().to_string());

/// Says who asks: the tenant, which a key may guard.
pub(super) async fn user_info(context: RequestContext) -> Answer {
    let has_key = context.request.headers().contains_key("X-API-Key");
    Ok(HttpResponse::Ok().json(json!({
        "name": context.tenant(),
        "family_name": "",
        "given_name": "",
        "middle_name": "",
        "nickname": "",
        "picture": "",
        "updated_at": "",
        "email": "",
        "email_verified": false,
        "auth_type": if has_key { "api_key" } else { "" },
    })))
}

/// Lists the nodes of the cluster, which is this server.
pub(super) async fn cluster(_context: RequestContext) -> Answer {
    let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "localhost".into());
    Ok(HttpResponse::Ok().json(json!([{
        "UUID": &*NODE,
        "Hostname": host,
        "Type": "Server",
        "Version": env!("CARGO_PKG_VERSION"),
        "UpdateTime": Timestamp::now(),
    }])))
}

/// Lists what goes on behind the server: the running training and the last one.
pub(super) async fn tasks(context: RequestContext) -> Answer {
    Ok(HttpResponse::Ok().json(context.service.model.tasks()))
}

/// Shows what an external recommender of the settings answers for a user.
pub(super) async fn external(context: RequestContext) -> Answer {
    let externals = &context.service.settings.externals;
    if context.params.get("script").is_some() {
        return Err(Refused::not_found(
            "scripts in JavaScript are not run; name an address that answers with items in \
             `external_recommenders`, and ask with `name=NAME`",
        ));
    }
    let Some(first) = externals.first() else {
        return Err(Refused::not_found(
            "no external recommender is configured; name one in `external_recommenders`",
        ));
    };
    let name = context.params.get("name").unwrap_or(&first.name).to_owned();
    let known = externals.iter().find(|external| external.name == name);
    let id = known.map(|external| external.id()).ok_or_else(|| {
        let known: Vec<String> = externals.iter().map(|one| format!("`{}`", one.name)).collect();
        let known = known.join(", ");
        Refused::not_found(format!("there is no external recommender `{name}`; there are {known}"))
    })?;
    let user = context.params.get("user-id").map(str::to_owned);
    let user = user.ok_or_else(|| Refused::invalid("say for whom with `user-id=USER`"))?;
    let n = context.place()?.n;
    let items = context.block(move |service, _| {
        service.external(id, &user, n).ok_or_else(|| {
            Refused::unavailable(format!(
                "`external/{name}` does not answer or is left alone for a while; the log says why"
            ))
        })
    });
    Ok(HttpResponse::Ok().json(items.await?))
}

/// Says why there is no schema of the settings.
pub(super) async fn schema(_context: RequestContext) -> Answer {
    Err(Refused::not_found(
        "the settings are not those of Gorse, so there is no schema of them; \
         `dragoman serve --print-config` lists them",
    ))
}

/// Says why the settings are not changed here.
pub(super) async fn change_config(_context: RequestContext) -> Answer {
    Err(Refused::only_read(
        "the settings are read at the start; change the file that `--config` or `--gorse-config` \
         names, and start the server again",
    ))
}

/// Says why no prompt is shown.
pub(super) async fn prompt(_context: RequestContext) -> Answer {
    Err(Refused::not_found(
        "the language model is asked with each list, and its prompts are not shown; \
         `reranker_query` and `reranker_document` are their templates",
    ))
}
