//! `keng acl mosquitto`: who may read and write what, in the form of a broker.
//!
//! Each team reads its khu phố alone and writes its own commands alone; the daemon has the ward's
//! topics, and those of Home Assistant's discovery where that is on; whoever gives no name has
//! nothing. Passwords stand in the file as mosquitto's own tool
//! writes them (PBKDF2 with HMAC-SHA-512, RFC 8018), so that this works without it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::io::Write;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rand::{Rng, RngExt as _};
use ring::pbkdf2;

use crate::config;
use crate::config::{Faults, Settings};
use crate::mqtt::{SNAPSHOT_BYTES_MAX, Topics};
use crate::ward::Secret;

/// Rounds of PBKDF2: some 10 ms for each phone that connects. mosquitto's own default is 101.
const ROUNDS: NonZeroU32 = NonZeroU32::new(10_000).expect("10,000 is not zero");
/// mosquitto wants just as many.
const SALT_BYTES: usize = 12;
/// One block of SHA-512.
const KEY_BYTES: usize = 64;
/// Letters and digits of a password that is made up: 119 bits.
const PASSWORD_CHARS: usize = 20;
/// Without those that look alike.
const LETTERS: &[u8] = b"abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
/// Longer files are none of ours.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// The user who reads the whole ward, where no other has the name.
const POLICE: &str = "police";
/// An ACL file of ours begins so.
const BEGINNING: &str = "# Written by keng acl mosquitto";
/// The lines behind this one are the admin's.
const MARKER: &str = "# Rights of your own go below this line: they are kept.";

/// Arguments of `keng acl`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    broker: Broker,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Broker {
    /// Writes an ACL file for mosquitto, and a password file where asked for.
    Mosquitto {
        /// The configuration file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// The folder to write `acl` and `passwords` to; made where it is not there.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Writes `passwords` too: as the configuration names them; as they stand there already;
        /// else made up, and shown this once.
        #[arg(long)]
        password_file: bool,
    },
}

/// The reason why nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration.
    #[error("the configuration has faults:\n{0}")]
    Config(Faults),
    /// There is no user to give the daemon's rights to.
    #[error("the daemon has no user at the broker; add [mqtt] username and password")]
    NoDaemon,
    /// The daemon's user would be a team.
    #[error("[mqtt] username {0:?} is a khu phố's id too; give the daemon another one")]
    Shared(String),
    /// A name that the broker's files can't hold.
    #[error("[mqtt] username {0:?} can't stand in mosquitto's files; use letters and digits")]
    Name(String),
    /// A password file that is none.
    #[error("{path} is no password file of mosquitto; move it away")]
    NotOurs {
        /// The file.
        path: PathBuf,
    },
    /// An ACL file that somebody else wrote.
    #[error(
        "{path} was not written by this command; move it away, and put rights of your own at the \
         end of the one that is written then"
    )]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A file can't be written.
    #[error("can't write {path}")]
    Write {
        /// The one concerned.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// The answer can't be written.
    #[error("can't write the answer")]
    Output(#[from] io::Error),
}

impl Error {
    /// Tells whether it is the configuration that has to be mended.
    pub fn is_config(&self) -> bool {
        matches!(self, Self::Config(_) | Self::NoDaemon | Self::Shared(_) | Self::Name(_))
    }
}

/// Writes the files, readable by this user alone, and says what is to be done with them.
///
/// # Errors
/// [`Error`].
pub fn run(args: &Args, out: &mut dyn Write) -> Result<(), Error> {
    let Broker::Mosquitto { config, out: folder, password_file } = &args.broker;
    let settings = config::load(config).map_err(Error::Config)?.settings;
    let daemon = daemon(&settings)?;
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::Write { path, source }
    };
    fs::create_dir_all(folder).map_err(failed(folder))?;
    let acl = folder.join("acl");
    let own = rights_of_your_own(&acl)?;
    write_private(&acl, &(rights(&settings, daemon) + &own)).map_err(failed(&acl))?;
    writeln!(out, "acl_file {}\nmessage_size_limit {SNAPSHOT_BYTES_MAX}", acl.display())?;
    if *password_file {
        let path = folder.join("passwords");
        let known = known(&path)?;
        let (text, made_up) = passwords(&settings, daemon, &known, &mut rand::rng());
        write_private(&path, &text).map_err(failed(&path))?;
        writeln!(out, "password_file {}\nallow_anonymous false", path.display())?;
        let ours: Vec<&str> = users(&settings, daemon).collect();
        for user in known.keys().filter(|user| !ours.contains(&user.as_str())) {
            writeln!(out, "# kept, though the configuration has no such user: {user}")?;
        }
        for (user, password) in made_up {
            writeln!(out, "# new password of {user}, shown this once: {}", password.reveal())?;
        }
    }
    Ok(())
}

