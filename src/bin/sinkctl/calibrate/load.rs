//! The loads that `sinkctl calibrate` measures.

/// One of the loads to measure.
pub struct Load {
    pub name: &'static str,
    /// Sizes of the messages, in the syntax of `Sizes`.
    pub size: &'static str,
    /// Recipients per message, in the syntax of `PerMessage`.
    pub recipients: &'static str,
    pub connections: usize,
    /// Messages in flight per connection; 1 sends one command per round trip.
    pub depth: usize,
    pub is_chunked: bool,
    /// Messages until a connection is replaced; `None` if none is replaced.
    pub per_connection: Option<u64>,
}

const PLAIN: Load = Load {
    name: "2 KB, 64 connections",
    size: "2K",
    recipients: "1",
    connections: 64,
    depth: 1,
    is_chunked: false,
    per_connection: None,
};

/// All loads, in the order in which they are sent.
pub const LOADS: [Load; 8] = [
    Load { name: "2 KB, one connection", connections: 1, ..PLAIN },
    PLAIN,
    Load { name: "2 KB, 500 connections", connections: 500, ..PLAIN },
    Load { name: "2 KB, a connection each", per_connection: Some(1), ..PLAIN },
    Load { name: "2 KB, pipelined", depth: 2, ..PLAIN },
    Load { name: "2 KB, chunks, 16 in flight", depth: 16, is_chunked: true, ..PLAIN },
    Load { name: "2 KB, 50 recipients, pipelined", recipients: "50", depth: 2, ..PLAIN },
    Load { name: "200 KB, 16 connections", size: "200K", connections: 16, ..PLAIN },
];
