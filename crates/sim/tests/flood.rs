//! A flood of SYNs beside an honest client.

#[test]
fn a_flood_of_syns_leaves_an_honest_client_nine_tenths() {
    let goodput = sim::goodput_under_flood().unwrap_or_else(|failure| panic!("{failure}"));
    assert!(goodput.without > 1_000_000, "{goodput:?}");
    assert!(goodput.beside * 10 >= goodput.without * 9, "{goodput:?}");
}