fn daemon(settings: &Settings) -> Result<&str, Error> {
    let name = settings.mqtt.username.as_deref().ok_or(Error::NoDaemon)?;
    if settings.khu_pho.iter().any(|khu_pho| khu_pho.id.as_str() == name) {
        return Err(Error::Shared(name.to_owned()));
    }
    let strange = |c: char| c.is_control() || c == ':' || c == '#';
    if name.contains(strange) {
        return Err(Error::Name(name.to_owned()));
    }
    Ok(name)
}

/// The ACL file. Rights before the first `user` would be everybody's: there are none.
fn rights(settings: &Settings, daemon: &str) -> String {
    let topics = Topics::new(settings.ward.id.clone());
    let status = topics.status();
    let under = status.trim_end_matches("status");
    let mut text = format!(
        "{BEGINNING}; written anew where [[khu_pho]] changes.\n\n\
         user {daemon}\ntopic readwrite {under}#\n"
    );
    // It announces its own there, and hears of all: when Home Assistant begins, and what an earlier
    // configuration has left.
    if let Some(home) = &settings.outlets.home_assistant {
        let own = home.own_topics(&settings.ward.id);
        let lines = [format!("topic read {}/#", home.prefix), format!("topic readwrite {own}#\n")];
        text.push_str(&lines.join("\n"));
    }
    for khu_pho in &settings.khu_pho {
        let id = &khu_pho.id;
        let own = format!("{under}{id}/");
        let lines = [
            format!("\nuser {id}"),
            format!("topic read {status}"),
            format!("topic read {}", topics.alert(id)),
            format!("topic read {own}incident/#"),
            format!("topic read {}", topics.siren(id)),
            format!("topic read {own}+/status"),
            format!("topic write {own}incident/+/command"),
            format!("topic write {own}report"),
            format!("topic write {own}patrol"),
        ];
        text.push_str(&lines.join("\n"));
        text.push('\n');
    }
    if users(settings, daemon).any(|user| user == POLICE) {
        let all = ["status", "+/alert", "+/incident/#", "+/siren", "+/+/status"];
        let lines = all.map(|topic| format!("topic read {under}{topic}\n"));
        text.extend(["\nuser ", POLICE, "\n", &lines.concat()]);
    }
    text + "\n" + MARKER + "\n"
}

/// Everybody who has rights: the daemon, the teams, and the police, unless one of those is called
/// so.
fn users<'a>(settings: &'a Settings, daemon: &'a str) -> impl Iterator<Item = &'a str> {
    let teams = settings.khu_pho.iter().map(|khu_pho| khu_pho.id.as_str());
    let police = (daemon != POLICE && teams.clone().all(|team| team != POLICE)).then_some(POLICE);
    std::iter::once(daemon).chain(teams).chain(police)
}

/// Returns what stands behind the marker of the ACL file as it is.
fn rights_of_your_own(path: &Path) -> Result<String, Error> {
    let foreign = || Error::Foreign { path: path.to_owned() };
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(String::new()),
        Ok(found) if found.len() > FILE_BYTES_MAX => return Err(foreign()),
        _ => {}
    }
    let text = fs::read_to_string(path).map_err(|_| foreign())?;
    if !text.starts_with(BEGINNING) && !text.trim().is_empty() {
        return Err(foreign());
    }
    let own = text.split_once(&format!("\n{MARKER}\n")).map(|(_, own)| own);
    Ok(own.unwrap_or_default().to_owned())
}

