//! What holds for every setting, whichever it is, and how problems read.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, Command, FromArgMatches};

use super::layers::names;
use super::{Flags, Options, Problem, Settings, Sources, file_keys, misspelt_variables, variable};
use crore::http;

/// A value for each setting that is not its default: as text, and as TOML.
const SAMPLES: [(&str, &str, &str); 30] = [
    ("root", "/srv/www", "'/srv/www'"),
    ("listen", "[::1]:81,unix:/run/a.sock", "['[::1]:81', 'unix:/run/a.sock']"),
    ("admin", "127.0.0.1:9", "'127.0.0.1:9'"),
    ("net", "epoll", "'epoll'"),
    ("park", "poll", "'poll'"),
    ("shards", "3", "3"),
    ("max_connections", "1000", "1000"),
    ("max_connections_per_client", "7", "7"),
    ("evict_idle", "true", "true"),
    ("header_time", "3s", "'3s'"),
    ("idle_time", "2m", "'2m'"),
    ("body_pace", "1KiB/5s", "'1KiB/5s'"),
    ("send_pace", "1MiB/1m", "'1MiB/1m'"),
    ("header_bytes", "4KiB", "4096"),
    ("header_lines", "50", "50"),
    ("target_bytes", "1000", "1000"),
    ("body_bytes", "2GiB", "'2GiB'"),
    ("address", "10.0.0.2/24,fd00::2/64", "['10.0.0.2/24', 'fd00::2/64']"),
    ("gateway", "10.0.0.1", "'10.0.0.1'"),
    ("pcap", "/tmp/a.pcapng", "'/tmp/a.pcapng'"),
    ("pcap_bytes", "1MiB", "'1MiB'"),
    ("pcap_host", "10.0.0.9", "'10.0.0.9'"),
    ("pcap_port", "80", "80"),
    ("log", "json", "'json'"),
    ("log_file", "/var/log/a.log", "'/var/log/a.log'"),
    ("level", "warn,site=debug", "'warn,site=debug'"),
    ("user", "www", "'www'"),
    ("sandbox", "off", "'off'"),
    ("drain", "1500ms", "'1500ms'"),
    ("config", "/etc/crore/crore.toml", ""),
];

fn all_names() -> Vec<String> {
    names(&super::layers::flags()).map(str::to_owned).collect()
}

fn sample(name: &str) -> (&'static str, &'static str) {
    let found = SAMPLES.iter().find(|(sample, ..)| *sample == name);
    let (_, text, toml) = found.unwrap_or_else(|| panic!("the setting {name} has no sample"));
    (text, toml)
}

/// The settings that flags give, as the command line reads them.
fn flags(arguments: &[&str]) -> Flags {
    let command = Options::augment_args(Command::new("crore").no_binary_name(true));
    let mut matches = command.try_get_matches_from(arguments).unwrap();
    let names = super::take_defaults_out(&mut matches);
    Flags { options: Options::from_arg_matches(&matches).unwrap(), names }
}

fn flag(name: &str) -> Flags {
    let (text, _) = sample(name);
    match name {
        "root" => flags(&[text]),
        _ => flags(&[&format!("--{}={text}", name.replace('_', "-"))]),
    }
}

fn no_variables(_: &str) -> Option<OsString> {
    None
}

/// A file with `text` in a folder of its own, removed at the end.
struct Toml {
    path: PathBuf,
}

impl Toml {
    fn new(text: &str) -> Self {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = format!("crore-settings-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(folder);
        fs::create_dir(&folder).unwrap();
        let path = folder.join("crore.toml");
        fs::write(&path, text).unwrap();
        Self { path }
    }

    fn folder(&self) -> &Path {
        self.path.parent().unwrap()
    }

    fn sources(&self) -> Sources {
        Sources::new(flags(&[]), Some(self.path.clone()), no_variables).unwrap()
    }

    /// What is said about the file, with its folder left out.
    fn complaint(&self) -> String {
        let problem = self.sources().read().map(|_| ()).unwrap_err().to_string();
        problem.replace(&format!("{}/", self.folder().display()), "")
    }
}

impl Drop for Toml {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.folder());
    }
}

