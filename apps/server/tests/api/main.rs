//! The real server on a free port, met by a real client, with a model that is easy to foresee.

mod access;
mod bad_input;
mod batching;
mod deepl;
mod detect;
mod deepl_documents;
mod document_helpers;
mod documents;
mod gorse;
mod harness;
mod html;
mod languages;
mod model;
mod operation;
mod pages;
mod suggest;
mod wire;
mod attacks;
mod translate;
