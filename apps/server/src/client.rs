//! Who sends a request: an address, or the network that one client has to itself.

use std::net::{IpAddr, Ipv6Addr};

use actix_web::HttpRequest;

/// Finds the client of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clients {
    /// Whether the last address of `X-Forwarded-For` is the caller's.
    pub(crate) trust_forwarded_for: bool,
}

impl Clients {
    /// The client behind `request`: an IPv4 address, or the 64 bits of an IPv6 network.
    ///
    /// Only the last forwarded address was written by our proxy; callers can invent the others.
    pub(crate) fn of(self, request: &HttpRequest) -> String {
        let forwarded = || {
            let all = request.headers().get_all("X-Forwarded-For");
            Some(all.last()?.to_str().ok()?.rsplit(',').next()?.trim().to_owned())
        };
        let forwarded = if self.trust_forwarded_for { forwarded() } else { None };
        match forwarded.filter(|address| !address.is_empty()) {
            Some(text) => parse(&text).map_or(text, client),
            None => request.peer_addr().map_or_else(String::new, |peer| client(peer.ip())),
        }
    }
}

/// Reads an address as proxies write it: alone, with a port, in brackets, in quotes.
fn parse(text: &str) -> Option<IpAddr> {
    let text = text.trim_matches('"');
    if let Some(rest) = text.strip_prefix('[') {
        return rest.split_once(']')?.0.parse().ok();
    }
    let without_port = || text.rsplit_once(':').and_then(|(address, _)| address.parse().ok());
    text.parse().ok().or_else(without_port)
}

/// The name of the client with `address`: who has one address of a /64 network has all of them.
fn client(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) if address == Ipv6Addr::LOCALHOST => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{}/64", Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn of(forwarded: &str, trust_forwarded_for: bool) -> String {
        let request = TestRequest::default()
            .peer_addr(([10, 0, 0, 9], 1234).into())
            .insert_header(("X-Forwarded-For", forwarded))
            .to_http_request();
        Clients { trust_forwarded_for }.of(&request)
    }

    #[test]
    fn an_address_is_one_client_however_it_is_written() {
        for written in ["10.1.2.3", "10.1.2.3:5", "9.9.9.9, 10.1.2.3:65000", "::ffff:10.1.2.3"] {
            assert_eq!(of(written, true), "10.1.2.3", "{written}");
            assert_eq!(of(written, false), "10.0.0.9");
        }
        for written in [
            "2001:db8:1:2:3::4",
            "[2001:db8:1:2::1]",
            "[2001:DB8:1:2::1]:80",
            "\"[2001:db8:1:2::]:1\"",
        ] {
            assert_eq!(of(written, true), "2001:db8:1:2::/64", "{written}");
        }
        assert_ne!(of("2001:db8:1:3::1", true), of("2001:db8:1:2::1", true));
        assert_eq!(of("unknown", true), "unknown");
        assert_eq!(of("", true), "10.0.0.9");
    }
}
