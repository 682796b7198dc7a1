//! The suite as users meet it.

fn main() {}
