//! Who may ask, and how often: API keys, limits per key or address, bans of floods.

mod host;
mod remote;
mod counted;
mod allowances;
mod counts;
mod rate;
mod flood;
mod guesses;
mod sharing;

use actix_web::{HttpRequest, http::header};
use dragoman_store::{DEFAULT_TENANT, KeyLimits, Store};
use regex::Regex;

use crate::{
    access::{flood::Flood, guesses::Guesses, rate::Rates, remote::RemoteKeys},
    client::Clients,
    config::{KeysConfig, ServerConfig},
    error::ServiceError,
    input::Fields,
};

/// The gate before the endpoints that cost something.
pub(crate) struct Access {
    store: Store,
    clients: Clients,
    rates: Rates,
    flood: Flood,
    guesses: Guesses,
    remote: Option<RemoteKeys>,
    config: KeysConfig,
    require_key_origin: Option<Regex>,
    char_limit: Option<usize>,
    recommend_key: Option<String>,
    allowed_hosts: Vec<String>,
    metrics_token: Option<String>,
}

/// What a caller who was let in may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    /// Whose glossaries, memory and usage count: a fingerprint of the caller's key, or nothing for
    /// all who need none.
    pub(crate) owner: String,
    /// Most characters a text may have.
    pub(crate) char_limit: Option<usize>,
}

impl Access {
    pub(crate) fn new(config: &ServerConfig, store: Store) -> Self {
        let ServerConfig { http, translation, limits, keys, recommendation, monitoring, .. } =
            config;
        let origin = keys.require_api_key_origin.as_deref();
        let rates = Rates::new(limits);
        let flood = Flood::new(limits.req_flood_threshold);
        let guesses = Guesses::new(limits.wrong_key_limit);
        let mut tables = rates.tables();
        tables.extend([flood.table(), guesses.table()]);
        sharing::start(limits, &store, tables);
        Self {
            store,
            clients: Clients { trust_forwarded_for: http.trust_forwarded_for },
            rates,
            flood,
            guesses,
            remote: keys.api_keys_remote.as_deref().map(RemoteKeys::new),
            require_key_origin: origin.and_then(|pattern| Regex::new(pattern).ok()),
            config: keys.clone(),
            char_limit: translation.char_limit,
            recommend_key: recommendation.recommend_api_key.clone(),
            allowed_hosts: http.allowed_hosts.clone(),
            metrics_token: monitoring.metrics_auth_token.clone(),
        }
    }

    /// Lets a request that counts as `cost` in, or says why not.
    pub(crate) async fn admit(
        &self,
        request: &HttpRequest,
        fields: &Fields,
        cost: usize,
    ) -> Result<Caller, ServiceError> {
        let client = self.client(request)?;
        let limits = self.key(request, fields, &client).await?;
        let checked = match &limits {
            Some((key, KeyLimits { req_limit, .. })) => self.rates.check_key(key, *req_limit, cost),
            None => self.rates.check_address(&client, cost),
        };
        checked.inspect_err(|_| self.flood.note(&client))?;
        let owner = limits.as_ref().map_or_else(String::new, |(key, _)| owner_of(key));
        let own = limits.and_then(|(_, limits)| limits.char_limit);
        Ok(Caller { owner, char_limit: own.or(self.char_limit) })
    }

    /// Lets a suggestion in, before its body is read, or says why not.
    pub(crate) fn admit_suggestion(&self, request: &HttpRequest) -> Result<(), ServiceError> {
        let client = self.client(request)?;
        self.rates.check_suggestion(&client).inspect_err(|_| self.flood.note(&client))
    }

    /// Lets a request of recommendation for `tenant` in, or says why not.
    ///
    /// The default tenant is open to whoever reaches the server, until it has a key or the settings
    /// ask for one.
    pub(crate) fn admit_to_tenant(
        &self,
        request: &HttpRequest,
        tenant: &str,
    ) -> Result<(), ServiceError> {
        let client = self.client(request)?;
        let given = request.headers().get("X-API-Key").and_then(|key| key.to_str().ok());
        let own = self.recommend_key.as_deref().filter(|_| tenant == DEFAULT_TENANT);
        let admin = self.config.admin_key.as_deref();
        let known = match given {
            Some(key) => {
                self.store.api_key(key)?.filter(|key| key.tenant.as_deref() == Some(tenant))
            }
            None => None,
        };
        let is_set = |key: &str| [own, admin].into_iter().flatten().any(|set| is_same(key, set));
        let is_let_in = match (&known, given) {
            (Some(_), _) => true,
            (None, Some(key)) => {
                self.guesses.check(&client)?;
                is_set(key)
            }
            (None, None) => false,
        };
        if !is_let_in && (own.is_some() || self.is_closed(tenant)) {
            if given.is_some() {
                self.guesses.note(&client);
            }
            return Err(ServiceError::Unauthorized);
        }
        if !is_let_in {
            self.check_host(request)?;
        }
        let checked = match known.as_ref().zip(given) {
            Some((known, key)) => self.rates.check_key(key, known.limits.req_limit, 1),
            None => self.rates.check_address(&client, 1),
        };
        checked.inspect_err(|_| self.flood.note(&client))
    }

