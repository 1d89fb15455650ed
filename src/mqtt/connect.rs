//! The way in which the broker is reached, and what went wrong in words that say what to do.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rumqttc::ConnectReturnCode;
use rumqttc::ConnectionError;
use rumqttc::LastWill;
use rumqttc::MqttOptions;
use rumqttc::QoS;
use rumqttc::StateError;
use rumqttc::TlsConfiguration;
use rumqttc::TlsError;
use rumqttc::Transport;
use rustls::AlertDescription;
use rustls::CertificateError;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem;
use rustls::pki_types::pem::PemObject as _;

use super::Config;
use super::outgoing::SNAPSHOT_BYTES_MAX;
use crate::outbox;
use crate::ward::Id;

/// rumqttc takes no less.
const KEEP_ALIVE_MIN: Duration = Duration::from_secs(1);
/// More than are ever under way, so that rumqttc never has to wait for a packet id.
const PACKET_IDS: u16 = 1000;
/// Room for topic and header around a payload.
const PACKET_EXTRA: usize = 64 * 1024;
/// The largest packet that is taken from the broker; it holds 16 KiB of interest at most.
pub(super) const INCOMING_BYTES: usize = 1024 * 1024;
/// MQTT's own limit: taken for one session, which swallows what some client has sent and ends.
pub(super) const INCOMING_BYTES_ONCE: usize = 268_435_460;

/// The reason why there is no session, or no longer one. The publisher tries again after each of
/// them.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing listens, or the name is unknown.
    #[error("no MQTT broker answers at {broker}; does it run, and is [mqtt] url right?")]
    Unreachable {
        /// Host and port.
        broker: String,
        /// The system's words.
        source: io::Error,
    },
    /// It took too long.
    #[error("the MQTT broker at {broker} does not answer in time")]
    Silent {
        /// Host and port.
        broker: String,
    },
    /// Refused by name or password.
    #[error(
        "the MQTT broker at {broker} refuses the login; check [mqtt] username and password, \
         and that this user may connect"
    )]
    Login {
        /// Host and port.
        broker: String,
    },
    /// Refused for another reason.
    #[error("the MQTT broker at {broker} refuses the connection: {reason}")]
    Refused {
        /// Host and port.
        broker: String,
        /// The broker's words.
        reason: String,
    },
    /// Something else answers.
    #[error(
        "what answers at {broker} does not speak MQTT 3.1.1 ({detail}); check the port \
         (1883 is usual, 8883 with TLS and mqtts://)"
    )]
    NotMqtt {
        /// Host and port.
        broker: String,
        /// The answer that came instead.
        detail: String,
    },
    /// The TLS handshake failed.
    #[error("no TLS session with the MQTT broker at {broker}: {reason}; {remedy}")]
    Tls {
        /// Host and port.
        broker: String,
        /// The reason in the handshake's words.
        reason: String,
        /// The remedy.
        remedy: &'static str,
    },
    /// The authorities can't be read.
    #[error("can't read certificates from {path} ({detail}); [mqtt] ca_file wants a PEM file")]
    Authorities {
        /// The file.
        path: PathBuf,
        /// The fault in it.
        detail: String,
    },
    /// Our own certificate or its key can't be read.
    #[error(
        "can't use the certificate {cert} with the key {key} ({detail}); [mqtt] client_cert and \
         client_key want PEM files that belong together"
    )]
    OwnCertificate {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// The fault in them.
        detail: String,
    },
    /// The system trusts nobody.
    #[error("no authorities to trust; install ca-certificates or set [mqtt] ca_file")]
    NoAuthorities,
    /// The url names no host, or another protocol.
    #[error("[mqtt] url {url} is not mqtt://host:port or mqtts://host:port")]
    Url {
        /// Without credentials.
        url: String,
    },
    /// Closed before or after the session stood.
    #[error(
        "the MQTT broker at {broker} has closed the connection; it may refuse the login, \
         expect TLS (mqtts://), want a certificate ([mqtt] client_cert), or know another daemon \
         of this ward"
    )]
    Closed {
        /// Host and port.
        broker: String,
    },
    /// A packet that is larger than is ever wanted.
    #[error("somebody sends oversized messages over {broker}; set the broker's own limit")]
    Oversized {
        /// Host and port.
        broker: String,
    },
    /// That packet was taken, and is gone: nothing as large is taken any more.
    #[error("an oversized message was swallowed; the session begins anew with the usual limit")]
    Swallowed,
    /// Anything else that ends a session.
    #[error("the session with the MQTT broker at {broker} has ended: {detail}")]
    Lost {
        /// Host and port.
        broker: String,
        /// The event in the network's words.
        detail: String,
    },
    /// A message that came in could not be made durable.
    #[error("what came in over MQTT was not taken over; the broker will deliver it again")]
    NotTaken,
    /// The log can't be read.
    #[error("can't read the outbox")]
    Outbox(#[from] outbox::Error),
}

