//! Lists the page's files, so that a new file of `src/web/page` is served, and kept for when the
//! daemon is away, without an edit elsewhere.

use std::env;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

const PAGE: &str = "src/web/page";

/// The constant of `src/web/assets.rs` that is the media type of files with this ending; none for
/// documents, which have routes of their own.
fn media_type(ending: &str) -> Result<Option<&'static str>, String> {
    match ending {
        "css" => Ok(Some("STYLE")),
        "html" => Ok(None),
        "js" => Ok(Some("SCRIPT")),
        "png" => Ok(Some("PNG")),
        "svg" => Ok(Some("SVG")),
        "webmanifest" => Ok(Some("MANIFEST")),
        _ => Err(format!("{PAGE} has a file that ends in {ending:?}: say its type in build.rs")),
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={PAGE}");
    let folder = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join(PAGE);
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder)? {
        names.push(entry?.file_name().into_string().map_err(|name| format!("{name:?}"))?);
    }
    names.sort();
    let mut list = String::from("[\n");
    for name in names.iter().filter(|name| *name != "sw.js" && !name.starts_with('.')) {
        let ending = Path::new(name).extension().and_then(|ending| ending.to_str());
        let Some(kind) = media_type(ending.unwrap_or_default())? else { continue };
        let file = folder.join(name);
        let path = format!("/{name}");
        writeln!(list, "page_file({path:?}, {kind}, include_bytes!({file:?})),")?;
    }
    fs::write(Path::new(&env::var("OUT_DIR")?).join("page_files.rs"), list + "]\n")?;
    Ok(())
}
