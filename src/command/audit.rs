//! `keng audit`: whether the audit log is as it was written, and what stands in it.

use std::io;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::audit;
use crate::audit::{ChainError, ExpectedHead, StoredRecord};
use crate::config;
use crate::config::Faults;

/// Arguments of `keng audit`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Action {
    /// Checks every record; exit code 1 names the first one that does not fit.
    Verify {
        /// The configuration file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// A head that was kept elsewhere, as this command and the ward's status give it: the log
        /// must still have it.
        #[arg(long, value_name = "NUMBER:HASH", value_parser = head)]
        head: Option<ExpectedHead>,
    },
    /// The newest records, oldest first.
    Show {
        /// The configuration file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// Their number.
        #[arg(long, value_name = "N", default_value_t = 20)]
        last: usize,
    },
}

/// The reason why there is no good answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration.
    #[error("the configuration has faults:\n{0}")]
    Config(Faults),
    /// The log is not as it was written.
    #[error("the audit log does not check out: {0}")]
    Broken(#[from] ChainError),
    /// The log can't be read.
    #[error(transparent)]
    Audit(#[from] audit::Error),
    /// The answer can't be written.
    #[error("can't write the answer")]
    Output(#[from] io::Error),
}

impl Error {
    /// Tells whether it is the configuration that has to be mended.
    pub fn is_config(&self) -> bool {
        matches!(self, Self::Config(_))
    }
}

/// Checks the log, or shows its end.
///
/// # Errors
/// [`Error`], also where the log does not check out.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<(), Error> {
    match &args.action {
        Action::Verify { config, head } => verify(&store(config)?, head.as_ref(), out),
        Action::Show { config, last } => {
            for record in audit::last(&store(config)?, *last)? {
                writeln!(out, "{}", row(&record))?;
            }
            Ok(())
        }
    }
}

fn store(path: &Path) -> Result<PathBuf, Error> {
    Ok(config::load(path).map_err(Error::Config)?.settings.store.path)
}

fn verify(store: &Path, head: Option<&ExpectedHead>, out: &mut dyn Write) -> Result<(), Error> {
    let summary = audit::verify(store, head)?;
    let (first, audit::ChainHead { number, hash }) = (summary.first, &summary.head);
    match number {
        0 => writeln!(out, "the audit log is empty")?,
        _ => writeln!(out, "records {first} to {number} follow from each other")?,
    }
    if first > 1 {
        writeln!(out, "records before {first} are not here: their segments have been deleted")?;
    }
    if summary.torn > 0 {
        let torn = summary.torn;
        writeln!(out, "{torn} bytes of a torn last line: the next start cuts them off")?;
    }
    if head.is_some_and(|head| head.number > 0) {
        writeln!(out, "the head that was kept is among them")?;
    }
    writeln!(out, "head: {number}:{hash}")?;
    Ok(())
}

fn row(record: &StoredRecord) -> String {
    let (kind, via) = (record.who.kind.as_str(), record.via.as_str());
    let [name, subject, detail] =
        [&record.who.name, &record.subject, &record.detail].map(|text| printable(text));
    let mut row = format!("{} {} {kind} {name:?} by {via}: ", record.number, record.at);
    row.push_str(&record.action);
    for part in [subject, detail].iter().filter(|part| !part.is_empty()) {
        row.push(' ');
        row.push_str(part);
    }
    row
}

/// Escapes control characters: what came from outside moves no terminal's cursor.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn head(text: &str) -> Result<ExpectedHead, String> {
    let wanted = || "give NUMBER:HASH with the 64 hexadecimal digits of the hash".to_owned();
    let (number, hash) = text.split_once(':').ok_or_else(wanted)?;
    let number = number.parse().map_err(|_| wanted())?;
    let hex = hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    hex.then(|| ExpectedHead { number, hash: hash.to_ascii_lowercase() }).ok_or_else(wanted)
}
