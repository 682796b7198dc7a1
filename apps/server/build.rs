//! Builds again when a page is added: the files that are there are watched by the compiler.

fn main() {
    println!("cargo::rerun-if-changed=../../web");
}
