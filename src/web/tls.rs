//! The page's own certificate, read again when it is renewed.

use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::SystemTime;

use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use tokio_rustls::TlsAcceptor;

use super::error::Error;
use crate::time::Clock;
use crate::time::Mono;

/// The interval at which it is checked whether the files have changed.
const LOOK: Duration = Duration::from_secs(60);

/// A certificate and its key.
pub(super) struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    clock: Arc<dyn Clock>,
    held: Mutex<Held>,
}

struct Held {
    config: Arc<ServerConfig>,
    stamp: FileStamp,
    looked: Mono,
}

type FileStamp = [Option<SystemTime>; 2];

impl Tls {
    /// Reads both files.
    pub(super) fn open(
        certificate: &Path,
        key: &Path,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        let held = Held {
            stamp: stamp(certificate, key),
            config: read(certificate, key)?,
            looked: clock.now().mono,
        };
        let (certificate, key) = (certificate.to_owned(), key.to_owned());
        Ok(Self { certificate, key, clock, held: Mutex::new(held) })
    }

    /// With the certificate that holds now. One that can't be used changes nothing.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now().mono;
        if now.since(held.looked) >= LOOK {
            held.looked = now;
            let stamp = stamp(&self.certificate, &self.key);
            if stamp != held.stamp {
                match read(&self.certificate, &self.key) {
                    Ok(config) => {
                        tracing::info!("the page's certificate is read again");
                        (held.config, held.stamp) = (config, stamp);
                    }
                    Err(error) => tracing::error!(%error, "the certificate that was stays"),
                }
            }
        }
        TlsAcceptor::from(Arc::clone(&held.config))
    }
}

fn stamp(certificate: &Path, key: &Path) -> FileStamp {
    [certificate, key].map(|path| std::fs::metadata(path).and_then(|found| found.modified()).ok())
}

/// A server's side of TLS with this certificate.
pub(super) fn read(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, Error> {
    let failed = |path: &Path, why: String| Error::Tls { path: path.to_owned(), why };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| failed(certificate, error.to_string()))?;
    if chain.is_empty() {
        return Err(failed(certificate, "it has no certificate".to_owned()));
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(|e| failed(key, e.to_string()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(certificate, error.to_string()))?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(|error| failed(certificate, error.to_string()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
