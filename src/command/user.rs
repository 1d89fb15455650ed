//! `keng user`: who may sign in at the page.

use std::io;
use std::io::BufRead;
use std::io::IsTerminal;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;

use rustix::termios;

use crate::access;
use crate::access::Role;
use crate::access::password;
use crate::access::users;
use crate::access::users::User;
use crate::audit;
use crate::audit::Actor;
use crate::audit::ActorKind;
use crate::audit::AuditRecord;
use crate::audit::Via;
use crate::config;
use crate::config::Faults;
use crate::config::Settings;
use crate::time::Clock;
use crate::ward::Id;
use crate::ward::Secret;

/// A longer line is no password.
const LINE_BYTES_MAX: u64 = 4_096;

/// Arguments of `keng user`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Action {
    /// Adds a user; the password is asked for, or read from standard input.
    Add {
        #[command(flatten)]
        who: Who,
        /// police: everything operational; khu_pho: the same in the khu phố given; admin: the
        /// system, the audit log and the cameras' owners too.
        #[arg(long, value_name = "police|khu_pho|admin")]
        role: String,
        /// For the role khu_pho; may stand there more than once.
        #[arg(long, value_name = "ID")]
        khu_pho: Vec<String>,
        /// As it stands under what they do, such as "Nguyễn Văn Ba".
        #[arg(long, value_name = "NAME")]
        full_name: Option<String>,
    },
    /// Another password; whoever is signed in by the old one no longer is.
    Passwd {
        #[command(flatten)]
        who: Who,
    },
    /// All users.
    List {
        /// The configuration file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Takes somebody out; their sessions end within a second.
    Remove {
        #[command(flatten)]
        who: Who,
    },
}

#[derive(Clone, Debug, clap::Args)]
struct Who {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The name that they sign in by, such as nguyen.van.ba.
    name: String,
}

