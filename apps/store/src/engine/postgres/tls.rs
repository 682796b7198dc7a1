//! Encryption of connections, and whom they trust: the `sslmode` and `sslrootcert` of an address, as libpq has them.

use std::{
    fmt, io,
    path::PathBuf,
    pin::Pin,
    str::FromStr,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::future::BoxFuture;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_name,
    },
    crypto::{self, CryptoProvider},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
    server::ParsedCertificate,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::{
    Socket,
    config::SslMode,
    tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream},
};
use tokio_rustls::{TlsConnector, client};

/// The value of `sslrootcert` that stands for the public authorities.
const PUBLIC: &str = "system";

/// What an address says about encryption.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tls {
    mode: Mode,
    /// Certificates of authorities, or of the server itself; none for the public ones.
    roots: Option<PathBuf>,
}

/// The `sslmode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Disable,
    /// Encrypted where the server offers it.
    Prefer,
    /// Encrypted, with whomever.
    Require,
    /// The certificate is of a trusted authority.
    VerifyCa,
    /// … and for this host.
    VerifyFull,
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Ok(match name {
            "disable" => Self::Disable,
            "allow" | "prefer" => Self::Prefer,
            "require" => Self::Require,
            "verify-ca" => Self::VerifyCa,
            "verify-full" => Self::VerifyFull,
            _ => {
                return Err(format!(
                    "`{name}` is no sslmode; there are `disable`, `prefer`, `require`, `verify-ca` \
                     and `verify-full`"
                ));
            }
        })
    }
}

impl Tls {
    /// Takes what is about encryption from the query of an address; returns the rest of the address.
    pub(super) fn of(address: &str) -> Result<(Self, String), String> {
        let mut mode = None;
        let mut roots = None;
        let (place, query) = address.split_once('?').unwrap_or((address, ""));
        let mut rest = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("sslmode", name)) => mode = Some(name.parse()?),
                Some(("sslrootcert", path)) => roots = Some(decoded(path)?),
                _ => rest.push(pair),
            }
        }
        let is_public = roots.as_deref() == Some(PUBLIC);
        let default = if is_public { Mode::VerifyFull } else { Mode::Prefer };
        let mode = match mode.unwrap_or(default) {
            // As libpq does: who names an authority wants it to be looked at.
            Mode::Require if roots.is_some() => Mode::VerifyCa,
            mode => mode,
        };
        let rest = match rest.is_empty() {
            true => place.to_owned(),
            false => format!("{place}?{}", rest.join("&")),
        };
        Ok((Self { mode, roots: roots.filter(|_| !is_public).map(Into::into) }, rest))
    }

    /// What the driver makes of it.
    pub(super) fn driver_mode(&self) -> SslMode {
        match self.mode {
            Mode::Disable => SslMode::Disable,
            Mode::Prefer => SslMode::Prefer,
            Mode::Require | Mode::VerifyCa | Mode::VerifyFull => SslMode::Require,
        }
    }

    /// What makes connections.
    pub(super) fn connector(&self) -> Result<Connector, String> {
        let provider = Arc::new(crypto::ring::default_provider());
        let trust = match self.mode {
            Mode::Disable | Mode::Prefer | Mode::Require => Trust::Everyone,
            Mode::VerifyCa | Mode::VerifyFull => {
                let (roots, known) = self.roots()?;
                let web = WebPkiServerVerifier::builder_with_provider(
                    Arc::new(roots),
                    Arc::clone(&provider),
                );
                let web = web.build().map_err(|error| error.to_string())?;
                Trust::Signed { web, known, with_name: self.mode == Mode::VerifyFull }
            }
        };
        let verifier = Arc::new(Verifier { trust, provider: Arc::clone(&provider) });
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        Ok(Connector(Arc::new(config)))
    }

    /// The authorities that are trusted, and certificates that are trusted by themselves.
    fn roots(&self) -> Result<(RootCertStore, Vec<CertificateDer<'static>>), String> {
        let Some(path) = &self.roots else {
            let roots = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
            return Ok((roots, Vec::new()));
        };
        let shown = path.display();
        let failed = |error: &dyn fmt::Display| format!("sslrootcert `{shown}`: {error}");
        let text = fs_err::read(path).map_err(|error| error.to_string())?;
        let known: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&text)
            .collect::<Result<_, _>>()
            .map_err(|error| failed(&error))?;
        let mut roots = RootCertStore::empty();
        for one in &known {
            roots.add(one.clone()).map_err(|error| failed(&error))?;
        }
        match known.is_empty() {
            true => Err(failed(&"there is no certificate in it; it has to be in PEM")),
            false => Ok((roots, known)),
        }
    }
}

