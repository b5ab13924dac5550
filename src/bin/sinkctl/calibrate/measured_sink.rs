//! The sinkd that is measured.
use std::net::SocketAddr;
use std::path::Path;

use super::options::Calibrate;
use super::temporary_sinkd::TemporarySinkd;

/// The sinkd to measure.
pub enum MeasuredSink<'a> {
    /// A temporary sinkd, which ends when this value is dropped.
    Own(TemporarySinkd),
    /// A running sinkd at --to, and its data folder.
    Running { address: SocketAddr, folder: &'a Path },
}

impl<'a> MeasuredSink<'a> {
    pub fn of(data: &'a Path, calibrate: &Calibrate) -> anyhow::Result<MeasuredSink<'a>> {
        let Some(address) = calibrate.to else {
            return Ok(MeasuredSink::Own(TemporarySinkd::start(calibrate)?));
        };
        anyhow::ensure!(
            address.ip().is_loopback(),
            "{address}: not on this machine; choose a sinkd on a loopback address, and its folder \
             with --data"
        );
        Ok(MeasuredSink::Running { address, folder: data })
    }

    pub fn address(&self) -> SocketAddr {
        match self {
            MeasuredSink::Own(sinkd) => sinkd.address,
            MeasuredSink::Running { address, .. } => *address,
        }
    }

    pub fn folder(&self) -> &Path {
        match self {
            MeasuredSink::Own(sinkd) => sinkd.folder.path(),
            MeasuredSink::Running { folder, .. } => folder,
        }
    }
}
