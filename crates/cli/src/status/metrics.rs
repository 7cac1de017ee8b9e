//! `/metrics`: a reading in the OpenMetrics text format, which Prometheus reads.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::board::{Board, Reading, State};
use super::figures::{FIGURES, Figure, Kind};

/// All metrics of `board`.
pub fn write(board: &Board) -> String {
    let mut registry = Registry::with_prefix("crore");
    registry.register_collector(Box::new(Once(board.read())));
    let mut text = String::new();
    // Writing to a string does not fail, and the encoder has no errors of its own.
    let _ = text::encode(&mut text, &registry);
    text
}

/// Gives a reading to the encoder.
#[derive(Debug)]
struct Once(Reading);

impl Collector for Once {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        process(&self.0, &mut encoder)?;
        let mut rest = FIGURES.as_slice();
        while let Some(first) = rest.first() {
            let family = rest.iter().take_while(|figure| figure.name == first.name).count();
            let start = FIGURES.len() - rest.len();
            if self.0.own_stack || !first.is_of_own_stack() {
                figures(&self.0, start, &rest[..family], &mut encoder)?;
            }
            rest = &rest[family..];
        }
        Ok(())
    }
}

/// The figures of one name: one sample for each shard and label.
fn figures(
    reading: &Reading,
    start: usize,
    family: &[Figure],
    encoder: &mut DescriptorEncoder<'_>,
) -> fmt::Result {
    let kind = match family[0].kind {
        Kind::Sum => MetricType::Counter,
        Kind::Level => MetricType::Gauge,
    };
    let mut metric = encoder.encode_descriptor(family[0].name, family[0].help, None, kind)?;
    for shard in &reading.shards {
        for (place, figure) in family.iter().enumerate() {
            let mut labels = vec![("shard", shard.index.to_string())];
            labels.extend(figure.label.map(|(name, value)| (name, value.to_owned())));
            let value = shard.values[start + place];
            let mut sample = metric.encode_family(&labels)?;
            match figure.kind {
                Kind::Sum => sample.encode_counter::<NoLabelSet, _, u64>(&value, None)?,
                Kind::Level => sample.encode_gauge(&(value as f64))?,
            }
        }
    }
    Ok(())
}

/// What is not kept by shard.
fn process(reading: &Reading, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let ready = reading.state == State::Serving;
    let levels = [
        ("ready", "Whether new connections are served", f64::from(u8::from(ready))),
        (
            "max_connections",
            "Connections that may be open at once",
            reading.facts.max_connections.into(),
        ),
        ("uptime_seconds", "Time since the start", reading.uptime.as_secs_f64()),
        (
            "resident_bytes",
            "Memory of the process that is backed by pages",
            reading.resident.unwrap_or(0) as f64,
        ),
    ];
    for (name, help, value) in levels {
        encoder.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&value)?;
    }
    encoder
        .encode_descriptor("cpu_seconds", "CPU time used", None, MetricType::Counter)?
        .encode_counter::<NoLabelSet, _, u64>(&reading.cpu_time.as_secs_f64(), None)?;
    encoder
        .encode_descriptor("build", "What is running", None, MetricType::Info)?
        .encode_info(&[("version", env!("CARGO_PKG_VERSION")), ("engine", reading.facts.engine)])
}
