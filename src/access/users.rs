//! The file of users: `{store}/access/users.toml`, written by `keng user`, read by the daemon.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::path::Path;

use serde::Deserialize;
use serde::Serialize;
use sha2::Digest;
use sha2::Sha256;

use super::error::Error;
use super::folder::Folder;
use super::password;
use super::viewer::Role;
use crate::ward::Id;

/// More are no ward's.
const USERS_MAX: usize = 500;
/// Characters of a name.
const NAME_MAX: usize = 40;
/// Characters of a full name.
const FULL_NAME_MAX: usize = 80;

/// A user who may sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// As it stands under what they do; none: the name they sign in by.
    pub full_name: Option<String>,
    /// Their role.
    pub role: Role,
    /// The hash of their password.
    pub hash: String,
}

impl User {
    /// Returns what a session remembers of the password it was opened by: with another one it is
    /// over.
    pub(super) fn generation(&self) -> String {
        super::hex::hex(&Sha256::digest(self.hash.as_bytes())[..8])
    }
}

/// All users by the names that they sign in by.
pub type Users = BTreeMap<String, User>;

/// As the file has it.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    user: Vec<UserLine>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct UserLine {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    full_name: Option<String>,
    role: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    khu_pho: Vec<String>,
    password: String,
}

/// Tells whether people can sign in by it: a small letter, then small letters, digits, `.`, `-`,
/// `_`.
///
/// # Errors
/// [`Error::Name`].
pub fn check_name(name: &str) -> Result<(), Error> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-_".contains(c);
    let starts = name.starts_with(|c: char| c.is_ascii_lowercase());
    if starts && name.len() <= NAME_MAX && name.chars().all(fits) {
        return Ok(());
    }
    Err(Error::Name(name.chars().take(NAME_MAX).collect()))
}

/// The role of that word, with those khu phố.
///
/// # Errors
/// [`Error::Role`] says what does not fit.
pub fn role(word: &str, khu_pho: &[String]) -> Result<Role, Error> {
    let wrong = |what: &str| Err(Error::Role(what.to_owned()));
    let ids = khu_pho.iter().map(|id| Id::new(id).map_err(|error| Error::Role(error.to_string())));
    let ids = ids.collect::<Result<BTreeSet<Id>, Error>>()?;
    match word {
        "khu_pho" if ids.is_empty() => wrong("the role khu_pho needs one khu phố at least"),
        "khu_pho" => Ok(Role::KhuPho(ids)),
        "police" | "admin" if !ids.is_empty() => wrong("only the role khu_pho is of a khu phố"),
        "police" => Ok(Role::Police),
        "admin" => Ok(Role::Admin),
        other => Err(Error::Role(format!("{other:?} is none of police, khu_pho, admin"))),
    }
}

/// Tells whether a full name can stand under what somebody does.
///
/// # Errors
/// [`Error::FullName`].
pub fn check_full_name(name: &str) -> Result<(), Error> {
    let fits = !name.trim().is_empty()
        && name.chars().count() <= FULL_NAME_MAX
        && !name.chars().any(char::is_control);
    fits.then_some(()).ok_or(Error::FullName)
}

fn parse(text: &str) -> Result<Users, String> {
    let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
    if file.user.len() > USERS_MAX {
        return Err(format!("over {USERS_MAX} users"));
    }
    let mut users = Users::new();
    for UserLine { name, full_name, role: word, khu_pho, password } in file.user {
        let of_user = |error: Error| format!("user {name:?}: {error}");
        check_name(&name).map_err(of_user)?;
        if let Some(full_name) = &full_name {
            check_full_name(full_name).map_err(of_user)?;
        }
        let role = role(&word, &khu_pho).map_err(of_user)?;
        if !password::is_hash(&password) {
            return Err(format!(
                "user {name:?}: the password is no Argon2id hash: keng user passwd"
            ));
        }
        if users.insert(name.clone(), User { full_name, role, hash: password }).is_some() {
            return Err(format!("user {name:?} stands there twice"));
        }
    }
    Ok(users)
}