/// Host and port as configured, for messages: never credentials.
pub(super) fn broker_name(config: &Config) -> String {
    match &config.url {
        Some(url) => {
            let port = url.port().unwrap_or(default_port(url));
            format!("{}:{port}", url.host_str().unwrap_or_default())
        }
        None => config.listen.to_string(),
    }
}

/// Everything that rumqttc wants to know. Blocks on files where TLS is used.
pub(super) fn options(
    config: &Config,
    ward: &Id,
    will: LastWill,
    incoming_bytes: usize,
) -> Result<MqttOptions, Error> {
    let client = format!("keng-{ward}");
    let mut options = match &config.url {
        None => {
            let host = match config.listen.ip() {
                any if any.is_unspecified() => "localhost".to_owned(),
                ip => ip.to_string(),
            };
            MqttOptions::new(client, host, config.listen.port())
        }
        Some(url) => {
            let wrong = || Error::Url { url: broker_name(config) };
            let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(wrong)?;
            let port = url.port().unwrap_or(default_port(url));
            let mut options = MqttOptions::new(client, host, port);
            match url.scheme() {
                "mqtt" => {}
                "mqtts" => {
                    let tls = TlsConfiguration::Rustls(trust(config)?);
                    options.set_transport(Transport::tls_with_config(tls));
                }
                _ => return Err(wrong()),
            }
            options
        }
    };
    if let Some(username) = &config.username {
        let password = config.password.as_ref().map_or("", |password| password.reveal());
        options.set_credentials(username, password);
    }
    options
        .set_keep_alive(config.keep_alive.max(KEEP_ALIVE_MIN))
        .set_clean_session(false)
        .set_manual_acks(true)
        .set_inflight(PACKET_IDS)
        .set_last_will(will)
        .set_max_packet_size(incoming_bytes, SNAPSHOT_BYTES_MAX + PACKET_EXTRA);
    Ok(options)
}

/// The last will on `topic`.
pub(super) fn will(topic: String, payload: &[u8]) -> LastWill {
    LastWill::new(topic, payload, QoS::AtLeastOnce, true)
}

fn default_port(url: &url::Url) -> u16 {
    if url.scheme() == "mqtts" { 8883 } else { 1883 }
}

fn trust(config: &Config) -> Result<Arc<rustls::ClientConfig>, Error> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = &config.ca_file {
        let unreadable = |detail| Error::Authorities { path: path.clone(), detail };
        let certificates =
            CertificateDer::pem_file_iter(path).map_err(|error| unreadable(error.to_string()))?;
        for certificate in certificates {
            let certificate = certificate.map_err(|error| unreadable(error.to_string()))?;
            roots.add(certificate).map_err(|error| unreadable(error.to_string()))?;
        }
        if roots.is_empty() {
            return Err(unreadable("it holds no certificate".to_owned()));
        }
    } else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            return Err(Error::NoAuthorities);
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let trusting = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has suites for the default protocol versions")
        .with_root_certificates(roots);
    let Some((cert, key)) = config.client_cert.as_ref().zip(config.client_key.as_ref()) else {
        return Ok(Arc::new(trusting.with_no_client_auth()));
    };
    let wrong = |detail: String| {
        let (cert, key) = (cert.clone(), key.clone());
        Error::OwnCertificate { cert, key, detail }
    };
    let chain = CertificateDer::pem_file_iter(cert).and_then(Iterator::collect);
    let chain: Vec<_> = chain.map_err(|error: pem::Error| wrong(error.to_string()))?;
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| wrong(error.to_string()))?;
    let with_ours = trusting.with_client_auth_cert(chain, secret);
    Ok(Arc::new(with_ours.map_err(|error| wrong(error.to_string()))?))
}

/// Says in our words what rumqttc reports.
pub(super) fn explain(broker: String, error: ConnectionError) -> Error {
    match error {
        ConnectionError::ConnectionRefused(
            ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized,
        ) => Error::Login { broker },
        ConnectionError::ConnectionRefused(code) => {
            Error::Refused { broker, reason: format!("{code:?}") }
        }
        ConnectionError::NetworkTimeout | ConnectionError::FlushTimeout => Error::Silent { broker },
        ConnectionError::NotConnAck(_) => {
            Error::NotMqtt { broker, detail: "not a CONNACK".to_owned() }
        }
        ConnectionError::Tls(error) => tls(broker, &error),
        ConnectionError::Io(source) => io_error(broker, source),
        ConnectionError::MqttState(StateError::ConnectionAborted) => Error::Closed { broker },
        ConnectionError::MqttState(StateError::Io(source)) => io_error(broker, source),
        ConnectionError::MqttState(StateError::Deserialization(
            rumqttc::Error::PayloadSizeLimitExceeded(_),
        )) => Error::Oversized { broker },
        // A broker that is killed breaks off in the middle of what is read, and so does one that
        // does not like our certificate.
        ConnectionError::MqttState(StateError::Deserialization(rumqttc::Error::Io(source)))
            if is_closed(&source) || tls_within(&source).is_some() =>
        {
            io_error(broker, source)
        }
        ConnectionError::MqttState(StateError::Deserialization(error)) => {
            Error::NotMqtt { broker, detail: error.to_string() }
        }
        other => Error::Lost { broker, detail: other.to_string() },
    }
}

