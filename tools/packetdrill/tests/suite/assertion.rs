//! `assert a == b and c < d, message`, over the fields of TCP_INFO. Invariant: an expression that is
//! not understood fails.

use std::collections::BTreeMap;

/// Fields of `struct tcp_info` with their offsets and sizes.
const FIELDS: &[(&str, usize, usize)] = &[
    ("tcpi_state", 0, 1),
    ("tcpi_ca_state", 1, 1),
    ("tcpi_retransmits", 2, 1),
    ("tcpi_probes", 3, 1),
    ("tcpi_backoff", 4, 1),
    ("tcpi_options", 5, 1),
    ("tcpi_rto", 8, 4),
    ("tcpi_snd_mss", 16, 4),
    ("tcpi_rcv_mss", 20, 4),
    ("tcpi_unacked", 24, 4),
    ("tcpi_sacked", 28, 4),
    ("tcpi_lost", 32, 4),
    ("tcpi_retrans", 36, 4),
    ("tcpi_last_data_sent", 44, 4),
    ("tcpi_last_data_recv", 52, 4),
    ("tcpi_last_ack_recv", 56, 4),
    ("tcpi_rtt", 68, 4),
    ("tcpi_rttvar", 72, 4),
    ("tcpi_snd_ssthresh", 76, 4),
    ("tcpi_snd_cwnd", 80, 4),
    ("tcpi_total_retrans", 100, 4),
    ("tcpi_bytes_acked", 120, 8),
    ("tcpi_bytes_received", 128, 8),
    ("tcpi_notsent_bytes", 144, 4),
    ("tcpi_min_rtt", 148, 4),
    ("tcpi_data_segs_in", 152, 4),
    ("tcpi_data_segs_out", 156, 4),
    ("tcpi_busy_time", 168, 8),
    ("tcpi_rwnd_limited", 176, 8),
    ("tcpi_sndbuf_limited", 184, 8),
    ("tcpi_delivered", 192, 4),
    ("tcpi_bytes_sent", 200, 8),
    ("tcpi_bytes_retrans", 208, 8),
];

const SYMBOLS: &[(&str, i64)] = &[
    ("TCP_ESTABLISHED", 1),
    ("TCP_SYN_SENT", 2),
    ("TCP_FIN_WAIT1", 4),
    ("TCP_FIN_WAIT2", 5),
    ("TCP_TIME_WAIT", 6),
    ("TCP_CLOSE", 7),
    ("TCP_CLOSE_WAIT", 8),
    ("TCP_LAST_ACK", 9),
    ("TCP_LISTEN", 10),
    ("TCP_CA_Open", 0),
    ("TCP_CA_Disorder", 1),
    ("TCP_CA_CWR", 2),
    ("TCP_CA_Recovery", 3),
    ("TCP_CA_Loss", 4),
    ("TCPI_OPT_TIMESTAMPS", 1),
    ("TCPI_OPT_SACK", 2),
    ("TCPI_OPT_WSCALE", 4),
    ("TCPI_OPT_ECN", 8),
];

/// Checks every assertion of `code` against a TCP_INFO.
pub fn check(code: &str, info: &[u8]) -> Result<(), String> {
    let mut names: BTreeMap<&str, i64> = SYMBOLS.iter().copied().collect();
    for (name, at, size) in FIELDS {
        let mut bytes = [0; 8];
        bytes[..*size].copy_from_slice(&info[*at..at + size]);
        names.insert(name, i64::from_ne_bytes(bytes));
    }
    let code = code.replace("\\\n", " ");
    for line in code.split(['\n', ';']).map(str::trim).filter(|line| !line.is_empty()) {
        let line = line.strip_prefix("assert").ok_or_else(|| format!("{line}: not understood"))?;
        let condition = line.split(',').next().unwrap_or_default().trim();
        for part in condition.split(" and ") {
            if !holds(part, &names)? {
                let seen = line.split(|c: char| !c.is_alphanumeric() && c != '_');
                let seen: Vec<_> =
                    seen.filter_map(|name| Some((name, *names.get(name)?))).collect();
                return Err(format!("assert {part}: {seen:?}"));
            }
        }
    }
    Ok(())
}

/// `a == b`, `a <= b <= c` and the like.
fn holds(text: &str, names: &BTreeMap<&str, i64>) -> Result<bool, String> {
    const OPERATORS: [&str; 6] = ["==", "!=", "<=", ">=", "<", ">"];
    let mut rest = text.trim();
    let mut left: Option<(i64, &str)> = None;
    loop {
        let next = OPERATORS
            .iter()
            .filter_map(|operator| rest.find(operator).map(|at| (at, *operator)))
            .min_by_key(|(at, operator)| (*at, 2 - operator.len()));
        let (word, operator, after) = match next {
            Some((at, operator)) => (&rest[..at], operator, &rest[at + operator.len()..]),
            None => (rest, "", ""),
        };
        let right = term(word, names)?;
        let fails = left.is_some_and(|(left, operator)| !match operator {
            "==" => left == right,
            "!=" => left != right,
            "<=" => left <= right,
            ">=" => left >= right,
            "<" => left < right,
            _ => left > right,
        });
        if fails {
            return Ok(false);
        }
        if operator.is_empty() {
            return Ok(true);
        }
        left = Some((right, operator));
        rest = after;
    }
}

fn term(text: &str, names: &BTreeMap<&str, i64>) -> Result<i64, String> {
    let text = text.trim().trim_matches(['(', ')']);
    let mut all = 0;
    for word in text.split('|').map(str::trim) {
        let known = names.get(word).copied().or_else(|| word.parse().ok());
        all |= known.ok_or_else(|| format!("{word}: not understood"))?;
    }
    Ok(all)
}
