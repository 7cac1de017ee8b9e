//! All latencies, span by span, in the log format of HdrHistogram, which its viewers read. Values are
//! nanoseconds, the greatest of each span in milliseconds, as is the custom.

use std::time::{Duration, SystemTime};

use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};

use super::super::figures::Figures;

/// The log.
///
/// # Errors
/// When a histogram cannot be written, which has no reason to happen.
pub fn hdr(began: SystemTime, phases: &[Figures]) -> Result<Vec<u8>, String> {
    let mut log = Vec::new();
    let mut serializer = V2DeflateSerializer::new();
    let mut builder = IntervalLogWriterBuilder::new();
    builder.add_comment(concat!("[Logged with crore ", env!("CARGO_PKG_VERSION"), "]"));
    builder.with_start_time(began).with_base_time(began).with_max_value_divisor(1e6);
    let mut writer =
        builder.begin_log_with(&mut log, &mut serializer).map_err(|error| error.to_string())?;
    let mut start = Duration::ZERO;
    for figures in phases {
        // With one phase no tag: viewers then show it without being asked to.
        let name = figures.name.replace([' ', ',', '\n', '\r'], "-");
        let tag = if phases.len() > 1 { Tag::new(&name) } else { None };
        for (index, packed) in &figures.spans {
            let from = start + figures.span * *index;
            let latency = packed.unpack().unwrap_or_default();
            writer
                .write_histogram(latency.histogram(), from, figures.span, tag)
                .map_err(|error| format!("{error:?}"))?;
        }
        start += Duration::from_secs_f64(figures.seconds);
    }
    Ok(log)
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use hdrhistogram::Histogram;
    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
    use load::Times;

    use super::super::super::figures::Figures;
    use super::hdr;

    #[test]
    fn the_log_reads_back_as_what_was_counted() {
        let mut figures = Figures { span: std::time::Duration::from_secs(1), ..Figures::default() };
        for index in 0..3_u32 {
            let mut times = Times::default();
            for time in 1..=100 {
                times.record(time * 1_000 * u64::from(index + 1));
            }
            figures.spans.insert(index, times.pack());
        }
        let log = hdr(SystemTime::now(), &[figures]).unwrap();
        let spans: Vec<_> = IntervalLogIterator::new(&log)
            .filter_map(|entry| match entry.unwrap() {
                LogEntry::Interval(span) => {
                    Some((span.start_timestamp(), span.encoded_histogram()))
                }
                _ => None,
            })
            .collect();
        assert_eq!(spans.len(), 3);
        for (index, (start, encoded)) in spans.into_iter().enumerate() {
            assert_eq!(start.as_secs(), index as u64);
            let bytes = base64::Engine::decode(&base64::prelude::BASE64_STANDARD, encoded).unwrap();
            let read: Histogram<u64> = Deserializer::new().deserialize(&mut &bytes[..]).unwrap();
            assert_eq!(read.len(), 100);
            let max = 100_000 * (index as u64 + 1);
            assert!(read.max().abs_diff(max) < max / 500, "{}", read.max());
        }
    }
}
