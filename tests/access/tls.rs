//! The page over TLS, behind a proxy, and where it is not served at all.

use std::path::PathBuf;
use std::sync::Arc;

use keng::access::Access;
use keng::time::Clock;
use keng::time::ManualClock;
use keng::web::Config;
use keng::web::Error;
use keng::web::Server;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject as _;
use serde_json::json;
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::house::Answer;
use crate::house::House;
use crate::house::PASSWORD;
use crate::house::add_users;

fn certificate(folder: &TempDir) -> (PathBuf, PathBuf) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (folder.path().join("page.pem"), folder.path().join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    (certificate, key)
}

async fn over_tls(house: &House, certificate: &PathBuf, request: &str) -> Answer {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certificate).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(house.address).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = connector.connect(name, stream).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    Answer::parse(&answer)
}

fn credentials(origin: &str, more: &str) -> String {
    let password: String = PASSWORD.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let body = format!("name=police&password={password}");
    format!(
        "POST /sign-in HTTP/1.1\r\nHost: localhost\r\nOrigin: {origin}\r\n{more}Connection: \
         close\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: \
         {}\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn over_tls_a_cookie_is_bound_to_it() {
    let folder = tempfile::tempdir().unwrap();
    add_users(folder.path());
    let (certificate, key) = certificate(&folder);
    let tls = Some((certificate.clone(), key));
    let listen = Config { tls, ..Config::new(([0, 0, 0, 0], 0).into()) };
    let mut house = House::at(folder, listen).await;
    house.address.set_ip([127, 0, 0, 1].into());
    let request = credentials("https://localhost", "");
    let answer = over_tls(&house, &certificate, &request).await;
    assert_eq!(answer.status, 303, "{answer:?}");
    let cookie = answer.header("set-cookie").unwrap();
    assert!(cookie.starts_with("__Host-keng=") && cookie.ends_with("; Secure"), "{cookie}");
    assert!(answer.header("strict-transport-security").is_some());
    let cookie = cookie.split(';').next().unwrap();
    let request = format!(
        "GET /api/me HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n"
    );
    let me = over_tls(&house, &certificate, &request).await.json();
    assert_eq!(me["login"], "police");
    let plain = over_tls(&house, &certificate, &credentials("http://localhost", "")).await;
    assert_eq!(plain.status, 403, "a page without TLS is another one");
    let clear = house.raw(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert_eq!(clear.status, 0, "nothing is said in clear");
}

#[tokio::test]
async fn a_trusted_proxy_is_believed_about_tls_and_addresses() {
    let folder = tempfile::tempdir().unwrap();
    add_users(folder.path());
    let behind = Config { behind_proxy: true, ..Config::new(([127, 0, 0, 1], 0).into()) };
    let house = House::at(folder, behind).await;
    let forwarded = "X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: https\r\n\
                     X-Forwarded-Host: kenh.example\r\n";
    let request = credentials("https://kenh.example", forwarded);
    let answer = house.raw(request.as_bytes()).await;
    assert_eq!(answer.status, 303, "{answer:?}");
    assert!(answer.header("set-cookie").unwrap().starts_with("__Host-keng="));
    let clear = "X-Forwarded-For: 203.0.113.9\r\n";
    let request = credentials("http://localhost", clear);
    assert_eq!(house.raw(request.as_bytes()).await.status, 403, "no password without TLS");
    house.audit.flush().await;
    let written = keng::audit::last(house.folder.path(), 1).unwrap();
    assert_eq!(written[0].detail, "from 203.0.113.9");
    let metrics = house.send("GET /metrics", forwarded, "").await;
    assert_eq!(metrics.status, 401, "a proxy's clients are not this machine");
}

#[tokio::test]
async fn others_are_served_with_users_and_sealed_alone() {
    let folder = tempfile::tempdir().unwrap();
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::default());
    let (certificate, key) = certificate(&folder);
    let bind = async |config: Config| {
        let access = Access::open(folder.path(), clock.clone()).unwrap();
        Server::bind(&config, &access, &clock).await.err()
    };
    let everywhere = Config::new(([0, 0, 0, 0], 0).into());
    let here = Config::new(([127, 0, 0, 1], 0).into());
    let tls = |key| Some((certificate.clone(), key));
    assert!(matches!(bind(everywhere.clone()).await, Some(Error::Open(_))));
    let sealed = Config { tls: tls(key.clone()), ..everywhere };
    assert!(matches!(bind(sealed.clone()).await, Some(Error::NoUsers(_))));
    let behind = Config { behind_proxy: true, ..here.clone() };
    assert!(matches!(bind(behind.clone()).await, Some(Error::NoUsers(_))));
    assert!(bind(here.clone()).await.is_none());
    add_users(folder.path());
    assert!(bind(sealed).await.is_none() && bind(behind).await.is_none());
    let wrong = Config { tls: tls(certificate.clone()), ..here };
    let error = bind(wrong).await.unwrap();
    assert!(error.to_string().contains("page.pem"), "{error}");
    assert_eq!(json!(error.to_string().contains("PRIVATE KEY-----")), json!(false));
}
