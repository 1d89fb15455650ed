//! Passwords: Argon2id with the parameters that OWASP recommends (19 MiB, 2 passes, 1 lane).

use argon2::Argon2;
use argon2::password_hash::PasswordHash;
use argon2::password_hash::PasswordHasher;
use argon2::password_hash::PasswordVerifier;
use argon2::password_hash::SaltString;

use super::random::random;
use crate::ward::Secret;

/// Shorter ones are guessed.
const CHARS_MIN: usize = 10;
/// Longer ones only cost time.
const BYTES_MAX: usize = 256;

/// The reason why a password can't be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Too short or too long.
    #[error("a password has at least {CHARS_MIN} characters and at most {BYTES_MAX} bytes")]
    Length,
    /// Everybody would guess it.
    #[error("a password is not the user's name, and not one character again and again")]
    Guessable,
    /// The system gives no randomness.
    #[error("the system gives no randomness")]
    Random,
}

/// Returns what is kept of a password: its PHC string. Takes some 20 ms and 19 MiB.
///
/// # Errors
/// [`Unfit`] where it should not be one.
pub fn hash(name: &str, password: &Secret) -> Result<String, Unfit> {
    let text = password.reveal();
    if text.chars().count() < CHARS_MIN || text.len() > BYTES_MAX {
        return Err(Unfit::Length);
    }
    let first = text.chars().next();
    if text.eq_ignore_ascii_case(name) || text.chars().all(|c| Some(c) == first) {
        return Err(Unfit::Guessable);
    }
    hash_of(text)
}

/// A hash that no password has, to be tried where there is no user, so that it takes as long.
///
/// # Errors
/// [`Unfit::Random`].
pub(super) fn nobodys() -> Result<String, Unfit> {
    hash_of(&super::hex::hex(&random::<32>().map_err(|_| Unfit::Random)?))
}

fn hash_of(text: &str) -> Result<String, Unfit> {
    let salt = random::<16>().map_err(|_| Unfit::Random)?;
    let salt = SaltString::encode_b64(&salt).map_err(|_| Unfit::Random)?;
    let hashed = Argon2::default().hash_password(text.as_bytes(), &salt);
    hashed.map(|hash| hash.to_string()).map_err(|_| Unfit::Length)
}

/// Tells whether `hash` can be one of ours: an Argon2 PHC string.
pub(super) fn is_hash(hash: &str) -> bool {
    PasswordHash::new(hash).is_ok_and(|hash| hash.algorithm.as_str() == "argon2id")
}

/// Tells whether it is the password of this hash. Takes as long as [`hash`], whatever it answers.
pub(super) fn verify(password: &Secret, hash: &str) -> bool {
    let text = password.reveal().as_bytes();
    let text = &text[..text.len().min(BYTES_MAX)];
    PasswordHash::new(hash).is_ok_and(|hash| Argon2::default().verify_password(text, &hash).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    #[test]
    fn a_password_is_known_by_its_hash_alone() {
        let first = hash("ba", &secret("mưa rơi trên phố")).unwrap();
        let second = hash("ba", &secret("mưa rơi trên phố")).unwrap();
        assert!(first.starts_with("$argon2id$v=19$m=19456,t=2,p=1$") && is_hash(&first));
        assert_ne!(first, second, "salted");
        assert!(verify(&secret("mưa rơi trên phố"), &first));
        assert!(!verify(&secret("mưa rơi trên phố "), &first));
        assert!(!verify(&secret("mưa rơi trên phố"), &nobodys().unwrap()));
    }

    #[test]
    fn what_would_be_guessed_is_refused() {
        for (text, why) in [
            ("short", Unfit::Length),
            ("aaaaaaaaaaaa", Unfit::Guessable),
            ("Nguyen.Van.Ba", Unfit::Guessable),
            (&"x1".repeat(200), Unfit::Length),
        ] {
            assert_eq!(hash("nguyen.van.ba", &secret(text)), Err(why), "{text}");
        }
        assert!(!is_hash("hunter2hunter2"));
    }
}
