//! `sinkctl blast` and `sinkctl replay` towards servers that limit, turn away, vanish or mislead:
//! what they say, and with which exit code.

mod auth;
mod safety;
mod success;
mod target;
mod tls;
mod turned_away;