fn render(users: &Users) -> Result<String, Error> {
    let line = |(name, user): (&String, &User)| UserLine {
        name: name.clone(),
        full_name: user.full_name.clone(),
        role: user.role.as_str().to_owned(),
        khu_pho: match &user.role {
            Role::KhuPho(theirs) => theirs.iter().map(Id::to_string).collect(),
            Role::Police | Role::Admin => Vec::new(),
        },
        password: user.hash.clone(),
    };
    let file = File { user: users.iter().map(line).collect() };
    let text = toml::to_string(&file).map_err(|error| Error::Users(error.to_string()))?;
    Ok(format!("# Written by keng user; read again by the daemon whenever it changes.\n\n{text}"))
}

/// The users of the store at `store`; none where there is no file.
///
/// # Errors
/// Where it can't be read, or is not what `keng user` writes.
pub fn load(store: &Path) -> Result<Users, Error> {
    let folder = Folder::of(store);
    let text = folder.read(super::folder::USERS)?;
    parse(text.as_deref().unwrap_or_default()).map_err(Error::Users)
}

/// Changes the users of the store at `store`, alone over processes; the file is replaced whole,
/// durably, and readable by its owner alone.
///
/// # Errors
/// What `change` says, and the file system's.
pub fn change(
    store: &Path,
    change: impl FnOnce(&mut Users) -> Result<(), Error>,
) -> Result<(), Error> {
    let folder = Folder::make(store)?;
    let _alone = folder.lock()?;
    let mut users = load(store)?;
    change(&mut users)?;
    if users.len() > USERS_MAX {
        return Err(Error::Users(format!("over {USERS_MAX} users")));
    }
    folder.write(super::folder::USERS, &render(&users)?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::ward::Secret;

    fn user(role: Role) -> User {
        let hash = password::hash("x", &Secret::new("mot hai ba bon".to_owned())).unwrap();
        User { full_name: Some("Nguyễn Văn Ba".to_owned()), role, hash }
    }

    #[test]
    fn users_survive_their_file_which_nobody_else_may_read() {
        let store = tempfile::tempdir().unwrap();
        assert_eq!(load(store.path()).unwrap(), Users::new());
        let theirs = user(role("khu_pho", &["kp3".to_owned(), "kp4".to_owned()]).unwrap());
        let (name, added) = ("ba".to_owned(), theirs.clone());
        change(store.path(), |users| {
            users.insert(name, added);
            Ok(())
        })
        .unwrap();
        assert_eq!(load(store.path()).unwrap(), [("ba".to_owned(), theirs)].into());
        let file = std::fs::metadata(store.path().join("access/users.toml")).unwrap();
        assert_eq!(file.permissions().mode() & 0o777, 0o600);
        let folder = std::fs::metadata(store.path().join("access")).unwrap();
        assert_eq!(folder.permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_change_that_fails_changes_nothing() {
        let store = tempfile::tempdir().unwrap();
        let failed = change(store.path(), |users| {
            users.insert("ba".to_owned(), user(Role::Admin));
            Err(Error::NoUser("nam".to_owned()))
        });
        assert!(failed.is_err());
        assert!(load(store.path()).unwrap().is_empty());
    }

    #[test]
    fn what_is_no_file_of_users_is_refused_with_a_reason() {
        let hash = user(Role::Admin).hash;
        for (text, reason) in [
            ("x = 1".to_owned(), "unknown field"),
            ("[[user]]\nname = \"Ba\"\nrole = \"admin\"\npassword = \"x\"".to_owned(), "name"),
            ("[[user]]\nname = \"ba\"\nrole = \"root\"\npassword = \"x\"".to_owned(), "none of"),
            ("[[user]]\nname = \"ba\"\nrole = \"khu_pho\"\npassword = \"x\"".to_owned(), "needs"),
            ("[[user]]\nname = \"ba\"\nrole = \"admin\"\npassword = \"x\"".to_owned(), "no Argon2"),
            (
                format!("[[user]]\nname=\"b\"\nrole=\"admin\"\npassword=\"{hash}\"\n").repeat(2),
                "twice",
            ),
        ] {
            let error = parse(&text).unwrap_err();
            assert!(error.contains(reason), "{error}");
            assert!(!error.contains("hunter2"));
        }
    }

    #[test]
    fn names_are_plain() {
        for good in ["ba", "nguyen.van-ba_3"] {
            check_name(good).unwrap();
        }
        for bad in ["", "Ba", "3ba", "ba nam", "ba\n", "bà", &"b".repeat(41), "-ba"] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
    }
}
