//! Checks who may watch: Digest with MD5 (RFC 2069, and RFC 2617 with `qop=auth`) and Basic. Pure.
//!
//! MD5 and Basic are weak; they are what cameras speak, and this server plays a camera.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::Digest as _;
use md5::Md5;

use crate::time::Mono;
use crate::ward::Secret;

/// The name by which the camera asks for a password.
const REALM: &str = "keng";
/// After this long a nonce is stale: the client is asked again, with a new one.
const NONCE_LIFETIME_S: f64 = 300.0;

/// The scheme by which a password is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Scheme {
    /// Digest as most cameras ask for it: RFC 2069, without `qop`.
    #[default]
    Digest,
    /// Digest with `qop=auth`, RFC 2617.
    DigestQop,
    /// The password in clear.
    Basic,
}

/// The name and password that are let in.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The user.
    pub username: String,
    /// The password.
    pub password: Secret,
    /// The scheme by which the password is asked for.
    pub scheme: Scheme,
}

/// The result of checking a request's authorization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AuthResult {
    /// Right user, right password.
    Granted,
    /// None given, or wrong.
    Denied,
    /// Right but for a nonce that is too old, or another server's.
    Stale,
}

/// Asks for credentials and checks them.
#[derive(Clone, Debug)]
pub(super) struct Guard {
    credentials: Credentials,
    /// Known to this server alone, so that a nonce need not be remembered to be recognised.
    key: u128,
}

impl Guard {
    /// `key` is drawn at random for each server.
    pub(super) fn new(credentials: Credentials, key: u128) -> Self {
        Self { credentials, key }
    }

    /// The value of `WWW-Authenticate`.
    pub(super) fn challenge(&self, now: Mono, stale: bool) -> String {
        let (scheme, qop) = match self.credentials.scheme {
            Scheme::Basic => return format!("Basic realm=\"{REALM}\""),
            Scheme::Digest => ("Digest", ""),
            Scheme::DigestQop => ("Digest", ", qop=\"auth\""),
        };
        let stale = if stale { ", stale=true" } else { "" };
        let nonce = self.nonce(now);
        format!("{scheme} realm=\"{REALM}\", nonce=\"{nonce}\", algorithm=MD5{qop}{stale}")
    }

    /// Judges the value of `Authorization` of a request with this method.
    pub(super) fn check(&self, method: &str, authorization: Option<&str>, now: Mono) -> AuthResult {
        let Some((scheme, rest)) = authorization.and_then(|value| value.trim().split_once(' '))
        else {
            return AuthResult::Denied;
        };
        let digest = self.credentials.scheme != Scheme::Basic;
        if digest && scheme.eq_ignore_ascii_case("Digest") {
            self.check_digest(method, &parameters(rest), now)
        } else if !digest && scheme.eq_ignore_ascii_case("Basic") {
            let Credentials { username, password, .. } = &self.credentials;
            let expected = STANDARD.encode(format!("{username}:{}", password.reveal()));
            verdict(same(&expected, rest.trim()))
        } else {
            AuthResult::Denied
        }
    }

    fn check_digest(&self, method: &str, given: &[(String, String)], now: Mono) -> AuthResult {
        let get = |name: &str| {
            given.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
        };
        let (Some(username), Some(realm), Some(nonce), Some(uri), Some(response)) =
            (get("username"), get("realm"), get("nonce"), get("uri"), get("response"))
        else {
            return AuthResult::Denied;
        };
        let quality = match (self.credentials.scheme, get("qop"), get("nc"), get("cnonce")) {
            (_, None, _, _) => None,
            (Scheme::DigestQop, Some("auth"), Some(count), Some(client)) => Some((count, client)),
            _ => return AuthResult::Denied,
        };
        let password = &self.credentials.password;
        let expected =
            DigestProof { username, realm, nonce, uri, quality }.response(method, password);
        let known = username == self.credentials.username && realm == REALM;
        match known && same(&expected, response) {
            false => AuthResult::Denied,
            true if self.is_fresh(nonce, now) => AuthResult::Granted,
            true => AuthResult::Stale,
        }
    }

    /// Makes a nonce: the time at which it was made, and a proof that it was made here.
    fn nonce(&self, now: Mono) -> String {
        format!("{:016x}{}", now.0, hex_md5(&format!("{}:{:032x}", now.0, self.key)))
    }

    fn is_fresh(&self, nonce: &str, now: Mono) -> bool {
        let made = nonce.get(..16).and_then(|hex| u64::from_str_radix(hex, 16).ok()).map(Mono);
        made.is_some_and(|made| {
            same(&self.nonce(made), nonce)
                && made <= now
                && now.seconds_since(made) < NONCE_LIFETIME_S
        })
    }
}

/// The values by which a Digest response proves that its sender knows the password.
struct DigestProof<'a> {
    username: &'a str,
    realm: &'a str,
    nonce: &'a str,
    uri: &'a str,
    /// `nc` and `cnonce`, where `qop=auth`.
    quality: Option<(&'a str, &'a str)>,
}

impl DigestProof<'_> {
    fn response(&self, method: &str, password: &Secret) -> String {
        let Self { username, realm, nonce, uri, quality } = *self;
        let who = hex_md5(&format!("{username}:{realm}:{}", password.reveal()));
        let what = hex_md5(&format!("{method}:{uri}"));
        match quality {
            None => hex_md5(&format!("{who}:{nonce}:{what}")),
            Some((count, client)) => {
                hex_md5(&format!("{who}:{nonce}:{count}:{client}:auth:{what}"))
            }
        }
    }
}

