//! The table of docs/sim.md: what it says is what is measured, and is near what the model says.

use std::sync::OnceLock;

use sim::Throughput;

const DOCUMENT: &str = include_str!("../../../docs/sim.md");

fn rows() -> &'static [Throughput] {
    static ROWS: OnceLock<Vec<Throughput>> = OnceLock::new();
    ROWS.get_or_init(|| sim::throughput_under_loss().unwrap_or_else(|failure| panic!("{failure}")))
}

#[test]
fn throughput_under_loss_is_near_the_model() {
    for row in rows() {
        let ratio = row.measured / row.model;
        assert!((0.6..1.6).contains(&ratio), "{ratio:.2}: {row:?}");
    }
}

#[test]
fn the_table_in_the_documentation_is_what_is_measured() {
    let table = sim::throughput_table(rows());
    assert!(DOCUMENT.contains(&table), "docs/sim.md should say:\n{table}");
}
