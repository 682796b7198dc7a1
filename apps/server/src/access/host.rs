//! Which host names may reach what asks for no key.
//!
//! A page can make a browser send requests to a name of its own that leads to this machine (DNS
//! rebinding). Such a name is registered, so it has a dot and no ending of local networks.

use std::net::IpAddr;

/// Endings of names that nobody can register.
const LOCAL: [&str; 7] =
    ["localhost", "local", "internal", "lan", "test", "home.arpa", "cluster.local"];

/// Whether a request to `host`, with a port or without, may do without a key.
pub(super) fn is_trusted(host: &str, allowed: &[String]) -> bool {
    let name = without_port(host).to_lowercase();
    let name = name.trim_end_matches('.');
    let is_address = name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
    let is_local = LOCAL.iter().any(|end| name.ends_with(&format!(".{end}")));
    let is_allowed = allowed.iter().any(|one| one == "*" || one.eq_ignore_ascii_case(name));
    !name.contains('.') || is_address || is_local || is_allowed
}

fn without_port(host: &str) -> &str {
    match host.rfind(']') {
        Some(end) => &host[..=end],
        None => host.split(':').next().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_strangers_can_own_are_not_trusted() {
        for host in [
            "127.0.0.1:5000",
            "localhost",
            "dragoman:5000",
            "[::1]:5000",
            "nas.local",
            "x.lan:1",
            "",
        ] {
            assert!(is_trusted(host, &[]), "{host}");
        }
        for host in ["evil.example", "127.0.0.1.evil.example:5000", "localhost.evil.example"] {
            assert!(!is_trusted(host, &[]), "{host}");
        }
        assert!(is_trusted("Shop.Example:443", &["shop.example".into()]));
        assert!(is_trusted("any.example", &["*".into()]));
    }
}