fn verdict(granted: bool) -> AuthResult {
    if granted { AuthResult::Granted } else { AuthResult::Denied }
}

/// Takes as long for a near miss as for a far one.
fn same(left: &str, right: &str) -> bool {
    left.len() == right.len()
        && left.bytes().zip(right.bytes()).fold(0, |all, (a, b)| all | (a ^ b)) == 0
}

fn hex_md5(text: &str) -> String {
    Md5::digest(text.as_bytes()).iter().fold(String::with_capacity(32), |mut hex, byte| {
        let _infallible = write!(hex, "{byte:02x}");
        hex
    })
}

/// `key=value` and `key="value"`, separated by commas; a comma may stand between quotes.
fn parameters(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((key, after)) = rest.split_once('=') {
        let key = key.trim_matches(|c: char| c == ',' || c.is_whitespace());
        let (value, next) = match after.trim_start().strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => after.split_once(',').unwrap_or((after, "")),
        };
        found.push((key.to_owned(), value.trim().to_owned()));
        rest = next;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn guard(scheme: Scheme) -> Guard {
        let password = Secret::new("s3cret, indeed".to_owned());
        Guard::new(Credentials { username: "viewer".to_owned(), password, scheme }, 7)
    }

    fn answer(challenge: &str, password: &str, quality: Option<(&str, &str)>) -> String {
        let asked = parameters(challenge.strip_prefix("Digest ").unwrap());
        let nonce = &asked.iter().find(|(key, _)| key == "nonce").unwrap().1;
        let (username, realm, uri) = ("viewer", REALM, "rtsp://a/b");
        let proof = DigestProof { username, realm, nonce, uri, quality };
        let response = proof.response("DESCRIBE", &Secret::new(password.to_owned()));
        let quality = quality.map_or(String::new(), |(count, client)| {
            format!(", qop=auth, nc={count}, cnonce=\"{client}\"")
        });
        format!(
            "Digest username=\"{username}\", realm=\"{realm}\", nonce=\"{nonce}\", \
             uri=\"{uri}\", response=\"{response}\"{quality}"
        )
    }

    #[test]
    fn digest_matches_the_rfc_examples() {
        let mut proof = DigestProof {
            username: "Mufasa",
            realm: "testrealm@host.com",
            nonce: "dcd98b7102dd2f0e8b11d0f600bfb0c093",
            uri: "/dir/index.html",
            quality: Some(("00000001", "0a4f113b")),
        };
        let of = |proof: &DigestProof<'_>, password: &str| {
            proof.response("GET", &Secret::new(password.to_owned()))
        };
        assert_eq!(of(&proof, "Circle Of Life"), "6629fae49393a05397450978507c4ef1");
        // RFC 2069's own example has a wrong response; this is its erratum's.
        proof.quality = None;
        assert_eq!(of(&proof, "CircleOfLife"), "1949323746fe6a43ef61f9606e7febea");
    }

    #[test]
    fn digest_accepts_the_right_password() {
        for (scheme, quality) in
            [(Scheme::Digest, None), (Scheme::DigestQop, Some(("00000001", "abc")))]
        {
            let guard = guard(scheme);
            let challenge = guard.challenge(Mono(5), false);
            let check = |value: &str, at| guard.check("DESCRIBE", Some(value), Mono(at));
            let right = answer(&challenge, "s3cret, indeed", quality);
            assert_eq!(check(&right, 6), AuthResult::Granted);
            assert_eq!(check(&right, 301_000_000), AuthResult::Stale);
            assert_eq!(check(&answer(&challenge, "guess", quality), 6), AuthResult::Denied);
            assert_eq!(guard.check("PLAY", Some(&right), Mono(6)), AuthResult::Denied);
            assert_eq!(guard.check("DESCRIBE", None, Mono(6)), AuthResult::Denied);
        }
    }

    #[test]
    fn another_servers_nonce_is_stale() {
        let other = Guard { key: 8, ..guard(Scheme::Digest) };
        let value = answer(&other.challenge(Mono(5), false), "s3cret, indeed", None);
        let verdict = guard(Scheme::Digest).check("DESCRIBE", Some(&value), Mono(6));
        assert_eq!(verdict, AuthResult::Stale);
    }

    #[test]
    fn basic_checks_user_and_password() {
        let guard = guard(Scheme::Basic);
        let value = format!("Basic {}", STANDARD.encode(b"viewer:s3cret, indeed"));
        assert_eq!(guard.check("DESCRIBE", Some(&value), Mono(0)), AuthResult::Granted);
        let value = format!("Basic {}", STANDARD.encode(b"viewer:other"));
        assert_eq!(guard.check("DESCRIBE", Some(&value), Mono(0)), AuthResult::Denied);
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic(value in "(Digest |Basic )?[ -~é]{0,80}") {
            let verdict = guard(Scheme::Digest).check("PLAY", Some(&value), Mono(0));
            prop_assert_eq!(verdict, AuthResult::Denied);
        }

        #[test]
        fn no_nonce_makes_it_panic(nonce in ".{0,60}") {
            prop_assert!(!guard(Scheme::Digest).is_fresh(&nonce, Mono(0)));
        }
    }
}
