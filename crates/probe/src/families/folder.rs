//! Files for probes: a folder of a curve's own, removed with all that is in it when the curve ends.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::run::{Run, Stop};

/// Bytes written at once.
const CHUNK: usize = 64 * 1024;

/// The folder.
pub(super) struct Folder(PathBuf);

impl Run<'_> {
    /// Makes a folder for this curve's files.
    pub(super) fn subfolder(&self) -> Result<Folder, Stop> {
        let path = self.folder().join("files");
        fs::create_dir(&path).map_err(Stop::io("mkdir()"))?;
        Ok(Folder(path))
    }
}

impl Folder {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The path of its file number `n`.
    pub fn file(&self, n: u64) -> PathBuf {
        self.0.join(format!("file-{n}"))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed now is tried again with the folder that this is in.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A new file of this many bytes, none of them a hole.
pub(super) fn file_of(run: &Run<'_>, path: &Path, bytes: u64) -> Result<File, Stop> {
    let mut options = OpenOptions::new();
    let made = options.read(true).write(true).create_new(true).open(path);
    let mut file = made.map_err(Stop::io("open()"))?;
    let chunk = [b'.'; CHUNK];
    let mut left = bytes as usize;
    while left > 0 {
        run.go_on()?;
        let length = left.min(CHUNK);
        file.write_all(&chunk[..length]).map_err(Stop::io("write()"))?;
        left -= length;
    }
    Ok(file)
}

/// Fills a block of a file with what is not zero.
pub(super) fn write_block(file: &File, offset: u64, bytes: usize) -> Result<(), Stop> {
    file.write_all_at(&vec![b'.'; bytes], offset).map_err(Stop::io("write()"))
}
