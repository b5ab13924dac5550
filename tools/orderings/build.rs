//! Has gate.rs use the atomics of loom.
fn main() {
    println!("cargo::rustc-cfg=sinkd_loom");
}
