//! The default build needs the Rust toolchain and nothing else: no package of it compiles C or
//! links a native library.

use crate::Outcome;
use crate::metadata::{Metadata, Package};

/// The package that `cargo run` builds.
const BUILT: &str = "crore-cli";

/// Packages that compile or look for C.
const C_TOOLS: &[&str] = &["bindgen", "cc", "clang-sys", "cmake", "pkg-config", "vcpkg"];

/// Packages that claim a native library's name only so that no second version of them is linked.
const LINKS_NOTHING: &[&str] = &["prettyplease", "rayon-core"];

/// Complains of every package in the default build that needs a C compiler or a system library.
pub fn check(metadata: &Metadata) -> Outcome<Vec<String>> {
    let built = metadata.built_for(BUILT)?;
    Ok(built.into_iter().filter(|package| needs_c(package)).map(complaint).collect())
}

fn needs_c(package: &Package) -> bool {
    let name = package.name.as_str();
    C_TOOLS.contains(&name) || (package.links.is_some() && !LINKS_NOTHING.contains(&name))
}

fn complaint(package: &Package) -> String {
    let (name, version) = (&package.name, &package.version);
    format!(
        "{name} {version} is part of the default build and needs a C compiler or a system library; \
         `cargo tree --package {BUILT} --edges normal,build --invert {name}` says who brings it"
    )
}
