//! The SQL is compiled in; a changed or added file must lead to a new build.

fn main() {
    println!("cargo:rerun-if-changed=sql");
}
