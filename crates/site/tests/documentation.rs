//! What docs/configuration.md shows about what is served can be written like that.

use site::Config;

const DOCUMENT: &str = include_str!("../../../docs/configuration.md");

/// The TOML examples of the part about what is served.
fn examples() -> Vec<&'static str> {
    let (_, part) = DOCUMENT.split_once("\n## What is served, by example\n").unwrap();
    let part = part.split("\n## ").next().unwrap();
    part.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

#[test]
fn every_example_is_understood_and_makes_sense() {
    let examples = examples();
    assert!(examples.len() >= 6, "{examples:?}");
    for example in examples {
        let config: Config =
            toml::from_str(example).unwrap_or_else(|error| panic!("{error}\n{example}"));
        config.check().unwrap_or_else(|errors| panic!("{errors}\n{example}"));
    }
}

/// The defaults shown are those that hold.
#[test]
fn defaults_are_as_documented() {
    let shown: Config = toml::from_str(
        &examples()
            .into_iter()
            .filter(|example| example.contains("brotli =") || example.contains("threads ="))
            .collect::<String>(),
    )
    .unwrap();
    let default = Config::default();
    assert_eq!(format!("{:?}", plain(&shown)), format!("{:?}", plain(&default)));
}

/// All values of `[site]`, without where they stand.
fn plain(config: &Config) -> impl std::fmt::Debug {
    let site = &config.site;
    let compression = &site.compression;
    let level =
        |level: &Option<site::config::Spanned<u8>>| level.as_ref().map(|level| *level.get_ref());
    (
        (*site.cache_bytes.get_ref(), *site.open_files.get_ref()),
        (*site.threads.get_ref(), *site.queue.get_ref()),
        (compression.enabled, compression.precompressed),
        (compression.min_bytes, compression.max_bytes, compression.cache_bytes),
        (level(&compression.brotli), level(&compression.zstd), level(&compression.gzip)),
    )
}