/// The reason why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration.
    #[error("the configuration has faults:\n{0}")]
    Config(Faults),
    /// The users.
    #[error(transparent)]
    Access(#[from] access::Error),
    /// A khu phố of the role.
    #[error("there is no khu phố {0:?} in the configuration")]
    KhuPho(String),
    /// It was changed, but that could not be written down.
    #[error("it is done, but the audit log does not tell of it")]
    Audit(#[from] audit::Error),
    /// The two did not agree.
    #[error("the passwords differ; nothing was changed")]
    Differ,
    /// Standard input or output.
    #[error("can't ask for the password")]
    Terminal(#[from] io::Error),
}

impl Error {
    /// Tells whether it is the configuration that has to be mended.
    pub fn is_config(&self) -> bool {
        matches!(self, Self::Config(_))
    }
}

/// Changes or lists users. A running daemon follows within a second.
///
/// # Errors
/// [`Error`].
pub fn run(args: &Args, out: &mut dyn Write, clock: &dyn Clock) -> Result<(), Error> {
    match &args.action {
        Action::Add { who, role, khu_pho, full_name } => {
            let settings = settings(&who.config)?;
            let role = users::role(role, khu_pho)?;
            known(&role, &settings)?;
            users::check_name(&who.name)?;
            full_name.as_deref().map_or(Ok(()), users::check_full_name)?;
            let store = &settings.store.path;
            if users::load(store)?.contains_key(&who.name) {
                return Err(access::Error::Taken(who.name.clone()).into());
            }
            let hash = password::hash(&who.name, &ask(out)?).map_err(access::Error::from)?;
            let detail = said(&role);
            let user = User { full_name: full_name.clone(), role, hash };
            users::change(store, |users| match users.insert(who.name.clone(), user) {
                None => Ok(()),
                Some(_) => Err(access::Error::Taken(who.name.clone())),
            })?;
            note(store, clock, "user_added", &who.name, &detail)?;
            writeln!(out, "{} may sign in: {detail}", who.name)?;
        }
        Action::Passwd { who } => {
            let store = settings(&who.config)?.store.path;
            if !users::load(&store)?.contains_key(&who.name) {
                return Err(access::Error::NoUser(who.name.clone()).into());
            }
            let hash = password::hash(&who.name, &ask(out)?).map_err(access::Error::from)?;
            users::change(&store, |users| {
                let missing = || access::Error::NoUser(who.name.clone());
                users.get_mut(&who.name).ok_or_else(missing)?.hash = hash;
                Ok(())
            })?;
            note(&store, clock, "password_changed", &who.name, "")?;
            writeln!(out, "{} signs in by the new password from now on", who.name)?;
        }
        Action::Remove { who } => {
            let store = settings(&who.config)?.store.path;
            let mut left = 0;
            users::change(&store, |users| {
                let missing = || access::Error::NoUser(who.name.clone());
                users.remove(&who.name).ok_or_else(missing)?;
                left = users.len();
                Ok(())
            })?;
            note(&store, clock, "user_removed", &who.name, "")?;
            writeln!(out, "{} may sign in no longer", who.name)?;
            if left == 0 {
                writeln!(out, "no users are left: whoever sits at this machine may do everything")?;
            }
        }
        Action::List { config } => list(&settings(config)?, out)?,
    }
    Ok(())
}

fn settings(path: &Path) -> Result<Settings, Error> {
    Ok(config::load(path).map_err(Error::Config)?.settings)
}

fn known(role: &Role, settings: &Settings) -> Result<(), Error> {
    let Role::KhuPho(theirs) = role else { return Ok(()) };
    let known = |id: &Id| settings.khu_pho.iter().any(|known| known.id == *id);
    match theirs.iter().find(|id| !known(id)) {
        Some(unknown) => Err(Error::KhuPho(unknown.to_string())),
        None => Ok(()),
    }
}

fn said(role: &Role) -> String {
    match role {
        Role::KhuPho(theirs) => {
            let ids: Vec<&str> = theirs.iter().map(|id| id.as_str()).collect();
            format!("{} {}", role.as_str(), ids.join(", "))
        }
        Role::Police | Role::Admin => role.as_str().to_owned(),
    }
}

fn list(settings: &Settings, out: &mut dyn Write) -> Result<(), Error> {
    let users = users::load(&settings.store.path)?;
    let widest = users.keys().map(String::len).max().unwrap_or(0);
    for (name, user) in &users {
        let full_name = user.full_name.as_deref().unwrap_or_default();
        let line = format!("{name:widest$}  {}  {full_name}", said(&user.role));
        writeln!(out, "{}", line.trim_end())?;
    }
    if users.is_empty() {
        writeln!(out, "no users: whoever sits at this machine may do everything")?;
    }
    Ok(())
}

fn note(
    store: &Path,
    clock: &dyn Clock,
    action: &'static str,
    name: &str,
    detail: &str,
) -> Result<(), Error> {
    let by = ["SUDO_USER", "USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    let who = Actor::new(ActorKind::System, by.as_deref().unwrap_or("?"));
    let record = AuditRecord::new(who, Via::Cli, action, name).detail(detail);
    audit::record_once(store, clock, record)?;
    Ok(())
}

/// From the terminal, unseen and twice; from anything else its first line.
fn ask(out: &mut dyn Write) -> Result<Secret, Error> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return Ok(line(&mut stdin.lock())?);
    }
    let first = unseen(out, "Password: ")?;
    let second = unseen(out, "Again: ")?;
    if first == second { Ok(first) } else { Err(Error::Differ) }
}

fn unseen(out: &mut dyn Write, prompt: &str) -> Result<Secret, io::Error> {
    write!(out, "{prompt}")?;
    out.flush()?;
    let stdin = io::stdin();
    let before = termios::tcgetattr(&stdin)?;
    let mut quiet = before.clone();
    quiet.local_modes.remove(termios::LocalModes::ECHO);
    termios::tcsetattr(&stdin, termios::OptionalActions::Flush, &quiet)?;
    let read = line(&mut stdin.lock());
    termios::tcsetattr(&stdin, termios::OptionalActions::Flush, &before)?;
    writeln!(out)?;
    read
}

fn line(input: &mut dyn BufRead) -> Result<Secret, io::Error> {
    let mut text = String::new();
    io::Read::take(input, LINE_BYTES_MAX).read_line(&mut text)?;
    Ok(Secret::new(text.trim_end_matches(['\r', '\n']).to_owned()))
}
