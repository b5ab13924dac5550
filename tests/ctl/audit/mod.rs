//! `sinkctl audit` over a real sinkd: it reports what is wrong and nothing else, and says when it
//! cannot decide.
mod campaign;
mod doubts;
mod faults;
mod kill;
mod lists;
mod logs;
mod random;
