//! Where settings come from, and what is said when one is wrong.

mod common;

use common::{Folder, Server, crore, stderr};

#[test]
fn a_flag_wins_over_a_variable_over_the_file() {
    let folder = Folder::new();
    let file = folder.write("crore.toml", "listen = '127.0.0.3:0'\nshards = 3\nuser = 'root'\n");
    let start = |flags: &[&str], variables: &[(&str, &str)]| {
        let mut command = crore();
        command.args(["serve", "--config", &file]).args(flags).envs(variables.iter().copied());
        let mut server = Server::start_command(&mut command);
        let said = server.said();
        (server.address(), said)
    };
    let as_is = if nix::unistd::geteuid().is_root() { &[][..] } else { &["--user", &whoami()] };
    let (address, said) = start(as_is, &[]);
    assert!(address.starts_with("127.0.0.3:") && said.contains("3 shards"), "{said}");
    let variables = [("CRORE_LISTEN", "127.0.0.2:0"), ("CRORE_SHARDS", "4")];
    let (address, said) = start(as_is, &variables);
    assert!(address.starts_with("127.0.0.2:") && said.contains("4 shards"), "{said}");
    let flags: Vec<&str> = as_is.iter().copied().chain(["--listen", "127.0.0.1:0"]).collect();
    let (address, said) = start(&flags, &variables);
    assert!(address.starts_with("127.0.0.1:") && said.contains("4 shards"), "{said}");
}

fn whoami() -> String {
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).unwrap();
    user.map_or_else(String::new, |user| user.name)
}

/// What `crore serve --check` says about a file, with the exit status.
fn check(text: &str) -> (Option<i32>, String) {
    let folder = Folder::new();
    folder.write("crore.toml", text);
    let mut command = crore();
    let output = command.args(["serve", "--check", "-c", "crore.toml"]).current_dir(&folder);
    let output = output.output().unwrap();
    (output.status.code(), stderr(&output))
}

#[test]
fn a_good_file_is_said_to_be_good() {
    let (status, said) = check("shards = 1\n[limits]\nidle-time = '5s'\n[[host]]\nnames = ['a']\n");
    assert_eq!((status, said.as_str()), (Some(0), ""));
}

#[test]
fn an_unknown_key_is_shown_with_the_one_that_was_meant() {
    let (status, said) = check("shards = 1\n\n[limits]\nheader-tiem = '5s'\n");
    assert_eq!(status, Some(2));
    assert_eq!(
        said,
        "crore: crore.toml:4:1: unknown setting `header-tiem`\n  |\n4 | header-tiem = '5s'\n  | \
         ^^^^^^^^^^^\n  = did you mean `header-time`?\n"
    );
}

#[test]
fn a_value_of_the_wrong_kind_is_shown_with_the_right_kind() {
    let (_, said) = check("[limits]\nevict-idle = 'yes'\n");
    assert_eq!(
        said,
        "crore: crore.toml:2:14: invalid type: string \"yes\", expected true or false, without \
         quotes\n  |\n2 | evict-idle = 'yes'\n  |              ^^^^^\n"
    );
}

#[test]
fn what_makes_no_sense_is_shown_where_it_stands() {
    let (status, said) = check("[site]\nthreads = 0\n");
    assert_eq!(status, Some(2));
    assert!(said.starts_with("crore: crore.toml:2:11: "), "{said}");
}

#[test]
fn a_folder_that_is_not_there_is_shown_where_it_stands() {
    let folder = Folder::new();
    let file = folder.write("crore.toml", "listen = '127.0.0.1:0'\n[site]\nroot = 'nothing'\n");
    let output = crore().args(["serve", "-c", &file]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = stderr(&output);
    assert!(said.contains(&format!("{file}:3:8: ")), "{said}");
    let output = crore().args(["serve", "-l", "127.0.0.1:0", "/nothing/here"]).output().unwrap();
    let said = stderr(&output);
    assert!(said.contains("crore: DIR: "), "{said}");
}

#[test]
fn a_misspelt_variable_is_warned_of() {
    let mut command = crore();
    command.args(["serve", "-l", "127.0.0.1:0"]).env("CRORE_SHARD", "1");
    let mut server = Server::spawn(&mut command);
    server.line("CRORE_SHARD, which is no setting; did you mean CRORE_SHARDS?");
}
