//! The suite as users meet it: the real binary, its commands and its server.

mod fixture;
mod translate;
mod errors;
mod files;
mod languages;
mod recommend;
mod suggest;
mod serving;
mod deploy;
mod command;
mod folder;
mod expert;
mod models;
mod llm;
mod data;
mod evaluate;
mod train;
mod train_recommendation;
mod help;
mod documents;
mod clients;
mod deepl;
mod memory;
mod quality;
mod web;
mod bundled;
