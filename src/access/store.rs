//! Users, sessions and keys of one store, as the daemon uses them.

use std::net::IpAddr;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use hmac::Hmac;
use hmac::KeyInit;
use hmac::Mac;
use sha2::Sha256;

use super::error::Error;
use super::folder;
use super::folder::FileStamp;
use super::folder::Folder;
use super::hex::hex;
use super::hex::unhex;
use super::limit::Limits;
use super::password;
use super::random::random;
use super::session::Sessions;
use super::users;
use super::users::Users;
use super::viewer::Viewer;
use crate::time::Clock;
use crate::time::Mono;
use crate::ward::Secret;

/// The interval at which it is checked whether the file of users has changed.
const LOOK: Duration = Duration::from_secs(1);
/// Of an address that nobody guesses, bytes.
const MAC_BYTES: usize = 16;
const KEY_BYTES: usize = 32;

/// Users, sessions and keys. Clones share them.
#[derive(Clone)]
pub struct Access {
    shared: Arc<Shared>,
}

struct Shared {
    store: PathBuf,
    folder: Folder,
    key: [u8; KEY_BYTES],
    /// Tried where there is no such user.
    nobody: String,
    /// The token of whoever sits at this machine while there are no users.
    local_token: String,
    clock: Arc<dyn Clock>,
    inner: Mutex<Inner>,
    /// One writes the sessions at a time.
    saving: Mutex<()>,
}

struct Inner {
    users: Users,
    stamp: Option<FileStamp>,
    looked: Mono,
    sessions: Sessions,
    limits: Limits,
}

