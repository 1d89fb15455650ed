//! The viewers of the page, and what they may see and do.

use std::collections::BTreeSet;

use crate::alert::Head;
use crate::outbox::Entry;
use crate::ward::Id;

/// The role of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// Everything operational, in every khu phố.
    Police,
    /// Everything operational, in these khu phố alone.
    KhuPho(BTreeSet<Id>),
    /// As the police, and beside that the system, the log of views, the cameras' owners.
    Admin,
}

impl Role {
    /// As files and answers write it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Police => "police",
            Self::KhuPho(_) => "khu_pho",
            Self::Admin => "admin",
        }
    }
}

/// The person who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Viewer {
    /// As it stands under what they do.
    pub name: String,
    /// The login name; empty for whoever sits at this machine.
    pub login: String,
    /// Their role.
    pub role: Role,
    /// Not signed in: at this very machine, and there are no users yet.
    pub local: bool,
}

impl Viewer {
    /// Tells whether what happens in this khu phố is theirs to see, and to act upon.
    pub fn may_see(&self, khu_pho: &Id) -> bool {
        match &self.role {
            Role::Police | Role::Admin => true,
            Role::KhuPho(theirs) => theirs.contains(khu_pho),
        }
    }

    /// Tells whether an entry of the outbox is theirs to see: its subject begins with its khu phố.
    /// A damaged one has none, and is nobody's but those who see everything.
    pub fn may_see_subject(&self, subject: &str) -> bool {
        match &self.role {
            Role::Police | Role::Admin => true,
            Role::KhuPho(theirs) => {
                let khu_pho = subject.split_once('/').map(|(khu_pho, _)| khu_pho);
                khu_pho.is_some_and(|khu_pho| theirs.iter().any(|id| id.as_str() == khu_pho))
            }
        }
    }

    /// Tells whether an alert is theirs to see: of their own khu phố, or one that names it among
    /// those whose cameras see it too. To act upon it stays with the khu phố whose it is.
    pub fn may_see_entry(&self, entry: &Entry) -> bool {
        let Role::KhuPho(theirs) = &self.role else { return true };
        if self.may_see_subject(&entry.subject) {
            return true;
        }
        let head = Head::read(&entry.payload).unwrap_or_default();
        head.also_khu_pho.iter().any(|named| theirs.iter().any(|id| id.as_str() == &**named))
    }

    /// Tells whether faces are theirs to see: those of a street's neighbours are not.
    pub fn may_see_faces(&self) -> bool {
        !matches!(self.role, Role::KhuPho(_))
    }

    /// Tells whether the ward's webhooks are theirs to know of.
    pub fn sees_outlets(&self) -> bool {
        !matches!(self.role, Role::KhuPho(_))
    }

    /// Tells whether a drill is theirs to begin: it calls teams of the whole ward out.
    pub fn may_drill(&self) -> bool {
        !matches!(self.role, Role::KhuPho(_))
    }

    /// Tells whether the system, the log of views and the cameras' owners are theirs to see.
    pub fn is_admin(&self) -> bool {
        self.role == Role::Admin
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> Id {
        Id::new(text).unwrap()
    }

    #[test]
    fn a_khu_pho_s_user_sees_that_khu_pho_alone() {
        let role = Role::KhuPho([id("kp3")].into());
        let viewer = Viewer { name: "Ba".to_owned(), login: "ba".to_owned(), role, local: false };
        assert!(viewer.may_see(&id("kp3")) && !viewer.may_see(&id("kp33")));
        assert!(viewer.may_see_subject("kp3/x"));
        for other in ["kp33/x", "kp", "kp3", "", "/kp3/x", "kp4/kp3/x"] {
            assert!(!viewer.may_see_subject(other), "{other}");
        }
        assert!(!viewer.is_admin());
    }
}
