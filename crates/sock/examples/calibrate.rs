//! Says which engine is faster on this machine, and by how much.

fn main() {
    println!("{}", sock::choose());
}
