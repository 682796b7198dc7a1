//! Addresses of databases, and what a refused connection means for whoever gave the address.

use std::path::{Path, PathBuf};

use tokio_postgres::{
    Config,
    error::{Error as PgError, SqlState},
};

use crate::{Error, Result};

/// How a password is shown.
const HIDDEN: &str = "***";

/// Whether `place` names a database of PostgreSQL in place of a folder.
pub(crate) fn is_address(place: &Path) -> bool {
    let text = place.to_string_lossy();
    text.starts_with("postgres://") || text.starts_with("postgresql://")
}

/// Refuses addresses of anything else: taken for a folder, that of a server would be a new store, an empty
/// one.
pub(crate) fn refuse_others(place: &Path) -> Result<()> {
    let text = place.to_string_lossy();
    if let Some((scheme @ ("postgres" | "postgresql"), rest)) = text.split_once(':')
        && !rest.starts_with("//")
    {
        // The rest is not shown: it may hold a password.
        let reason = "the address of a database has `//` behind the colon, as in \
                      `postgres://USER:PASSWORD@HOST/NAME`; a folder of this name is `./postgres:…`";
        return Err(Error::Open { path: scheme.into(), reason: reason.into() });
    }
    let scheme = text.split_once("://").map_or("", |(scheme, _)| scheme);
    let is_scheme = scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    if scheme.is_empty() || !is_scheme || is_address(place) {
        return Ok(());
    }
    let reason = "a store is a folder, or a database at `postgres://…`; a running server is asked over its \
                  API, and `dragoman store backup FILE --server URL` copies its store";
    Err(Error::Open { path: place.into(), reason: reason.into() })
}

/// The address without its password, and any other place as it is.
pub(crate) fn shown(place: &Path) -> PathBuf {
    if !is_address(place) {
        return place.into();
    }
    let text = place.to_string_lossy();
    let Some((scheme, rest)) = text.split_once("://") else { return place.into() };
    let (rest, query) = rest.split_once('?').map_or((rest, None), |(a, b)| (a, Some(b)));
    // A password may hold an `@`; a host may not.
    let rest = match rest.rsplit_once('@') {
        Some((user, host)) => match user.split_once(':') {
            Some((user, _)) => format!("{user}:{HIDDEN}@{host}"),
            None => format!("{user}@{host}"),
        },
        None => rest.to_owned(),
    };
    let query = query.map(|query| {
        let pairs = query.split('&').map(|pair| match pair.split_once('=') {
            Some((name, _)) if name.eq_ignore_ascii_case("password") => format!("{name}={HIDDEN}"),
            _ => pair.to_owned(),
        });
        format!("?{}", pairs.collect::<Vec<_>>().join("&"))
    });
    format!("{scheme}://{rest}{}", query.unwrap_or_default()).into()
}

/// Why a connection was refused, and what to do about it. The address is left out: who reads it later may be
/// a client of the server.
pub(super) fn refusal(error: &PgError, config: &Config) -> String {
    let user = config.get_user().unwrap_or("(nobody)");
    let database = config.get_dbname().unwrap_or(user);
    let text = said(error);
    let advice = match error.code() {
        Some(&SqlState::INVALID_PASSWORD) => format!(
            "the password of the user `{user}` is wrong; give the right one in the address or in \
             the variable PGPASSWORD"
        ),
        Some(&SqlState::INVALID_AUTHORIZATION_SPECIFICATION) => format!(
            "make the user with `createuser {user}`, or let it in from this machine in the \
             server's pg_hba.conf"
        ),
        Some(&SqlState::INVALID_CATALOG_NAME) => {
            format!("make the database with `createdb {database}`, or name another one")
        }
        Some(&SqlState::TOO_MANY_CONNECTIONS) => {
            "raise max_connections of the server, or run fewer replicas".to_owned()
        }
        Some(&SqlState::CANNOT_CONNECT_NOW) => "it is tried again until it is ready".to_owned(),
        Some(_) => "the log of the server may say more".to_owned(),
        None if text.contains("password missing") => {
            "give a password in the address, postgres://USER:PASSWORD@HOST/DATABASE, or in the \
             variable PGPASSWORD"
                .to_owned()
        }
        None if text.contains("does not support TLS") => {
            "turn on `ssl` in its postgresql.conf, or take `sslmode=disable` within a private network"
                .to_owned()
        }
        None if text.contains("not valid for name") => {
            "name the server in the address as its certificate does, or take `sslmode=verify-ca`, \
             which takes any name"
                .to_owned()
        }
        None if text.contains("certificate") => {
            "name the file with the certificate of its authority: `sslrootcert=FILE`".to_owned()
        }
        None => "is the server running, and does it listen on this address?".to_owned(),
    };
    format!("{text}; {advice}")
}

/// What the server said, and not only that it said something.
pub(super) fn said(error: &PgError) -> String {
    if let Some(said) = error.as_db_error() {
        return said.message().to_owned();
    }
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        for (address, expected) in [
            ("postgres://u:secret@h/db", "postgres://u:***@h/db"),
            ("postgres://u:s:e@cret@h:1/db?x=1", "postgres://u:***@h:1/db?x=1"),
            ("postgresql://u@h/db", "postgresql://u@h/db"),
            ("postgres:///db?user=u&password=secret", "postgres:///db?user=u&password=***"),
            ("postgres://h", "postgres://h"),
            ("/var/lib/a:b@c", "/var/lib/a:b@c"),
        ] {
            assert_eq!(shown(address.as_ref()), PathBuf::from(expected), "{address}");
        }
        assert!(is_address("postgresql://h".as_ref()) && !is_address("./postgres".as_ref()));
    }

    #[test]
    fn the_address_of_a_server_becomes_no_folder() {
        for address in ["http://127.0.0.1:5000", "https://h/", "s3://bucket/store"] {
            let reason = crate::Store::open(address.as_ref()).map(drop).expect_err(address);
            assert!(reason.to_string().contains("store backup"), "{reason}");
        }
        assert!(!Path::new("http:").exists() && !Path::new("https:").exists());
        for folder in ["store", "/a:/b", "C:\\store", "://x", "./postgres:/x"] {
            assert!(refuse_others(folder.as_ref()).is_ok(), "{folder}");
        }
    }

    #[test]
    fn an_address_without_its_slashes_becomes_no_folder() {
        for address in ["postgres:/u:secret@h/db", "postgresql:db", "postgres:"] {
            let reason = crate::Store::open(address.as_ref()).map(drop).expect_err(address);
            let reason = reason.to_string();
            assert!(reason.contains("`postgres://USER:PASSWORD@HOST/NAME`"), "{reason}");
            assert!(!reason.contains("secret"), "{reason}");
        }
        assert!(!Path::new("postgres:").exists());
    }
}
