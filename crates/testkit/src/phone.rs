//! A browser's side of Web Push, written after the RFCs and with another curve than the daemon's:
//! what it reads, a browser reads.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::Hmac;
use hmac::KeyInit as _;
use hmac::Mac as _;
use p256::PublicKey;
use p256::SecretKey;
use p256::ecdh::diffie_hellman;
use p256::elliptic_curve::sec1::ToSec1Point as _;
use ring::aead;
use serde_json::Value;
use sha2::Sha256;

use crate::receiver::Got;

/// One browser that has subscribed.
pub struct Phone {
    private: SecretKey,
    auth: Vec<u8>,
    pub endpoint: String,
}

fn bytes(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

impl Phone {
    /// With keys made of `seed`.
    pub fn new(seed: u8, endpoint: String) -> Self {
        let private = SecretKey::from_slice(&[seed; 32]).unwrap();
        Self { private, auth: vec![seed; 16], endpoint }
    }

    pub fn p256dh(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.public())
    }

    pub fn auth(&self) -> String {
        URL_SAFE_NO_PAD.encode(&self.auth)
    }

    fn public(&self) -> Vec<u8> {
        self.private.public_key().to_sec1_point(false).as_bytes().to_vec()
    }

    /// Returns what a message says; none: it is not for this browser.
    fn open(&self, body: &[u8]) -> Option<Vec<u8>> {
        let (salt, rest) = body.split_at_checked(16)?;
        let (size, rest) = rest.split_at_checked(4)?;
        assert!(body.len() <= u32::from_be_bytes(size.try_into().unwrap()) as usize);
        let (length, rest) = rest.split_first()?;
        let (sender, sealed) = rest.split_at_checked(usize::from(*length))?;
        let peer = PublicKey::from_sec1_bytes(sender).ok()?;
        let secret = diffie_hellman(self.private.to_nonzero_scalar(), peer.as_affine());
        let info = [&b"WebPush: info\0"[..], &self.public(), sender].concat();
        let shared =
            hmac(&hmac(&self.auth, secret.raw_secret_bytes()), &[&info[..], &[1]].concat());
        let key = hmac(salt, &shared);
        let content = hmac(&key, b"Content-Encoding: aes128gcm\0\x01");
        let nonce = hmac(&key, b"Content-Encoding: nonce\0\x01");
        let content = aead::UnboundKey::new(&aead::AES_128_GCM, &content[..16]).unwrap();
        let nonce = aead::Nonce::try_assume_unique_for_key(&nonce[..12]).unwrap();
        let mut text = sealed.to_vec();
        let content = aead::LessSafeKey::new(content);
        let text = content.open_in_place(nonce, aead::Aad::empty(), &mut text).ok()?;
        let end = text.iter().rposition(|byte| *byte != 0)?;
        assert_eq!(text[end], 2, "the last record ends with a two");
        Some(text[..end].to_vec())
    }

    /// Returns what was sent to it.
    pub fn told(&self, all: &[Got]) -> Vec<Value> {
        self.texts(all).iter().map(|text| serde_json::from_str(text).unwrap()).collect()
    }

    /// The same, as it came.
    pub fn texts(&self, all: &[Got]) -> Vec<String> {
        let mine = all.iter().filter(|got| self.endpoint.ends_with(&got.path));
        mine.map(|got| String::from_utf8(self.open(&got.body).unwrap()).unwrap()).collect()
    }

    /// Tells whether it can read what was sent to somebody else.
    pub fn reads(&self, got: &Got) -> bool {
        self.open(&got.body).is_some()
    }
}

fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

/// The claims of a VAPID header, its signature checked against the key that browsers were given.
pub fn claims(got: &Got, key: &str) -> Value {
    let header = got.header("authorization");
    let (token, k) = header.strip_prefix("vapid t=").unwrap().split_once(", k=").unwrap();
    assert_eq!(k, key);
    let (text, signature) = token.rsplit_once('.').unwrap();
    let public = ring::signature::UnparsedPublicKey::new(
        &ring::signature::ECDSA_P256_SHA256_FIXED,
        bytes(key),
    );
    public.verify(text.as_bytes(), &bytes(signature)).unwrap();
    serde_json::from_slice(&bytes(text.split_once('.').unwrap().1)).unwrap()
}

/// RFC 8291, section 5: what is read here is what the RFC says.
#[test]
fn the_rfcs_message_is_read() {
    let phone = Phone {
        private: SecretKey::from_slice(&bytes("q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"))
            .unwrap(),
        auth: bytes("BTBZMqHH6r4Tts7J_aSIgg"),
        endpoint: String::new(),
    };
    let sent = bytes(
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWA\
         mS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxs\
         j_Qulcy4a-fN",
    );
    assert_eq!(phone.open(&sent).unwrap(), b"When I grow up, I want to be a watermelon");
    assert!(Phone::new(7, String::new()).open(&sent).is_none(), "and by nobody else");
}