/// A part of an address with `%2F` and the like decoded.
fn decoded(text: &str) -> Result<String, String> {
    let broken = || format!("`{text}` is no text of an address");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let (byte, after) = match first {
            b'%' => {
                let (digits, after) = after.split_at_checked(2).ok_or_else(broken)?;
                let digits = std::str::from_utf8(digits).map_err(|_| broken())?;
                (u8::from_str_radix(digits, 16).map_err(|_| broken())?, after)
            }
            byte => (byte, after),
        };
        bytes.push(byte);
        rest = after;
    }
    String::from_utf8(bytes).map_err(|_| broken())
}

/// Looks at the certificates of servers.
#[derive(Debug)]
struct Verifier {
    trust: Trust,
    provider: Arc<CryptoProvider>,
}

#[derive(Debug)]
enum Trust {
    /// Encryption alone, which somebody in between can have opened.
    Everyone,
    Signed {
        web: Arc<WebPkiServerVerifier>,
        /// Certificates that are trusted by themselves, as those are that a server has signed for itself.
        known: Vec<CertificateDer<'static>>,
        with_name: bool,
    },
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Trust::Signed { web, known, with_name } = &self.trust else {
            return Ok(ServerCertVerified::assertion());
        };
        if known.contains(end_entity) {
            if *with_name {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
            }
            return Ok(ServerCertVerified::assertion());
        }
        let verified =
            web.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match verified {
            // The name is looked at last: all else is right.
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if !with_name => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Encrypts connections.
#[derive(Clone)]
pub(super) struct Connector(Arc<ClientConfig>);

/// A connector to one host.
pub(super) struct ToHost(TlsConnector, Result<ServerName<'static>, String>);

/// An encrypted connection.
pub(super) struct Encrypted(Box<client::TlsStream<Socket>>);

impl MakeTlsConnect<Socket> for Connector {
    type Stream = Encrypted;
    type TlsConnect = ToHost;
    type Error = io::Error;

    fn make_tls_connect(&mut self, host: &str) -> io::Result<ToHost> {
        // A socket has no name, and is never encrypted.
        let name = ServerName::try_from(host.to_owned());
        let name = name.map_err(|_| format!("`{host}` is no name that a certificate can be for"));
        Ok(ToHost(TlsConnector::from(Arc::clone(&self.0)), name))
    }
}

impl TlsConnect<Socket> for ToHost {
    type Stream = Encrypted;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Encrypted>>;

    fn connect(self, stream: Socket) -> Self::Future {
        let Self(connector, name) = self;
        Box::pin(async move {
            let name = name.map_err(io::Error::other)?;
            Ok(Encrypted(Box::new(connector.connect(name, stream).await?)))
        })
    }
}

impl TlsStream for Encrypted {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl AsyncRead for Encrypted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Encrypted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_how_far_to_trust() {
        for (address, mode, roots, rest) in [
            ("postgres://h/db", Mode::Prefer, None, "postgres://h/db"),
            ("postgres://h/db?sslmode=require", Mode::Require, None, "postgres://h/db"),
            ("postgres://h?a=b&sslmode=disable&c=d", Mode::Disable, None, "postgres://h?a=b&c=d"),
            ("postgres://h?sslmode=verify-full", Mode::VerifyFull, None, "postgres://h"),
            ("postgres://h?sslrootcert=system", Mode::VerifyFull, None, "postgres://h"),
            (
                "postgres://h?sslmode=require&sslrootcert=%2Fetc%2Fca.pem",
                Mode::VerifyCa,
                Some("/etc/ca.pem"),
                "postgres://h",
            ),
        ] {
            let expected = Tls { mode, roots: roots.map(Into::into) };
            assert_eq!(Tls::of(address), Ok((expected, rest.to_owned())), "{address}");
        }
        let error = Tls::of("postgres://h?sslmode=always").expect_err("there is no such mode");
        assert!(error.contains("verify-full"), "{error}");
        assert!(Tls::of("postgres://h?sslrootcert=%2").is_err());
    }
}
