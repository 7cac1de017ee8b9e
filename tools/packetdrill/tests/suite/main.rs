//! Scripts in packetdrill's language, played against the library: those in `scripts/` by `cargo
//! test`, and any others that PACKETDRILL_SCRIPTS names (files with spaces between them).

mod assertion;
mod calls;
mod peer;
mod play;
mod script;
mod value;

use std::path::{Path, PathBuf};

/// Plays a script; `ipv6` also over IPv6.
fn run(path: &Path, flags: &str, ipv6: bool) -> Result<(), String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let settings = std::env::temp_dir().join(format!(
        "crore-packetdrill-{}-{flags}-{}",
        std::process::id(),
        path.file_stem().unwrap_or_default().to_string_lossy(),
    ));
    let script = script::Script::parse(&text)?;
    let outcome = play::play(script, flags, ipv6, &settings);
    let _ = std::fs::remove_file(settings);
    outcome
}

fn scripts(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts").join(folder);
    let files = std::fs::read_dir(folder).expect("the folder of scripts");
    let mut files: Vec<PathBuf> = files.map(|file| file.expect("a file").path()).collect();
    files.sort();
    files
}

fn run_all(files: &[PathBuf], flags: &str) {
    let mut failed = Vec::new();
    for file in files {
        for ipv6 in [false, true] {
            if ipv6 && std::fs::read_to_string(file).is_ok_and(|text| text.contains("ipv4")) {
                continue;
            }
            if let Err(wrong) = run(file, flags, ipv6) {
                failed.push(format!("{} (ipv6: {ipv6}): {wrong}", file.display()));
            }
        }
    }
    println!("{} of {} scripts failed", failed.len(), files.len());
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

/// One test for all of a profile: the library is one instance a process.
#[test]
fn scripts_of_both_profiles() {
    if let Ok(given) = std::env::var("PACKETDRILL_SCRIPTS") {
        let flags = std::env::var("PACKETDRILL_FLAGS").unwrap_or_else(|_| "linux".into());
        let files: Vec<PathBuf> = given.split_whitespace().map(PathBuf::from).collect();
        return run_all(&files, &flags);
    }
    run_all(&scripts("linux"), "linux");
    run_all(&scripts("freebsd"), "freebsd");
}
