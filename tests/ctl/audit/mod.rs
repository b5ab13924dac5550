//! `sinkctl audit` over a real sinkd: it names what is wrong, that alone, and says when it cannot
//! tell.
mod campaign;
mod doubts;
mod faults;
mod kill;
mod lists;
mod logs;
mod random;
