//! The suite as users meet it: the real binary, its commands and its server.

mod fixture;
