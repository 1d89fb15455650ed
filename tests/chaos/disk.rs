//! A small disk of its own for the store, which can be filled. Needs root and a loop device.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

/// Sparse: it takes what is written.
const DISK_BYTES: u64 = 1 << 30;

/// A file with an ext4 on it, mounted.
pub(crate) struct Disk {
    folder: TempDir,
}

impl Disk {
    /// None, with the reason, where the system does not allow it.
    pub(crate) fn mount() -> Result<Self, String> {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let (image, point) = (folder.path().join("image"), folder.path().join("mounted"));
        File::create(&image).and_then(|file| file.set_len(DISK_BYTES)).unwrap();
        std::fs::create_dir(&point).unwrap();
        run("mke2fs", &["-q", "-F", "-t", "ext4", "-m", "0"], &[&image])?;
        run("mount", &["-o", "loop"], &[&image, &point])?;
        Ok(Self { folder })
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("mounted")
    }

    /// Leaves not a byte free.
    pub(crate) fn fill(&self) {
        let filler = self.path().join("filler");
        let free = rustix::fs::statvfs(self.path()).unwrap();
        let most = (free.f_bavail * free.f_frsize).saturating_sub(1 << 20);
        // Quickly, then to the last byte.
        drop(run("fallocate", &["-l", &most.to_string()], &[&filler]));
        let mut file = File::options().append(true).create(true).open(filler).unwrap();
        while file.write_all(&[7; 4096]).is_ok() {}
    }

    /// Clears it again.
    pub(crate) fn clear(&self) {
        std::fs::remove_file(self.path().join("filler")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(run("umount", &["-l"], &[&self.path()]));
    }
}

fn run(program: &str, options: &[&str], paths: &[&Path]) -> Result<(), String> {
    let mut command = Command::new(program);
    command.args(options).args(paths).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    match command.output() {
        Ok(done) if done.status.success() => Ok(()),
        Ok(done) => Err(format!("{program}: {}", String::from_utf8_lossy(&done.stderr).trim())),
        Err(error) => Err(format!("{program}: {error}")),
    }
}
