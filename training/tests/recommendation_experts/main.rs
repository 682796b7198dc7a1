//! Experts that come to a finished model that recommends.

mod shop;

mod catalogue;
mod segment;