fn io_error(broker: String, source: io::Error) -> Error {
    // A broker that wants to see a certificate says so after the handshake (TLS 1.3).
    if let Some(error) = tls_within(&source) {
        return Error::Tls { broker, reason: error.to_string(), remedy: remedy(error) };
    }
    match source.kind() {
        _ if is_closed(&source) => Error::Closed { broker },
        io::ErrorKind::InvalidData => Error::NotMqtt { broker, detail: source.to_string() },
        _ => Error::Unreachable { broker, source },
    }
}

fn tls_within(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref().and_then(|inner| inner.downcast_ref())
}

fn is_closed(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::UnexpectedEof
    )
}

fn tls(broker: String, error: &TlsError) -> Error {
    let inner = match error {
        TlsError::TLS(error) => Some(error),
        TlsError::Io(error) => tls_within(error),
        _ => None,
    };
    let reason = inner.map_or_else(|| error.to_string(), ToString::to_string);
    Error::Tls { broker, reason, remedy: inner.map_or(NO_TLS, remedy) }
}

const NO_TLS: &str = "does the broker speak TLS on this port? 8883 is usual, 1883 is plain";

/// Returns what to do about an error of TLS.
fn remedy(error: &rustls::Error) -> &'static str {
    match error {
        rustls::Error::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        ) => "set [mqtt] ca_file to the PEM file of the authority that signed it",
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "use the name in [mqtt] url that the certificate is made out to",
        rustls::Error::InvalidCertificate(
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. },
        ) => "renew the certificate, and check the clocks of both machines",
        rustls::Error::AlertReceived(
            AlertDescription::CertificateRequired
            | AlertDescription::HandshakeFailure
            | AlertDescription::DecryptError
            | AlertDescription::BadCertificate
            | AlertDescription::UnknownCA
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateUnknown,
        ) => "the broker wants a certificate that it trusts: set [mqtt] client_cert and client_key",
        rustls::Error::InvalidMessage(_) => NO_TLS,
        _ => "check the broker's certificate and TLS settings",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ward::Secret;

    fn config(url: &str) -> Config {
        Config {
            url: Some(url.parse().unwrap()),
            listen: "127.0.0.1:1883".parse().unwrap(),
            username: Some("keng".to_owned()),
            password: Some(Secret::new("hunter2".to_owned())),
            ca_file: None,
            client_cert: None,
            client_key: None,
            keep_alive: Duration::from_secs(15),
            signed_age_max: Duration::from_secs(900),
            reports_per_minute: 30,
        }
    }

    fn try_options(config: &Config) -> Result<MqttOptions, Error> {
        let will = will("keng/p14/status".to_owned(), b"{}");
        options(config, &Id::new("p14").unwrap(), will, INCOMING_BYTES)
    }

    #[test]
    fn the_url_says_where() {
        let made = try_options(&config("mqtt://broker.example")).unwrap();
        assert_eq!(made.broker_address(), ("broker.example".to_owned(), 1883));
        assert_eq!(made.client_id(), "keng-p14");
        assert!(!made.clean_session() && made.manual_acks());
        assert!(matches!(try_options(&config("http://x")), Err(Error::Url { .. })));
    }

    #[test]
    fn messages_carry_no_credentials() {
        let with_login = config("http://keng:hunter2@broker.example");
        let text = try_options(&with_login).unwrap_err().to_string();
        assert!(!text.contains("hunter2"), "{text}");
    }

    #[test]
    fn an_authority_file_is_checked() {
        let folder = tempfile::tempdir().unwrap();
        let ca_file = folder.path().join("ca.pem");
        let mut tls = config("mqtts://broker.example");
        tls.ca_file = Some(ca_file.clone());
        assert!(matches!(try_options(&tls), Err(Error::Authorities { .. })));
        std::fs::write(&ca_file, "no certificate").unwrap();
        assert!(matches!(try_options(&tls), Err(Error::Authorities { .. })));
    }
}