/// All that sources say, to be compared: the settings, and the folder served.
fn said(sources: &Sources) -> String {
    let given = sources.read().unwrap();
    let roots: Vec<&Path> = given.site.roots().collect();
    format!("{:?} {roots:?}", Settings::new(&given).unwrap())
}

fn no_sources() -> Sources {
    Sources::new(flags(&[]), None, no_variables).unwrap()
}

#[test]
fn every_setting_is_a_flag_a_variable_and_a_key_of_the_file() {
    for name in all_names() {
        let (text, toml) = sample(&name);
        let of_flag = said(&Sources::new(flag(&name), None, no_variables).unwrap());
        assert_ne!(of_flag, said(&no_sources()), "{name}: the sample is the default");

        let lookup = |wanted: &str| (wanted == variable(&name)).then(|| OsString::from(text));
        let of_variable = Sources::new(flags(&[]), None, lookup).unwrap();
        assert_eq!(said(&of_variable), of_flag, "{name} as a variable");

        let keys = file_keys(&name).unwrap();
        let (key, tables) = keys.split_last().unwrap();
        let header = if tables.is_empty() { String::new() } else { format!("[{}]", tables[0]) };
        let file = Toml::new(&format!("{header}\n{key} = {toml}\n"));
        assert_eq!(said(&file.sources()), of_flag, "{name} in the file");
    }
}

#[test]
fn flag_wins_over_variable_over_file_over_default() {
    let file = Toml::new("shards = 1\ndrain = '1s'\nlog = 'json'\n");
    let lookup = |name: &str| match name {
        "CRORE_SHARDS" => Some(OsString::from("2")),
        "CRORE_DRAIN" => Some(OsString::from("2s")),
        "CRORE_CONFIG" => Some(file.path.clone().into()),
        _ => None,
    };
    let sources = Sources::new(flags(&["--shards", "3"]), None, lookup).unwrap();
    let given = sources.read().unwrap();
    let place = |name| Problem::new(given.place(name, None), "x").to_string();
    assert_eq!(place("shards"), "--shards: x");
    assert_eq!(place("drain"), "CRORE_DRAIN=2s: x");
    assert!(place("log").contains("crore.toml:3:7: x"), "{}", place("log"));
    assert_eq!(place("net"), "x");
    let settings = Settings::new(&given).unwrap();
    assert_eq!(settings.shards.map(u16::from), Some(3));
    assert_eq!(settings.drain.as_secs(), 2);
    assert_eq!(settings.log, super::LogFormat::Json);
    assert_eq!(settings.net, super::Net::Kernel);
}

#[test]
fn a_part_of_a_list_has_a_place_of_its_own() {
    let file = Toml::new("listen = [\n  '127.0.0.1:1',\n  '127.0.0.1:2',\n]\n");
    let sources = file.sources();
    let given = sources.read().unwrap();
    let place = |part| Problem::new(given.place("listen", Some(part)), "x").to_string();
    assert!(place(0).contains("crore.toml:2:3: x"), "{}", place(0));
    assert!(place(1).contains("crore.toml:3:3: x"), "{}", place(1));
    let single = Toml::new("listen = '127.0.0.1:1'\n");
    let sources = single.sources();
    let place = sources.read().unwrap().place("listen", Some(0));
    assert!(Problem::new(place, "x").to_string().contains("crore.toml:1:10: x"));
}

#[test]
fn relative_paths_in_a_file_start_at_its_folder() {
    let file = Toml::new("log-file = 'logs/a.log'\nlisten = 'unix:a.sock'\nadmin = 'unix:/b'\n");
    let sources = file.sources();
    let options = sources.read().unwrap().options;
    assert_eq!(options.log_file, Some(file.folder().join("logs/a.log")));
    let expected = format!("unix:{}/a.sock", file.folder().display());
    assert_eq!(options.listen.unwrap()[0].to_string(), expected);
    assert_eq!(options.admin.unwrap().to_string(), "unix:/b");
}

