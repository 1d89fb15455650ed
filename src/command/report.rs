//! `keng report`: what happened in some days, against as many days before.
//!
//! Reads the ledger, beside a daemon that goes on writing it, or without one.

use std::io::Write;
use std::path::PathBuf;

use jiff::civil::Date;

use crate::config;
use crate::config::Faults;
use crate::ledger::Folder;
use crate::report;
use crate::report::{Figures, ReportScope, Span, SpanError};
use crate::time::Wall;
use crate::ward::Id;
use crate::ward::Language;
use crate::ward::Site;

/// The number of days where none are named.
const DAYS: u16 = 7;

/// Arguments of `keng report`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The configuration file; it is only read.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// The first day, such as 2026-11-01. Not given: six days before the last one.
    #[arg(long, value_name = "DATE")]
    pub from: Option<Date>,
    /// The last day, which belongs to the period. Not given: yesterday.
    #[arg(long, value_name = "DATE")]
    pub to: Option<Date>,
    /// This neighbourhood alone. Not given: the whole ward.
    #[arg(long, value_name = "ID")]
    pub khu_pho: Option<String>,
    /// Text for the terminal, a table for spreadsheets, JSON, or a page to print.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Of text and page. Not given: the ward's.
    #[arg(long, value_enum)]
    pub language: Option<Tongue>,
}

/// The way in which the report is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Tables for the terminal.
    #[default]
    Text,
    /// One tidy table, RFC 4180.
    Csv,
    /// `keng.report/1`.
    Json,
    /// One printable file.
    Html,
}

/// A language as arguments name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Tongue {
    /// Vietnamese.
    Vi,
    /// English.
    En,
}

/// The reason why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration.
    #[error("the configuration has faults:\n{0}")]
    Config(Faults),
    /// `--from` and `--to` make no period.
    #[error("--from and --to: {0}")]
    Span(#[from] SpanError),
    /// No such neighbourhood.
    #[error("--khu-pho: no {wanted:?} in the configuration; there is {known}")]
    KhuPho {
        /// As given.
        wanted: String,
        /// Their ids.
        known: String,
    },
    /// The ledger can't be read.
    #[error("the ledger in {path} can't be read")]
    Read {
        /// Its folder.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// There is none.
    #[error("no ledger in {0}: `keng run` keeps it; is [store] path the daemon's?")]
    Nothing(PathBuf),
    /// Standard output.
    #[error("failed to write")]
    Write(#[from] std::io::Error),
}

impl Error {
    /// Tells whether it is the configuration that has to be mended.
    pub fn is_config(&self) -> bool {
        matches!(self, Self::Config(_))
    }

    /// Tells whether it is the arguments.
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::Span(_) | Self::KhuPho { .. })
    }
}

/// Writes the report of `args` as it stands at `now`; faults of the ledger are told to `err`.
///
/// # Errors
/// [`Error`]; damaged lines of the ledger are counted and passed over.
pub fn run(
    args: &Args,
    out: &mut impl Write,
    err: &mut impl Write,
    now: Wall,
) -> Result<(), Error> {
    let settings = config::load(&args.config).map_err(Error::Config)?.settings;
    let only = match &args.khu_pho {
        None => None,
        Some(wanted) => Some(known(&settings, wanted)?),
    };
    let zone = &settings.ward.timezone;
    let to = args.to.unwrap_or_else(|| Span::last_days(1, now, zone).to);
    let from = args.from.unwrap_or_else(|| Span::days_until(to, DAYS));
    let sites: Vec<Site> = settings.cameras.iter().map(|camera| camera.site.clone()).collect();
    let scope = ReportScope {
        ward: &settings.ward,
        khu_pho: &settings.khu_pho,
        sites: &sites,
        span: Span::new(from, to)?,
        only,
        now,
    };
    let folder = Folder::of(&settings.store.path);
    let path = || folder.path().to_owned();
    let read = folder.read(Figures::needs_from(&scope));
    let book = read.map_err(|source| Error::Read { path: path(), source })?;
    if book.begun.is_none() {
        return Err(Error::Nothing(path()));
    }
    if book.damaged > 0 {
        let (lines, path) = (book.damaged, folder.path().display());
        writeln!(err, "keng: {lines} lines of the ledger in {path} can't be read; left out")?;
    }
    let figures = Figures::of(&book, &scope);
    let language = match args.language {
        None => settings.ward.language,
        Some(Tongue::Vi) => Language::Vi,
        Some(Tongue::En) => Language::En,
    };
    let text = match args.format {
        Format::Text => report::text::render(&figures, language),
        Format::Csv => report::csv::render(&figures),
        Format::Json => report::json::render(&figures),
        Format::Html => report::html::page(&figures, language),
    };
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

fn known<'a>(settings: &'a config::Settings, wanted: &str) -> Result<&'a Id, Error> {
    let ids = || settings.khu_pho.iter().map(|khu_pho| &khu_pho.id);
    ids().find(|id| id.as_str() == wanted).ok_or_else(|| {
        let known: Vec<&str> = ids().map(Id::as_str).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        Error::KhuPho { wanted: wanted.chars().take(80).collect(), known }
    })
}
