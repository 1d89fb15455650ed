//! The sender's signature: RFC 8292 (Voluntary Application Server Identification, VAPID). A push
//! service takes a message only from the server that the browser has subscribed to.

use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::ECDSA_P256_SHA256_FIXED_SIGNING;
use ring::signature::EcdsaKeyPair;
use ring::signature::KeyPair as _;
use serde_json::json;

use super::error::Error;
use crate::access::Folder;
use crate::time::Wall;

/// Beside users and sessions.
const FILE: &str = "vapid.key";
/// A token holds for as long; services refuse those of more than a day.
const HOLDS: Duration = Duration::from_secs(12 * 3_600);

/// This installation's own key.
pub(super) struct Vapid {
    pair: EcdsaKeyPair,
    contact: String,
    random: SystemRandom,
}

impl Vapid {
    /// Of the store at `store`, made where there is none yet. `contact`: whom a service may write
    /// to.
    ///
    /// # Errors
    /// The file system's, or [`Error::Key`] where the file is no key.
    pub(super) fn open(store: &Path, contact: &str) -> Result<Self, Error> {
        let folder = Folder::make(store)?;
        let _alone = folder.lock()?;
        let random = SystemRandom::new();
        let kept = folder.read(FILE)?;
        let bytes = match &kept {
            Some(text) => URL_SAFE_NO_PAD.decode(text.trim()).map_err(|_| Error::Key)?,
            None => {
                let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random);
                made.map_err(|_| Error::Key)?.as_ref().to_vec()
            }
        };
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &bytes, &random);
        let pair = pair.map_err(|_| Error::Key)?;
        if kept.is_none() {
            folder.write(FILE, &URL_SAFE_NO_PAD.encode(&bytes))?;
        }
        Ok(Self { pair, contact: contact.to_owned(), random })
    }

    /// Returns the public key that browsers subscribe to, in the form in which they take it.
    pub(super) fn public(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.pair.public_key().as_ref())
    }

    /// The `Authorization` of a message to the service at `origin`; none: the system gives no
    /// randomness.
    pub(super) fn authorization(&self, origin: &str, now: Wall) -> Option<String> {
        let until = (now + HOLDS).as_millis().div_euclid(1_000);
        let head = URL_SAFE_NO_PAD.encode(r#"{"typ":"JWT","alg":"ES256"}"#);
        let claims = json!({ "aud": origin, "exp": until, "sub": self.contact });
        let text = format!("{head}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
        let signature = self.pair.sign(&self.random, text.as_bytes()).ok()?;
        let signature = URL_SAFE_NO_PAD.encode(signature.as_ref());
        Some(format!("vapid t={text}.{signature}, k={}", self.public()))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use ring::signature::ECDSA_P256_SHA256_FIXED;
    use ring::signature::UnparsedPublicKey;
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_token_says_who_to_whom_and_until_when_and_is_signed() {
        let store = tempfile::tempdir().unwrap();
        let vapid = Vapid::open(store.path(), "mailto:a@b.example").unwrap();
        let told = vapid.authorization("https://push.example", Wall(5_000_000)).unwrap();
        let (token, key) = told.strip_prefix("vapid t=").unwrap().split_once(", k=").unwrap();
        assert_eq!(key, vapid.public());
        let (text, signature) = token.rsplit_once('.').unwrap();
        let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, bytes(key));
        public.verify(text.as_bytes(), &bytes(signature)).unwrap();
        let claims: Value =
            serde_json::from_slice(&bytes(text.split_once('.').unwrap().1)).unwrap();
        let expected = json!({
            "aud": "https://push.example", "exp": 5 + 43_200, "sub": "mailto:a@b.example",
        });
        assert_eq!(claims, expected);
    }

    #[test]
    fn the_key_is_made_once_and_nobody_else_may_read_it() {
        let store = tempfile::tempdir().unwrap();
        let first = Vapid::open(store.path(), "mailto:a@b.example").unwrap().public();
        let again = Vapid::open(store.path(), "mailto:a@b.example").unwrap().public();
        assert_eq!(first, again);
        let file = store.path().join("access").join(FILE);
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::write(&file, "damage").unwrap();
        let error = Vapid::open(store.path(), "mailto:a@b.example").err().unwrap();
        assert!(error.to_string().contains("vapid.key"), "{error}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "damage", "nothing is thrown away");
    }
}