#[test]
fn problems_in_a_file_say_where_why_and_what_to_do() {
    for (text, complaint) in [
        (
            "listn = '127.0.0.1:80'\n",
            "crore.toml:1:1: unknown setting `listn`\n  |\n1 | listn = '127.0.0.1:80'\n  | \
             ^^^^^\n  = did you mean `listen`?",
        ),
        (
            "\n\n[limits]\nmax-connections = 'many'\n",
            "crore.toml:4:19: invalid type: string \"many\", expected a whole number from 1 to \
             4294967295\n  |\n4 | max-connections = 'many'\n  |                   ^^^^^^",
        ),
        (
            "shards = 0\n",
            "crore.toml:1:10: invalid value: integer `0`, expected a whole number from 1 to \
             65535\n  |\n1 | shards = 0\n  |          ^",
        ),
        (
            "drain = 30\n",
            "crore.toml:1:9: the unit is missing; write 30s or 30ms\n  |\n1 | drain = 30\n  \
             |         ^^",
        ),
        (
            "net = 'urng'\n",
            "crore.toml:1:7: unknown value `urng`; did you mean `uring`?\n  |\n1 | net = 'urng'\n  |  \
             \x20    ^^^^^^",
        ),
        (
            "log = 'xml'\n",
            "crore.toml:1:7: unknown value `xml`\n  |\n1 | log = 'xml'\n  |       ^^^^^\n  = known \
             here: none, combined, json",
        ),
        (
            "listen = ['127.0.0.1:80', 'localhost:81']\n",
            "crore.toml:1:27: `localhost:81` is not an address: names are not looked up; write \
             127.0.0.1:81 or [::1]:81\n  |\n1 | listen = ['127.0.0.1:80', 'localhost:81']\n  \
             |                           ^^^^^^^^^^^^^^",
        ),
        (
            "shards = 1\nshards = 2\n",
            "crore.toml:2:1: duplicate key\n  |\n2 | shards = 2\n  | ^^^^^^",
        ),
        ("shards = \"1\n", "crore.toml:1:12: invalid basic string, expected `\"`"),
    ] {
        let said = Toml::new(text).complaint();
        assert!(said.starts_with(complaint), "{said}\nis not\n{complaint}");
    }
}

#[test]
fn a_file_that_is_not_one_is_refused() {
    let file = Toml::new("");
    fs::write(&file.path, b"\xff\xfe").unwrap();
    assert!(file.complaint().contains("is not UTF-8 text"));
    fs::remove_file(&file.path).unwrap();
    assert!(file.complaint().contains("cannot be read: No such file"));
    let folder = Sources::new(flags(&[]), Some(file.folder().to_owned()), no_variables).unwrap();
    assert!(folder.read().unwrap_err().to_string().contains("cannot be read"));
}

#[test]
fn problems_in_a_variable_name_it_and_its_value() {
    for (name, value, complaint) in [
        ("CRORE_SHARDS", "many", "CRORE_SHARDS=many: expected a whole number"),
        ("CRORE_NET", "epol", "CRORE_NET=epol: unknown value `epol`; did you mean `epoll`?"),
        ("CRORE_DRAIN", "30", "CRORE_DRAIN=30: the unit is missing; write 30s or 30ms"),
        ("CRORE_LOG", "", "CRORE_LOG=: a value is missing"),
        ("CRORE_LISTEN", "80", "CRORE_LISTEN=80: `80` is not an address: write 0.0.0.0:80"),
    ] {
        let lookup = |wanted: &str| (wanted == name).then(|| OsString::from(value));
        let said = Sources::new(flags(&[]), None, lookup).unwrap_err().to_string();
        assert!(said.starts_with(complaint), "{said}\nis not\n{complaint}");
    }
}