/// The reason why somebody is not signed in.
#[derive(Debug, thiserror::Error)]
pub enum SignInRefused {
    /// No such user, or another password: nobody is told which.
    #[error("the name or the password is wrong")]
    Wrong,
    /// It was tried too often.
    #[error("too many attempts; try again in {} s", .0.as_secs() + 1)]
    TooOften(Duration),
    /// Not their fault.
    #[error(transparent)]
    Failed(#[from] Error),
}

impl Access {
    /// Of the store at `store`; the key is made where there is none yet. Blocks on the disk.
    ///
    /// # Errors
    /// [`Error`], also where the file of users does not check out.
    pub fn open(store: &Path, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let folder = Folder::make(store)?;
        let key = key(&folder)?;
        let stamp = folder.stamp(folder::USERS);
        let users = users::load(store)?;
        let sessions = folder.read(folder::SESSIONS)?.map(|text| Sessions::parse(&text));
        let inner = Inner {
            users,
            stamp,
            looked: clock.now().mono,
            sessions: sessions.unwrap_or_default(),
            limits: Limits::default(),
        };
        let shared = Shared {
            store: store.to_owned(),
            folder,
            key,
            nobody: password::nobodys()?,
            local_token: hex(&random::<32>()?),
            clock,
            inner: Mutex::new(inner),
            saving: Mutex::default(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Tells whether there are users: then everybody signs in.
    pub fn has_users(&self) -> bool {
        !self.lock().users.is_empty()
    }

    /// Tells whether somebody signs in by this name.
    pub fn is_user(&self, name: &str) -> bool {
        self.lock().users.contains_key(name)
    }

    /// Opens a session; its id goes to the browser alone. Blocks on the disk and, whoever asks, for
    /// as long as a password takes.
    ///
    /// # Errors
    /// [`SignInRefused`].
    pub fn sign_in(
        &self,
        name: &str,
        password: &Secret,
        address: IpAddr,
    ) -> Result<Secret, SignInRefused> {
        // Whatever is no name is one and the same stranger: nothing of it is kept.
        let tried = if users::check_name(name).is_ok() { name } else { "?" };
        let found = {
            let mut inner = self.lock();
            let now = self.shared.clock.now().mono;
            inner.limits.attempt(tried, address, now).map_err(SignInRefused::TooOften)?;
            inner.users.get(tried).map(|user| (user.hash.clone(), user.generation()))
        };
        let hash = found.as_ref().map_or(&self.shared.nobody, |(hash, _)| hash);
        let right = password::verify(password, hash);
        let Some((_, generation)) = found.filter(|_| right) else {
            return Err(SignInRefused::Wrong);
        };
        let id = hex(&random::<32>().map_err(Error::from)?);
        {
            let mut inner = self.lock();
            inner.limits.succeed(tried, address);
            let now = self.shared.clock.now().wall;
            inner.sessions.open(&id, tried, generation, now);
        }
        self.save()?;
        Ok(Secret::new(id))
    }

    /// Ends a session. Blocks on the disk.
    ///
    /// # Errors
    /// Where that can't be written; it is over all the same until the next start.
    pub fn sign_out(&self, id: &str) -> Result<(), Error> {
        let closed = self.lock().sessions.close(id);
        if closed { self.save() } else { Ok(()) }
    }

    /// Returns who has the session of this id, as the users are now. It counts as used.
    pub fn viewer(&self, id: &str) -> Option<Viewer> {
        let mut inner = self.lock();
        let now = self.shared.clock.now().wall;
        let session = inner.sessions.find(id, now)?;
        let user = inner.users.get(&session.user)?;
        if user.generation() != session.generation {
            return None;
        }
        let login = session.user.clone();
        let name = user.full_name.clone().unwrap_or_else(|| login.clone());
        let viewer = Viewer { name, login, role: user.role.clone(), local: false };
        if inner.sessions.touch(id, now) {
            drop(inner);
            let access = self.clone();
            tokio::task::spawn_blocking(move || {
                if let Err(error) = access.save() {
                    tracing::warn!(%error, "sessions are not written");
                }
            });
        }
        Some(viewer)
    }

    /// Returns what tells the password of a user from the one before; none: nobody has that name.
    pub fn generation(&self, login: &str) -> Option<String> {
        self.lock().users.get(login).map(users::User::generation)
    }

    /// Returns who that user is now, unless the password is another one than at that generation.
    pub fn recipient(&self, login: &str, generation: &str) -> Option<Viewer> {
        let inner = self.lock();
        let user = inner.users.get(login).filter(|user| user.generation() == generation)?;
        let name = user.full_name.clone().unwrap_or_else(|| login.to_owned());
        Some(Viewer { name, login: login.to_owned(), role: user.role.clone(), local: false })
    }

    /// Returns what a request that changes something has to bear in the session `id`; without
    /// users, for none.
    pub fn token(&self, id: Option<&str>) -> String {
        match id {
            Some(id) => hex(&self.mac("token", id).finalize().into_bytes()),
            None => self.shared.local_token.clone(),
        }
    }

    /// Tells whether it is that token; takes as long, whatever it answers.
    pub fn is_token(&self, id: Option<&str>, token: &str) -> bool {
        let (Some(given), Some(expected)) = (unhex(token), unhex(&self.token(id))) else {
            return false;
        };
        let sealed = self.mac_of("compare", &expected).finalize().into_bytes();
        self.mac_of("compare", &given).verify_slice(&sealed).is_ok()
    }

    /// A name of `what` that nobody guesses.
    pub fn sealed(&self, what: &str) -> String {
        let mac = self.mac("address", what).finalize().into_bytes();
        format!("{what}-{}", hex(&mac[..MAC_BYTES]))
    }

    /// Returns what such a name is of.
    pub fn unsealed<'a>(&self, name: &'a str) -> Option<&'a str> {
        let (what, mac) = name.rsplit_once('-')?;
        let mac = unhex(mac).filter(|mac| mac.len() == MAC_BYTES)?;
        self.mac("address", what).verify_truncated_left(&mac).ok().map(|()| what)
    }

    fn mac(&self, purpose: &str, what: &str) -> Hmac<Sha256> {
        self.mac_of(purpose, what.as_bytes())
    }

    fn mac_of(&self, purpose: &str, what: &[u8]) -> Hmac<Sha256> {
        let mac = Hmac::<Sha256>::new_from_slice(&self.shared.key);
        let mut mac = mac.expect("HMAC takes keys of any length");
        mac.update(purpose.as_bytes());
        mac.update(&[0]);
        mac.update(what);
        mac
    }

    fn save(&self) -> Result<(), Error> {
        let _alone = self.shared.saving.lock().unwrap_or_else(PoisonError::into_inner);
        let text = self.lock().sessions.render();
        self.shared.folder.write(folder::SESSIONS, &text)
    }

    /// Held for a look-up or a change only, never over an await. Users are looked at anew.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        let mut inner = self.shared.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.shared.clock.now().mono;
        if now.since(inner.looked) >= LOOK {
            inner.looked = now;
            let stamp = self.shared.folder.stamp(folder::USERS);
            if stamp != inner.stamp {
                inner.stamp = stamp;
                self.read_users(&mut inner, stamp.is_some());
            }
        }
        inner
    }

    /// Reads the users anew; a file that does not check out changes nothing: a page must not open
    /// itself by a slip.
    fn read_users(&self, inner: &mut Inner, there: bool) {
        if !there {
            tracing::error!("the file of users is gone; those it had stay until the next start");
            return;
        }
        match users::load(&self.shared.store) {
            Ok(users) => {
                tracing::info!(users = users.len(), "users read again");
                inner.users = users;
            }
            Err(error) => tracing::error!(%error, "users are not read again; nothing changes"),
        }
    }
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Access").field("store", &self.shared.store).finish_non_exhaustive()
    }
}

