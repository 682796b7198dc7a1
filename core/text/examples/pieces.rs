//! Prints the pieces of each line of the standard input: `cargo run -p dragoman-text --example pieces en`.

use std::io::BufRead;

fn main() {
    let language = std::env::args().nth(1).unwrap_or_else(|| "en".to_owned());
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        println!("{line}");
        for piece in dragoman_text::pieces::find(&line, &language) {
            println!("    {:?} {:?} {:?}", piece.kind, piece.carry, &line[piece.at]);
        }
    }
}