#[test]
fn a_misspelt_variable_is_noticed_and_a_foreign_one_is_not() {
    let set = ["CRORE_LISTN", "CRORE_SERVICE_HOST", "CRORE_LISTEN", "PATH", "CRORE_CONFIG"];
    let noticed = misspelt_variables(set.iter().map(ToString::to_string));
    assert_eq!(noticed, [("CRORE_LISTN".to_owned(), "CRORE_LISTEN".to_owned())]);
}

#[test]
fn values_at_odds_with_each_other_are_refused_where_they_stand() {
    for (text, complaint) in [
        ("[limits]\nheader-lines = 129\n", "crore.toml:2:16: at most 128 are possible"),
        ("[limits]\nheader-bytes = '2MiB'\n", "crore.toml:2:16: at most 1MiB is possible"),
        ("net = 'tap:t0'\n", "crore.toml:1:7: crore's own stack needs an address"),
        ("address = '10.0.0.2/24'\n", "crore.toml:1:11: the kernel's stack has its own"),
        ("gateway = '10.0.0.1'\n", "crore.toml:1:11: the kernel's stack has its own"),
    ] {
        let file = Toml::new(text);
        let sources = file.sources();
        let given = sources.read().unwrap();
        let checked = Settings::new(&given).and_then(|settings| settings.check_link(&given));
        let said = checked.unwrap_err().to_string();
        assert!(said.contains(complaint), "{said}");
    }
}

#[test]
fn a_folder_that_no_host_would_serve_is_refused() {
    let file = Toml::new("[[host]]\nnames = ['a.example']\nroot = 'a'\n");
    let sources = Sources::new(flag("root"), Some(file.path.clone()), no_variables).unwrap();
    let said = sources.read().unwrap_err().to_string();
    assert!(said.starts_with("DIR: every [[host]]"), "{said}");
}

#[test]
fn what_is_wrong_with_the_site_has_its_place() {
    let file = Toml::new("[[host]]\nnames = ['a.example']\n[[host.rule]]\npth = '/x'\n");
    assert!(file.complaint().starts_with("crore.toml:4:1: unknown setting `pth`"));
    let file = Toml::new("[site]\nthreads = 0\n");
    let sources = file.sources();
    let given = sources.read().unwrap();
    let problems = given.site_problems(given.site.check().unwrap_err());
    assert!(problems[0].to_string().contains("crore.toml:2:11: "), "{}", problems[0]);
}

/// Whoever adds a setting and forgets its default gets a panic at start; this finds it first. The
/// defaults that help shows are those of the protocol.
#[test]
fn whatever_is_not_optional_has_a_default() {
    let sources = no_sources();
    let settings = Settings::new(&sources.read().unwrap()).unwrap();
    assert_eq!(settings.http, http::Settings::default());
}

#[test]
fn our_own_stack_listens_on_its_own_addresses_unless_told_otherwise() {
    let start = "net = 'tap:t0'\naddress = ['10.0.0.2/24', 'fd00::2/64']\n";
    for (listen, expected) in
        [("", &["10.0.0.2:8080", "[fd00::2]:8080"][..]), ("listen = '[::]:80'\n", &["[::]:80"])]
    {
        let file = Toml::new(&format!("{start}{listen}"));
        let sources = file.sources();
        let settings = Settings::new(&sources.read().unwrap()).unwrap();
        let found: Vec<String> = settings.listen.iter().map(ToString::to_string).collect();
        assert_eq!(found, expected);
    }
}

/// What address will be leased nobody knows yet.
#[test]
fn a_leased_address_is_listened_on_as_one_of_its_family() {
    let file = Toml::new("net = 'tap:t0'\naddress = ['dhcp', 'fd00::2/64']\n");
    let sources = file.sources();
    let settings = Settings::new(&sources.read().unwrap()).unwrap();
    let found: Vec<String> = settings.listen.iter().map(ToString::to_string).collect();
    assert_eq!(found, ["0.0.0.0:8080", "[fd00::2]:8080"]);
}