/// This installation's own, made where there is none yet.
fn key(folder: &Folder) -> Result<[u8; KEY_BYTES], Error> {
    let _alone = folder.lock()?;
    if let Some(text) = folder.read(folder::KEY)?
        && let Some(key) = unhex(text.trim()).and_then(|key| key.try_into().ok())
    {
        return Ok(key);
    }
    let key = random()?;
    folder.write(folder::KEY, &hex(&key))?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::super::Role;
    use super::super::users::User;
    use super::*;
    use crate::time::ManualClock;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    fn set(store: &Path, name: &str, password: &str, role: Role) {
        let hash = password::hash(name, &secret(password)).unwrap();
        let user = User { full_name: None, role, hash };
        users::change(store, |users| {
            users.insert(name.to_owned(), user);
            Ok(())
        })
        .unwrap();
    }

    struct Setup {
        store: tempfile::TempDir,
        clock: Arc<ManualClock>,
        access: Access,
    }

    fn setup() -> Setup {
        let store = tempfile::tempdir().unwrap();
        set(store.path(), "ba", "mot hai ba", Role::Police);
        let clock = Arc::new(ManualClock::default());
        let access = Access::open(store.path(), clock.clone()).unwrap();
        Setup { store, clock, access }
    }

    #[tokio::test]
    async fn a_session_survives_a_restart_and_ends_with_its_password() {
        let t = setup();
        let id = t.access.sign_in("ba", &secret("mot hai ba"), HERE).unwrap();
        let again = Access::open(t.store.path(), t.clock.clone()).unwrap();
        assert_eq!(again.viewer(id.reveal()).unwrap().login, "ba");
        assert_eq!(again.token(Some(id.reveal())), t.access.token(Some(id.reveal())));
        set(t.store.path(), "ba", "bon nam sau", Role::Police);
        t.clock.advance(LOOK);
        assert_eq!(again.viewer(id.reveal()), None, "another password");
        let id = again.sign_in("ba", &secret("bon nam sau"), HERE).unwrap();
        assert!(again.viewer(id.reveal()).is_some());
        again.sign_out(id.reveal()).unwrap();
        assert_eq!(again.viewer(id.reveal()), None);
        let third = Access::open(t.store.path(), t.clock.clone()).unwrap();
        assert_eq!(third.viewer(id.reveal()), None, "signed out for good");
    }

    #[tokio::test]
    async fn a_user_s_role_holds_at_once_and_so_does_their_removal() {
        let t = setup();
        let id = t.access.sign_in("ba", &secret("mot hai ba"), HERE).unwrap();
        users::change(t.store.path(), |users| {
            users.get_mut("ba").unwrap().role = Role::Admin;
            Ok(())
        })
        .unwrap();
        t.clock.advance(LOOK);
        assert!(t.access.viewer(id.reveal()).unwrap().is_admin());
        users::change(t.store.path(), |users| {
            users.clear();
            Ok(())
        })
        .unwrap();
        t.clock.advance(LOOK);
        assert_eq!(t.access.viewer(id.reveal()), None);
        assert!(!t.access.has_users());
    }

    #[test]
    fn a_broken_or_lost_file_of_users_opens_nothing() {
        let t = setup();
        let file = t.store.path().join("access/users.toml");
        std::fs::write(&file, "[[user]]").unwrap();
        t.clock.advance(LOOK);
        assert!(t.access.has_users());
        std::fs::remove_file(&file).unwrap();
        t.clock.advance(LOOK);
        assert!(t.access.has_users());
    }

    #[test]
    fn strangers_and_wrong_passwords_look_alike_and_are_counted() {
        let t = setup();
        for name in ["ba", "nobody", "'; drop table users", ""] {
            let refused = t.access.sign_in(name, &secret("wrong wrong"), HERE).unwrap_err();
            assert!(matches!(refused, SignInRefused::Wrong), "{name}");
        }
        let refused = (0..50).map(|_| t.access.lock().limits.attempt("ba", HERE, Mono(0)));
        assert!(refused.filter(Result::is_err).count() > 10);
        let refused = t.access.sign_in("ba", &secret("mot hai ba"), HERE).unwrap_err();
        assert!(matches!(refused, SignInRefused::TooOften(_)));
    }

    #[test]
    fn what_is_sealed_is_guessed_by_nobody() {
        let t = setup();
        let name = t.access.sealed("1042");
        assert_eq!(t.access.unsealed(&name), Some("1042"));
        let other = format!("1043{}", &name[4..]);
        for forged in [other.as_str(), "1042", "1042-", "1042-00", &name[..name.len() - 2], "-ê"] {
            assert_eq!(t.access.unsealed(forged), None, "{forged}");
        }
        let elsewhere = setup();
        assert_eq!(elsewhere.access.unsealed(&name), None, "each installation has its own key");
        assert!(t.access.is_token(Some("a"), &t.access.token(Some("a"))));
        assert!(!t.access.is_token(Some("b"), &t.access.token(Some("a"))));
        assert!(!t.access.is_token(None, "") && !t.access.is_token(Some("a"), ""));
    }
}
