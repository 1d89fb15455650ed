//! The one TOML file: load, check, report every fault at once.
//!
//! [`parse`] walks the file's table with a reader that never stops at the first fault, so that
//! an admin sees all of them with line and column. What is not written has the value that
//! `config/default.toml` shows; [`Settings::new`] makes the same in code.
//!
//! Does not belong here: opening anything that the file names, but for secrets.

mod cameras;
mod diff;
mod faults;
mod message;
mod outlets;
mod page;
mod reader;
mod response;
mod rules;
mod sections;
mod settings;
mod surroundings;
mod unique_ids;
mod values;
mod watch;

use std::path::Path;

use crate::alert;
use crate::attention;
use crate::clock::SystemClock;
use crate::rule;
use crate::time::Clock;
use crate::time::Wall;
use crate::ward::Id;
use crate::ward::Ward;

pub use diff::Changes;
pub use diff::diff;
pub use faults::Fault;
pub use faults::Faults;
pub use outlets::Outlets;
pub use settings::{CameraSettings, DetectorConfig, Settings, StoreConfig, TeamSecrets};
pub use surroundings::Surroundings;
pub use watch::ConfigWatch;
pub use watch::Reload;
#[cfg(unix)]
pub use watch::hangups;

/// The commented file with every key, as `config/default.toml` has it.
pub const DEFAULT_TOML: &str = include_str!("../../config/default.toml");

/// A longer file is a mistake.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// A configuration that checks out, and what is worth saying about it all the same.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// In the order of the file.
    pub warnings: Vec<Fault>,
}

impl Settings {
    /// A ward with no cameras and everything else as `config/default.toml` shows it.
    pub fn new(ward: Ward, around: &Surroundings<'_>) -> Self {
        Self {
            messages: alert::Messages::of(ward.language),
            ward,
            mqtt: sections::mqtt_defaults(),
            web: page::defaults(),
            store: sections::store_defaults(around),
            detector: sections::detector_defaults(around),
            attention: attention::budget::Config::default(),
            khu_pho: Vec::new(),
            teams: std::collections::BTreeMap::new(),
            fire_points: Vec::new(),
            incidents: response::defaults(),
            rules: rule::Config::default(),
            outlets: Outlets::default(),
            cameras: Vec::new(),
        }
    }

    /// The cameras whose owners' consent is over at `now`, in the file's order.
    pub fn consent_expired(&self, now: Wall) -> Vec<&Id> {
        let over = |camera: &&CameraSettings| {
            let until = camera.site.owner.as_ref().and_then(|owner| owner.consent_until);
            until.is_some_and(|until| cameras::expired(until, &self.ward, now))
        };
        self.cameras.iter().filter(over).map(|camera| &camera.site.id).collect()
    }
}

/// Reads and checks a file, in this process's environment and at this moment.
///
/// # Errors
/// Every fault of the file, or one where it can't be read at all.
pub fn load(path: &Path) -> Result<Loaded, Faults> {
    load_changed(path, Ok)
}

/// As [`load`], with what `change` makes of the text; the file stays as it is.
///
/// # Errors
/// As for [`load`], and what `change` says.
pub fn load_changed(
    path: &Path,
    change: impl FnOnce(String) -> Result<String, String>,
) -> Result<Loaded, Faults> {
    let of_file =
        |message: String, remedy: &str| Faults(vec![Fault::of_file(path, message, remedy)]);
    let unreadable = |error: std::io::Error| {
        of_file(format!("can't be read: {error}"), "give the path of a TOML file")
    };
    if std::fs::metadata(path).map_err(unreadable)?.len() > FILE_BYTES_MAX {
        return Err(of_file("is over 4 MiB long".to_owned(), "give the path of a TOML file"));
    }
    let bytes = std::fs::read(path).map_err(unreadable)?;
    let Ok(text) = String::from_utf8(bytes) else {
        return Err(of_file("is no UTF-8 text".to_owned(), "save it as UTF-8"));
    };
    let text = change(text).map_err(|message| of_file(message, ""))?;
    let base_dir = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let binary = std::env::current_exe().ok();
    let around = Surroundings {
        file: path,
        base_dir,
        binary_dir: binary.and_then(|binary| binary.parent().map(Path::to_path_buf)),
        env: &|name| std::env::var(name).ok(),
        now: SystemClock::new().now().wall,
    };
    parse(&text, &around)
}

/// Reads and checks a text.
///
/// # Errors
/// Every fault of the text, in its order.
pub fn parse(text: &str, around: &Surroundings<'_>) -> Result<Loaded, Faults> {
    let (table, errors) = toml::de::DeTable::parse_recoverable(text);
    let file = around.file.display().to_string();
    let report = faults::FaultReport::new(&file, text, !errors.is_empty());
    for error in &errors {
        let at = error.span().unwrap_or(0..0);
        report.fault(&at, "", error.message().to_owned(), "");
    }
    let settings = read(&report, &table, around);
    let (faults, warnings) = report.into_parts();
    match settings {
        Some(settings) if faults.is_empty() => Ok(Loaded { settings, warnings }),
        _ => Err(Faults(faults)),
    }
}

/// Reads every section; `None` only where a fault has been reported.
fn read<'a>(
    report: &'a faults::FaultReport<'a>,
    table: &'a toml::Spanned<toml::de::DeTable<'a>>,
    around: &Surroundings<'_>,
) -> Option<Settings> {
    let root = reader::Section::root(report, table);
    let (ward, coordinates) = sections::ward(&root);
    let mqtt = sections::mqtt(&root, around);
    let web = page::read(&root, around);
    let store = sections::store(&root, around);
    let detector = sections::detector(&root, around);
    let attention = sections::attention(&root);
    let (khu_pho, teams) = sections::khu_pho(&root, around);
    let fire_points = sections::fire_points(&root);
    let language = ward.as_ref().map(|ward| ward.language).unwrap_or_default();
    let messages = message::read(&root, language);
    let incidents = response::read(&root, &khu_pho, coordinates);
    let rules = rules::read(&root, rule::Config::default(), coordinates);
    let rest = cameras::Surrounding {
        around,
        ward: ward.as_ref(),
        coordinates,
        khu_pho: &khu_pho,
        rules: &rules,
    };
    let cameras = cameras::read(&root, &rest);
    let outlets = Outlets::read(&root, around, ward.as_ref(), &khu_pho);
    root.finish();
    Some(Settings {
        ward: ward?,
        mqtt,
        web,
        store,
        detector,
        attention,
        khu_pho,
        teams,
        fire_points,
        messages,
        incidents,
        rules,
        outlets,
        cameras,
    })
}

#[cfg(test)]
mod tests;
