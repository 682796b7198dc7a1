//! Recommendation: the clients of Gorse, a server that is killed, the command line.

mod clients;
mod kill;
mod store;
mod demo;
mod train;