/// Users and what stands behind their names.
type Known = BTreeMap<String, String>;

/// The password file as it is; nothing where it is not there.
fn known(path: &Path) -> Result<Known, Error> {
    let not_ours = || Error::NotOurs { path: path.to_owned() };
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Known::new()),
        Ok(found) if found.len() > FILE_BYTES_MAX => return Err(not_ours()),
        _ => {}
    }
    let text = fs::read_to_string(path).map_err(|_| not_ours())?;
    let lines = text.lines().filter(|line| !line.is_empty());
    let split = |line: &str| {
        let (user, hash) = line.split_once(':').filter(|(_, hash)| hash.starts_with('$'))?;
        Some((user.to_owned(), hash.to_owned()))
    };
    lines.map(split).collect::<Option<Known>>().ok_or_else(not_ours)
}

/// The password file, and the passwords that were made up for it. Users who are none of ours keep
/// theirs.
fn passwords(
    settings: &Settings,
    daemon: &str,
    known: &Known,
    rng: &mut impl Rng,
) -> (String, Vec<(String, Secret)>) {
    let given = |user: &str| {
        if user == daemon {
            return settings.mqtt.password.clone();
        }
        let team = settings.teams.iter().find(|(id, _)| id.as_str() == user);
        team.and_then(|(_, team)| team.password.clone())
    };
    let (mut text, mut made_up) = (String::new(), Vec::new());
    let mut others = known.clone();
    for user in users(settings, daemon) {
        others.remove(user);
        let password = given(user);
        let hash = match (password, known.get(user)) {
            (Some(password), _) => hash(&password, rng),
            (None, Some(hash)) => hash.clone(),
            (None, None) => {
                let password = Secret::new(invented(rng));
                let hash = hash(&password, rng);
                made_up.push((user.to_owned(), password));
                hash
            }
        };
        text.extend([user, ":", &hash, "\n"]);
    }
    others.iter().for_each(|(user, hash)| text.extend([user, ":", hash, "\n"]));
    (text, made_up)
}

fn invented(rng: &mut impl Rng) -> String {
    let letter = |_| char::from(LETTERS[rng.random_range(0..LETTERS.len())]);
    (0..PASSWORD_CHARS).map(letter).collect()
}

/// `$7$rounds$salt$hash`.
fn hash(password: &Secret, rng: &mut impl Rng) -> String {
    let salt: [u8; SALT_BYTES] = rng.random();
    let key = derive(password.reveal().as_bytes(), &salt, ROUNDS);
    format!("$7${ROUNDS}${}${}", STANDARD.encode(salt), STANDARD.encode(key))
}

/// A key by PBKDF2 with HMAC-SHA-512 (RFC 8018), as long as mosquitto keeps it.
fn derive(password: &[u8], salt: &[u8], rounds: NonZeroU32) -> [u8; KEY_BYTES] {
    let mut key = [0; KEY_BYTES];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA512, rounds, salt, password, &mut key);
    key
}

/// Whole or not at all, and never for anybody else to read.
fn write_private(path: &Path, text: &str) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let draft = path.with_extension("new");
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(draft, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_mosquitto_passwd_s() {
        // mosquitto_passwd 2.0.11 -b FILE a b
        let known = "qatJRNwrBaUz0ZXmGewVBEzCfXI6CQ4l5jpIUj0nI2eCKbONodHumMQrqmkZI4O/\
                     JATD4pyrn8wQYby5kk1wjw==";
        let salt = STANDARD.decode("dmzgGtroMfD+dvpK").unwrap();
        let key = derive(b"b", &salt, NonZeroU32::new(101).unwrap());
        assert_eq!(STANDARD.encode(key), known);
    }
}
