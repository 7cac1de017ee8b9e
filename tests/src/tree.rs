//! A folder to serve, made for one test.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::Outcome;

/// A temporary folder, readable by all: servers give up their privileges after they start.
#[derive(Debug)]
pub struct Tree {
    folder: TempDir,
}

impl Tree {
    /// An empty folder.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new() -> Outcome<Self> {
        let folder = tempfile::Builder::new().prefix("crore-test-").tempdir()?;
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
        Ok(Self { folder })
    }

    /// The folder itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file, with the folders above it, and says where it is.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn file(&self, path: &str, content: impl AsRef<[u8]>) -> Outcome<PathBuf> {
        let file = self.root().join(path);
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&file, content)?;
        Ok(file)
    }

    /// Makes an empty folder, with those above it.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn folder(&self, path: &str) -> Outcome<PathBuf> {
        let folder = self.root().join(path);
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }
}

/// `length` bytes in which every eight differ from all others at a multiple of eight, so that a
/// byte sent from the wrong place shows.
#[must_use]
pub fn pattern(length: usize) -> Vec<u8> {
    let words = (0..length.div_ceil(8) as u64).map(word);
    let mut bytes: Vec<u8> = words.flat_map(u64::to_le_bytes).collect();
    bytes.truncate(length);
    bytes
}

/// Eight bytes of a [`pattern`], in little-endian order, by their number in it.
#[must_use]
#[inline]
pub const fn word(index: u64) -> u64 {
    // Odd, so that the product is a permutation of the 64-bit numbers.
    const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
    index.wrapping_add(1).wrapping_mul(SPREAD)
}