    /// Refuses a request without a key that came to a name which strangers can own.
    fn check_host(&self, request: &HttpRequest) -> Result<(), ServiceError> {
        let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
        match host {
            Some(host) if !host::is_trusted(host, &self.allowed_hosts) => {
                Err(ServiceError::Forbidden(format!(
                    "without a key, `/api` does not answer under the name `{host}`; \
                     the setting `allowed_hosts` can allow it"
                )))
            }
            _ => Ok(()),
        }
    }

    /// Lets a reader of the metrics in, who needs a token if one is set.
    pub(crate) fn admit_to_metrics(&self, request: &HttpRequest) -> Result<(), ServiceError> {
        let token = self.metrics_token.as_deref();
        token.map_or(Ok(()), |token| self.admit_bearer(request, token))
    }

    /// Lets the keeper of `token` in, who sends it as the bearer of the request.
    pub(crate) fn admit_bearer(
        &self,
        request: &HttpRequest,
        token: &str,
    ) -> Result<(), ServiceError> {
        let client = self.client(request)?;
        self.guesses.check(&client)?;
        if token.is_empty() || !has_bearer(request, token) {
            if request.headers().contains_key(header::AUTHORIZATION) {
                self.guesses.note(&client);
            }
            return Err(ServiceError::Unauthorized);
        }
        Ok(())
    }

    /// Warns of doors that stand open, when the server starts.
    pub(crate) fn warn(&self, is_local: bool) {
        let is_open = self.recommend_key.is_none() && !self.is_closed(DEFAULT_TENANT);
        if is_open && !is_local {
            tracing::warn!(
                "`/api` is open to whoever reaches this server, to read and to delete; \
                 `recommend_api_key` closes it, and so does a key from `POST /admin/keys`"
            );
        }
        let needs_key = self.needs_key() && self.recommend_key.is_none();
        if needs_key && !self.store.has_tenant_keys(DEFAULT_TENANT) {
            tracing::warn!(
                "keys are required and `/api` has none, so it answers nobody; \
                 set `recommend_api_key`, or make one with `POST /admin/keys`"
            );
        }
    }

    /// Whether `tenant` answers nobody without a key.
    fn is_closed(&self, tenant: &str) -> bool {
        self.needs_key() || self.store.is_closed(tenant)
    }

    /// Whether every request needs a key.
    fn needs_key(&self) -> bool {
        self.config.api_keys && self.config.require_api_key
    }

    /// The client of a request that is not banned.
    fn client(&self, request: &HttpRequest) -> Result<String, ServiceError> {
        let client = self.clients.of(request);
        match self.flood.is_banned(&client) {
            true => Err(ServiceError::Banned),
            false => Ok(client),
        }
    }

    /// The key of a request and what it allows; `None` when there is none and none is needed.
    async fn key(
        &self,
        request: &HttpRequest,
        fields: &Fields,
        client: &str,
    ) -> Result<Option<(String, KeyLimits)>, ServiceError> {
        if !self.config.api_keys {
            return Ok(None);
        }
        if let Some(key) = fields.text("api_key")? {
            let known = match (self.store.key_limits(key)?, &self.remote) {
                (None, Some(remote)) => {
                    self.guesses.check(client)?; // a stranger's guesses are no calls of ours
                    remote.limits(key).await?
                }
                (known, _) => known,
            };
            let Some(limits) = known else {
                self.guesses.check(client)?;
                self.guesses.note(client);
                return Err(ServiceError::InvalidKey);
            };
            return Ok(Some((key.to_owned(), limits)));
        }
        let origin = request.headers().get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
        let is_foreign = self
            .require_key_origin
            .as_ref()
            .is_some_and(|pattern| !pattern.is_match(origin.unwrap_or_default()));
        if !self.config.require_api_key && !is_foreign {
            return Ok(None);
        }
        Err(ServiceError::KeyRequired(self.config.get_api_key_link.clone()))
    }
}

/// The owner of what is stored under `key`; the key itself is not kept.
fn owner_of(key: &str) -> String {
    dragoman_store::fingerprint(key)
}

/// Whether a request carries `token` as its bearer; takes as long whatever the token.
fn has_bearer(request: &HttpRequest, token: &str) -> bool {
    let given = request.headers().get(header::AUTHORIZATION).map(|given| given.as_bytes());
    let given = given.and_then(|given| given.strip_prefix(b"Bearer ")).unwrap_or_default();
    same_bytes(given, token.as_bytes())
}

/// Whether two keys are the same; takes as long whatever they are.
pub(crate) fn is_same(given: &str, key: &str) -> bool {
    same_bytes(given.as_bytes(), key.as_bytes())
}

fn same_bytes(given: &[u8], key: &[u8]) -> bool {
    let differs = given.iter().zip(key).fold(0, |sum, (a, b)| sum | (a ^ b));
    given.len() == key.len() && differs == 0
}
