//! What is the same for all connections to a server: its name, whom to trust, which protocol is
//! spoken within. Invariant: what can be wrong with any of it is found here, before a connection.

use std::fmt;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde::{Deserialize, Serialize};

use crate::verify::Anyone;

/// The protocol spoken within (RFC 7301).
const ALPN: &[u8] = b"http/1.1";

/// Who is talked to, and who may be it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Settings {
    /// The server's name or address, without a port: its certificate has to name it. A name, not an
    /// address, is told to the server (RFC 6066 3).
    pub name: String,
    /// Whose word is taken for it.
    pub trust: Trust,
}

/// Whose word is taken for who a server is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Trust {
    /// The authorities that this system trusts.
    System,
    /// The certificates in this PEM text, and no others.
    Roots(Vec<u8>),
    /// Everyone's: a certificate is not looked at.
    Anyone,
}

/// What all connections to a server share.
#[derive(Clone, Debug)]
pub struct Client {
    pub(crate) config: Arc<ClientConfig>,
    pub(crate) name: ServerName<'static>,
}

/// Why there can be no connection by TLS.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ClientError {
    /// The processor lacks an instruction.
    Processor,
    /// The name is neither one of DNS nor an address.
    Name(String),
    /// This system has no authorities that it trusts; what was wrong where they were looked for.
    NoSystemRoots(Option<String>),
    /// There is no certificate in the PEM text, or one that cannot be read.
    Roots(String),
    /// rustls does not take the settings.
    Config(String),
}

impl Client {
    /// Prepares for connections.
    ///
    /// # Errors
    /// [`ClientError`], each of which tells what to do about it.
    pub fn new(settings: &Settings) -> Result<Self, ClientError> {
        // It would panic where the processor lacks what its code is made of.
        if !graviola::util::is_cpu_supported() {
            return Err(ClientError::Processor);
        }
        let name = settings.name.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name =
            ServerName::try_from(name).map_err(|_| ClientError::Name(settings.name.clone()))?;
        let provider = Arc::new(rustls_graviola::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| ClientError::Config(error.to_string()))?;
        let mut config = match &settings.trust {
            Trust::Anyone => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Anyone::new(&provider)))
                .with_no_client_auth(),
            Trust::System => builder.with_root_certificates(system_roots()?).with_no_client_auth(),
            Trust::Roots(pem) => {
                builder.with_root_certificates(given_roots(pem)?).with_no_client_auth()
            }
        };
        config.alpn_protocols = vec![ALPN.to_vec()];
        // Each connection stands for a client of its own, which has not been there before.
        config.resumption = Resumption::disabled();
        Ok(Self { config: Arc::new(config), name })
    }
}

fn system_roots() -> Result<RootCertStore, ClientError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // Systems keep some that no library takes.
    let _ = roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let reason = found.errors.first().map(ToString::to_string);
        return Err(ClientError::NoSystemRoots(reason));
    }
    Ok(roots)
}

fn given_roots(pem: &[u8]) -> Result<RootCertStore, ClientError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let wrong = |error: &dyn fmt::Display| ClientError::Roots(error.to_string());
        let certificate = certificate.map_err(|error| wrong(&error))?;
        roots.add(certificate).map_err(|error| wrong(&error))?;
    }
    if roots.is_empty() {
        return Err(ClientError::Roots("there is no certificate in it".into()));
    }
    Ok(roots)
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Processor => f.write_str(
                "this processor lacks instructions that TLS is computed with here (x86-64: AES, \
                 PCLMULQDQ, AVX2, ADX, BMI2; 64-bit ARM: AES, PMULL, SHA2): ask over http://, or \
                 from another machine",
            ),
            Self::Name(name) => write!(f, "`{name}` is no name that a certificate could be for"),
            Self::NoSystemRoots(reason) => {
                f.write_str("this system has no certificates of authorities that it trusts")?;
                if let Some(reason) = reason {
                    write!(f, " ({reason})")?;
                }
                f.write_str(
                    ": install the package ca-certificates, give --cacert FILE, or do without \
                     looking at certificates by --insecure",
                )
            }
            Self::Roots(reason) => write!(f, "certificates are wanted in PEM: {reason}"),
            Self::Config(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for ClientError {}
