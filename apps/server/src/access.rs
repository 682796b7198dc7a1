//! Who may ask, and how often: API keys, limits per key or address, bans of floods.

mod flood;
mod rate;
mod remote;

use actix_web::{HttpRequest, http::header};
use dragoman_store::{DEFAULT_TENANT, KeyLimits, Store};
use regex::Regex;

use crate::{
    ServerConfig,
    access::{flood::Flood, rate::Rates, remote::RemoteKeys},
    error::ApiError,
    input::Fields,
};

/// The gate before the endpoints that cost something.
pub(crate) struct Access {
    store: Store,
    rates: Rates,
    flood: Flood,
    remote: Option<RemoteKeys>,
    keys: bool,
    require_key: bool,
    require_key_origin: Option<Regex>,
    key_link: Option<String>,
    char_limit: Option<usize>,
    trust_forwarded_for: bool,
    recommend_key: Option<String>,
    admin_key: Option<String>,
}

/// What a caller who was let in may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Caller {
    /// Most characters a text may have.
    pub(crate) char_limit: Option<usize>,
}

impl Access {
    pub(crate) fn new(config: &ServerConfig, store: Store) -> Self {
        let origin = config.require_api_key_origin.as_deref();
        Self {
            store,
            rates: Rates::new(config),
            flood: Flood::new(config.req_flood_threshold),
            remote: config.api_keys_remote.as_deref().map(RemoteKeys::new),
            keys: config.api_keys,
            require_key: config.require_api_key,
            require_key_origin: origin.and_then(|pattern| Regex::new(pattern).ok()),
            key_link: config.get_api_key_link.clone(),
            char_limit: config.char_limit,
            trust_forwarded_for: config.trust_forwarded_for,
            recommend_key: config.recommend_api_key.clone(),
            admin_key: config.admin_key.clone(),
        }
    }

    /// Lets a request that counts as `cost` in, or says why not.
    pub(crate) async fn admit(
        &self,
        request: &HttpRequest,
        fields: &Fields,
        cost: usize,
    ) -> Result<Caller, ApiError> {
        let address = self.address(request);
        if self.flood.is_banned(&address) {
            return Err(ApiError::Forbidden("Too many request limits violations".into()));
        }
        let limits = self.key(request, fields).await?;
        let checked = match &limits {
            Some((key, KeyLimits { req_limit, .. })) => self.rates.check_key(key, *req_limit, cost),
            None => self.rates.check_address(&address, cost),
        };
        checked.inspect_err(|_| self.flood.note(&address))?;
        let own = limits.and_then(|(_, limits)| limits.char_limit);
        Ok(Caller { char_limit: own.or(self.char_limit) })
    }

    /// Lets a request of recommendation for `tenant` in, or says why not.
    ///
    /// A tenant without keys is open to whoever reaches the server.
    pub(crate) fn admit_to_tenant(
        &self,
        request: &HttpRequest,
        tenant: &str,
    ) -> Result<(), ApiError> {
        let address = self.address(request);
        if self.flood.is_banned(&address) {
            return Err(ApiError::Forbidden("Too many request limits violations".into()));
        }
        let given = request.headers().get("X-API-Key").and_then(|key| key.to_str().ok());
        let own = self.recommend_key.as_deref().filter(|_| tenant == DEFAULT_TENANT);
        let is_own = |key: &str| own.is_some_and(|own| is_same(key, own));
        let is_admin = |key: &str| self.admin_key.as_deref().is_some_and(|own| is_same(key, own));
        let known = match given {
            Some(key) if !is_own(key) && !is_admin(key) => {
                self.store.api_key(key)?.filter(|key| key.tenant.as_deref() == Some(tenant))
            }
            _ => None,
        };
        let is_let_in = known.is_some() || given.is_some_and(|key| is_own(key) || is_admin(key));
        if !is_let_in && (own.is_some() || self.store.has_tenant_keys(tenant)) {
            return Err(ApiError::Unauthorized);
        }
        let checked = match known.as_ref().zip(given) {
            Some((known, key)) => self.rates.check_key(key, known.limits.req_limit, 1),
            None => self.rates.check_address(&address, 1),
        };
        checked.inspect_err(|_| self.flood.note(&address))
    }

    /// The key of a request and what it allows; `None` when there is none and none is needed.
    async fn key(
        &self,
        request: &HttpRequest,
        fields: &Fields,
    ) -> Result<Option<(String, KeyLimits)>, ApiError> {
        if !self.keys {
            return Ok(None);
        }
        if let Some(key) = fields.text("api_key")? {
            let known = match (self.store.key_limits(key)?, &self.remote) {
                (None, Some(remote)) => remote.limits(key).await?,
                (known, _) => known,
            };
            let limits = known.ok_or_else(|| ApiError::Forbidden("Invalid API key".into()))?;
            return Ok(Some((key.to_owned(), limits)));
        }
        let origin = request.headers().get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
        let is_foreign = self
            .require_key_origin
            .as_ref()
            .is_some_and(|pattern| !pattern.is_match(origin.unwrap_or_default()));
        if !self.require_key && !is_foreign {
            return Ok(None);
        }
        Err(ApiError::Invalid(match &self.key_link {
            Some(link) => format!("Visit {link} to get an API key"),
            None => "Please contact the server operator to get an API key".into(),
        }))
    }

    /// The address of the caller, or of the proxy in front of it.
    ///
    /// Only the last forwarded address was written by our proxy; callers can invent the others.
    fn address(&self, request: &HttpRequest) -> String {
        let forwarded = || {
            let all = request.headers().get_all("X-Forwarded-For");
            Some(all.last()?.to_str().ok()?.rsplit(',').next()?.trim().to_owned())
        };
        let forwarded = if self.trust_forwarded_for { forwarded() } else { None };
        let peer = || request.peer_addr().map_or_else(String::new, |peer| peer.ip().to_string());
        forwarded.filter(|address| !address.is_empty()).unwrap_or_else(peer)
    }
}

/// Whether a request carries `token` as its bearer; takes as long whatever the token.
pub(crate) fn has_bearer(request: &HttpRequest, token: &str) -> bool {
    let given = request.headers().get(header::AUTHORIZATION).map(|given| given.as_bytes());
    let given = given.and_then(|given| given.strip_prefix(b"Bearer ")).unwrap_or_default();
    same_bytes(given, token.as_bytes())
}

/// Whether two keys are the same; takes as long whatever they are.
fn is_same(given: &str, key: &str) -> bool {
    same_bytes(given.as_bytes(), key.as_bytes())
}

fn same_bytes(given: &[u8], key: &[u8]) -> bool {
    let differs = given.iter().zip(key).fold(0, |sum, (a, b)| sum | (a ^ b));
    given.len() == key.len() && differs == 0
}
