//! The store that an address leads to.

use std::{path::Path, sync::Arc, time::Duration};

use object_store::{
    BackoffConfig, ClientOptions, ObjectStore, ObjectStoreScheme, RetryConfig,
    aws::AmazonS3Builder, azure::MicrosoftAzureBuilder, gcp::GoogleCloudStorageBuilder,
    http::HttpBuilder, local::LocalFileSystem, path::Path as Key,
};
use url::{Position, Url};

use crate::{Error, Result, error::credentials, transport::Transport};

/// Whether what names a model is an address, and no folder.
pub fn is_address(place: &Path) -> bool {
    let scheme = place.to_str().and_then(|text| Some(text.split_once("://")?.0));
    scheme.is_some_and(|scheme| {
        scheme.len() > 1 && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

/// The store of `address` and the place in it. Credentials are those of the environment.
pub(crate) fn open(address: &str) -> Result<(Arc<dyn ObjectStore>, Key)> {
    let refuse = |reason: String| Error::Address { address: address.into(), reason };
    let url = Url::parse(address).map_err(|error| refuse(error.to_string()))?;
    let known = ObjectStoreScheme::parse(&url).ok();
    let known = known.filter(|(scheme, _)| *scheme != ObjectStoreScheme::Memory);
    let schemes =
        "it has to begin with `s3://`, `gs://`, `az://`, `https://`, `http://` or `file:///`";
    let (scheme, key) = known.ok_or_else(|| refuse(schemes.into()))?;
    let incomplete = |error| refuse(format!("{error}; {}", credentials(address)));
    let store = by_scheme(&scheme, &url).map_err(incomplete)?;
    Ok((store, key))
}

fn by_scheme(scheme: &ObjectStoreScheme, url: &Url) -> object_store::Result<Arc<dyn ObjectStore>> {
    Ok(match scheme {
        ObjectStoreScheme::AmazonS3 => Arc::new(
            AmazonS3Builder::from_env()
                .with_url(url.as_str())
                .with_http_connector(Transport)
                .with_retry(retry())
                .build()?,
        ),
        ObjectStoreScheme::GoogleCloudStorage => Arc::new(
            GoogleCloudStorageBuilder::from_env()
                .with_url(url.as_str())
                .with_http_connector(Transport)
                .with_retry(retry())
                .build()?,
        ),
        ObjectStoreScheme::MicrosoftAzure => Arc::new(
            MicrosoftAzureBuilder::from_env()
                .with_url(url.as_str())
                .with_http_connector(Transport)
                .with_retry(retry())
                .build()?,
        ),
        ObjectStoreScheme::Http => Arc::new(
            HttpBuilder::new()
                .with_url(&url[..Position::BeforePath])
                .with_client_options(ClientOptions::new().with_allow_http(true))
                .with_http_connector(Transport)
                .with_retry(retry())
                .build()?,
        ),
        _ => Arc::new(LocalFileSystem::new()),
    })
}

/// How often a request that failed is made again: a server that starts does not wait for long.
fn retry() -> RetryConfig {
    let backoff = BackoffConfig {
        init_backoff: Duration::from_millis(100),
        max_backoff: Duration::from_secs(2),
        base: 2.0,
    };
    RetryConfig { backoff, max_retries: 4, retry_timeout: Duration::from_secs(30) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_distinguished_from_a_folder() {
        for address in ["s3://bucket/model", "file:///models/x", "https://host/x", "gs://b/m"] {
            assert!(is_address(address.as_ref()), "{address}");
        }
        for folder in ["models/x", "/models/x", "C:\\models", "c://models", "./s3:/x", "://x"] {
            assert!(!is_address(folder.as_ref()), "{folder}");
        }
    }

    #[test]
    fn an_address_of_no_store_is_refused() {
        for address in ["ftp://host/model", "s3:///model", "s3://", "memory:///x"] {
            let error = open(address).map(drop).expect_err(address).to_string();
            assert!(error.contains(address), "{error}");
        }
    }
}
