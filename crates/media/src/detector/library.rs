//! Finds and loads ONNX Runtime's shared library, once a process.

use std::path::Path;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::PoisonError;

use ort::environment::Environment;

/// The library's name as its wheel and distributions have it; followed by a version, maybe.
const FILE: &str = "libonnxruntime.so";

/// A reason for which ONNX Runtime can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is in none of the usual places, or nowhere loadable.
    #[error(
        "ONNX Runtime ({FILE}, 1.17 or newer) can't be loaded; looked at: {}; \
         `make setup` fetches it, or $ORT_DYLIB_PATH names it",
        .looked.join("; ")
    )]
    NotFound {
        /// Each place, with what was wrong there.
        looked: Vec<String>,
    },
    /// It was loaded but does not start.
    #[error("ONNX Runtime does not start")]
    Start(#[source] ort::Error),
}

/// The process's one environment; loads the library where that has not happened yet. A library
/// once loaded stays: `explicit` of later calls is not looked at.
///
/// # Errors
/// [`Error`] with every place that was tried.
pub fn environment(explicit: Option<&Path>) -> Result<Environment, Error> {
    static ENVIRONMENT: Mutex<Option<Environment>> = Mutex::new(None);
    let mut kept = ENVIRONMENT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(environment) = &*kept {
        return Ok(environment.clone());
    }
    let variable = std::env::var_os("ORT_DYLIB_PATH").map(PathBuf::from);
    let executable = std::env::current_exe().ok();
    let folder = executable.as_deref().and_then(Path::parent);
    let mut looked = Vec::new();
    for place in search_paths(explicit, variable.as_deref(), folder) {
        let files = place.files();
        if files.is_empty() {
            looked.push(format!("{} (not there)", place.path.display()));
        }
        for file in files {
            match ort::init_from(&file) {
                Ok(builder) => {
                    let builder = builder.with_name("keng").with_telemetry(false);
                    let environment = builder.build().map_err(Error::Start)?;
                    tracing::info!(library = %file.display(), "ONNX Runtime loaded");
                    return Ok(kept.insert(environment).clone());
                }
                Err(error) => looked.push(format!("{} ({error})", file.display())),
            }
        }
    }
    Err(Error::NotFound { looked })
}

/// Somewhere to look: a file, or a folder with the library in it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct SearchPath {
    path: PathBuf,
}

impl SearchPath {
    /// The files to try, newest version last in name first.
    fn files(&self) -> Vec<PathBuf> {
        if self.path.is_file() {
            return vec![self.path.clone()];
        }
        let entries = std::fs::read_dir(&self.path).into_iter().flatten().flatten();
        let mut files: Vec<PathBuf> = entries
            .map(|entry| entry.path())
            .filter(|path| {
                let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                let rest = name.strip_prefix(FILE);
                path.is_file() && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            })
            .collect();
        files.sort();
        files.reverse();
        files
    }
}

/// Lists the places to look at, first to last.
fn search_paths(
    explicit: Option<&Path>,
    variable: Option<&Path>,
    exe: Option<&Path>,
) -> Vec<SearchPath> {
    // Who names a file wants that one: another version found elsewhere would surprise.
    if let Some(named) = explicit.or(variable) {
        return vec![SearchPath { path: named.to_owned() }];
    }
    let mut paths = Vec::new();
    if let Some(exe) = exe {
        let beside = [
            "lib",
            "../lib/keng",
            // The developer's tree, for target/release/keng and target/release/deps/test.
            "../../.runtime/onnxruntime/lib",
            "../../.runtime/onnxruntime",
            "../../../.runtime/onnxruntime/lib",
            "../../../.runtime/onnxruntime",
        ];
        paths.extend(beside.iter().map(|beside| exe.join(beside)));
    }
    let system = ["/usr/lib", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"];
    paths.extend(system.iter().map(PathBuf::from));
    paths.push(PathBuf::from("/usr/local/lib"));
    paths.into_iter().map(|path| SearchPath { path }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_library_is_tried_first() {
        let exe = Path::new("/opt/keng/bin");
        let named = search_paths(Some(Path::new("/a.so")), Some(Path::new("/b.so")), Some(exe));
        assert_eq!(named, [SearchPath { path: "/a.so".into() }]);
        let variable = search_paths(None, Some(Path::new("/b.so")), Some(exe));
        assert_eq!(variable, [SearchPath { path: "/b.so".into() }]);
        let found = search_paths(None, None, Some(exe));
        assert_eq!(found[1], SearchPath { path: "/opt/keng/bin/../lib/keng".into() });
        assert_eq!(found.last(), Some(&SearchPath { path: "/usr/local/lib".into() }));
    }

    #[test]
    fn a_folder_gives_its_libraries_only() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["libonnxruntime.so", "libonnxruntime.so.1.31.1", "libonnxruntime_x.so", "a"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let files = SearchPath { path: folder.path().to_owned() }.files();
        let names: Vec<_> = files.iter().filter_map(|f| f.file_name()?.to_str()).collect();
        assert_eq!(names, ["libonnxruntime.so.1.31.1", "libonnxruntime.so"]);
    }
}
