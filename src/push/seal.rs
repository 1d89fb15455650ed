//! A message that only the browser reads: RFC 8291 (Message Encryption for Web Push), which is
//! RFC 8188 (aes128gcm) with a key agreed upon over P-256.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::Hmac;
use hmac::KeyInit as _;
use hmac::Mac as _;
use ring::aead;
use ring::agreement;
use ring::rand::SecureRandom as _;
use ring::rand::SystemRandom;
use sha2::Sha256;

/// An uncompressed point of P-256.
const POINT_BYTES: usize = 65;
const AUTH_BYTES: usize = 16;
const SALT_BYTES: usize = 16;
/// One record holds a whole message; push services take no larger one.
const RECORD_BYTES: u32 = 4096;
/// The size of a record beside the message: the header's salt, size, key and its length, the tag,
/// and the byte that ends the message.
const OVERHEAD: usize = SALT_BYTES + 4 + 1 + POINT_BYTES + 16 + 1;
/// Messages are filled up to multiples, so that their length tells nothing.
const STEP: usize = 1024;

/// The keys that a browser gives with a subscription: `p256dh` and `auth`.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Keys {
    point: [u8; POINT_BYTES],
    auth: [u8; AUTH_BYTES],
}

/// The reason why there is no message.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The key is no point of the curve.
    #[error("p256dh is no public key of P-256")]
    Point,
    /// The message is longer than a push service takes.
    #[error("{0} bytes are too long for a push message")]
    Long(usize),
    /// The system gives no randomness.
    #[error("the system gives no randomness")]
    Random,
}

impl Keys {
    /// From base64url, with or without padding; none where that is not what browsers give.
    pub(super) fn parse(p256dh: &str, auth: &str) -> Option<Self> {
        let point: [u8; POINT_BYTES] = decoded(p256dh)?.try_into().ok()?;
        let auth = decoded(auth)?.try_into().ok()?;
        (point[0] == 4).then_some(Self { point, auth })
    }

    /// As [`Keys::parse`] takes them.
    pub(super) fn render(&self) -> (String, String) {
        (URL_SAFE_NO_PAD.encode(self.point), URL_SAFE_NO_PAD.encode(self.auth))
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys(***)")
    }
}

/// Bytes of base64url.
fn decoded(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()
}

/// Encrypts `message` for whoever has the private half of `keys`.
///
/// # Errors
/// [`Error`].
pub(super) fn seal(message: &[u8], keys: &Keys) -> Result<Vec<u8>, Error> {
    let random = SystemRandom::new();
    let private = agreement::EphemeralPrivateKey::generate(&agreement::ECDH_P256, &random)
        .map_err(|_| Error::Random)?;
    let public = private.compute_public_key().map_err(|_| Error::Random)?;
    let public: [u8; POINT_BYTES] = public.as_ref().try_into().map_err(|_| Error::Point)?;
    let mut salt = [0; SALT_BYTES];
    random.fill(&mut salt).map_err(|_| Error::Random)?;
    let length = message.len() + 1;
    let room = RECORD_BYTES as usize - OVERHEAD + 1;
    if length > room {
        return Err(Error::Long(message.len()));
    }
    let mut padded = message.to_vec();
    padded.push(2);
    padded.resize(length.next_multiple_of(STEP).min(room), 0);
    let peer = agreement::UnparsedPublicKey::new(&agreement::ECDH_P256, keys.point);
    let sealed = agreement::agree_ephemeral(private, &peer, |secret| {
        record(padded, &Agreed { secret, keys, public: &public, salt: &salt })
    });
    sealed.map_err(|_| Error::Point)
}

/// The secrets that both sides know of one message.
struct Agreed<'a> {
    /// Of the key agreement.
    secret: &'a [u8],
    keys: &'a Keys,
    /// The sender's key of this message.
    public: &'a [u8; POINT_BYTES],
    salt: &'a [u8; SALT_BYTES],
}

