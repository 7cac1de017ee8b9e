//! What the README shows works as it is shown.

use std::fs;
use std::process::Command;

use rig::Outcome;
use rig::crore::program;
use rig::tree::Tree;

const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md");

/// The content of every code block of this language.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let open = format!("```{language}\n");
    text.split(&open).skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

#[test]
#[ignore = "needs the crore command: cargo xtask heavy"]
fn the_configuration_in_the_readme_is_good() -> Outcome {
    let text = fs::read_to_string(README)?;
    let configurations = blocks(&text, "toml");
    assert!(!configurations.is_empty());
    for configuration in configurations {
        let folder = Tree::new()?;
        let file = folder.file("crore.toml", configuration)?;
        let command = ["serve", "--check", "--config"];
        let output = Command::new(program()?).args(command).arg(file).output()?;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}