/// Header and the one record (RFC 8291, section 3.4; RFC 8188, section 2).
fn record(mut text: Vec<u8>, agreed: &Agreed<'_>) -> Vec<u8> {
    let Agreed { secret, keys, public, salt } = agreed;
    let info = [&b"WebPush: info\0"[..], &keys.point, &public[..]].concat();
    let shared = expand(&extract(&keys.auth, secret), &info);
    let key = extract(&salt[..], &shared);
    let content = expand(&key, b"Content-Encoding: aes128gcm\0");
    let nonce = expand(&key, b"Content-Encoding: nonce\0");
    let content = aead::UnboundKey::new(&aead::AES_128_GCM, &content[..16]);
    let content = aead::LessSafeKey::new(content.expect("16 bytes are a key of AES-128"));
    let nonce = aead::Nonce::try_assume_unique_for_key(&nonce[..12]);
    let nonce = nonce.expect("12 bytes are a nonce");
    let sealed = content.seal_in_place_append_tag(nonce, aead::Aad::empty(), &mut text);
    sealed.expect("a few kilobytes are less than AES-GCM takes");
    let size = RECORD_BYTES.to_be_bytes();
    let length = [u8::try_from(POINT_BYTES).expect("65 fits")];
    [&salt[..], &size, &length, &public[..], &text].concat()
}

/// HKDF-Extract with SHA-256 (RFC 5869).
fn extract(salt: &[u8], input: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(salt).expect("HMAC takes keys of any length");
    mac.update(input);
    mac.finalize().into_bytes().into()
}

/// HKDF-Expand with SHA-256, its first block: nothing here is longer.
fn expand(key: &[u8; 32], info: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(info);
    mac.update(&[1]);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const POINT: &str = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZG\
                         H6SRpkNtoIAiw4";
    const AUTH: &str = "BTBZMqHH6r4Tts7J_aSIgg";

    /// RFC 8291, section 5 and appendix A.
    #[test]
    fn the_rfcs_example_comes_out_byte_for_byte() {
        let keys = Keys::parse(POINT, AUTH).unwrap();
        let secret = decoded("kyrL1jIIOHEzg3sM2ZWRHDRB62YACZhhSlknJ672kSs").unwrap();
        let public = "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6\
                      PBru3jl7A8";
        let public: [u8; 65] = decoded(public).unwrap().try_into().unwrap();
        let salt: [u8; 16] = decoded("DGv6ra1nlYgDCS1FRnbzlw").unwrap().try_into().unwrap();
        let mut text = b"When I grow up, I want to be a watermelon".to_vec();
        text.push(2);
        let agreed = Agreed { secret: &secret, keys: &keys, public: &public, salt: &salt };
        let expected = "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZI\
                        IgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXz\
                        tLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN";
        assert_eq!(URL_SAFE_NO_PAD.encode(record(text, &agreed)), expected);
    }

    #[test]
    fn lengths_tell_nothing_and_too_long_is_refused() {
        let keys = Keys::parse(POINT, AUTH).unwrap();
        let sealed = |length: usize| seal(&vec![b'x'; length], &keys);
        assert_eq!(sealed(1).unwrap().len(), sealed(900).unwrap().len());
        assert_eq!(sealed(3_993).unwrap().len(), 4_096, "what every service takes");
        assert!(matches!(sealed(3_994), Err(Error::Long(3_994))));
        assert_ne!(sealed(1).unwrap(), sealed(1).unwrap(), "a key of its own each time");
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let padded = format!("{AUTH}==");
        let keys = Keys::parse(POINT, &padded).unwrap();
        assert_eq!(Keys::parse(POINT, AUTH).as_ref(), Some(&keys));
        let (point, auth) = keys.render();
        assert_eq!((point.as_str(), auth.as_str()), (POINT, AUTH));
        for (point, auth) in [("", AUTH), (POINT, ""), (AUTH, POINT), (POINT, "ê"), ("?", "?")] {
            assert!(Keys::parse(point, auth).is_none(), "{point} {auth}");
        }
        let mut off = decoded(POINT).unwrap();
        off[64] ^= 1;
        let off = Keys::parse(&URL_SAFE_NO_PAD.encode(off), AUTH).unwrap();
        assert!(matches!(seal(b"x", &off), Err(Error::Point)), "not on the curve");
        assert_eq!(format!("{keys:?}"), "Keys(***)");
    }
}
