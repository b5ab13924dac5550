//! How the loads reach the sink.
use std::net::SocketAddr;
use std::sync::Arc;

use sinkd::sender::SendingTls;
use sinkd::smtp::client::StartTls;
use sinkd::smtp::sasl::Account;
use sinkd::tls::CertificateFolder;

use super::load::Load;
use super::measured_sink::MeasuredSink;
use super::options::Calibrate;

/// How to reach the sink: its address, the account and TLS.
pub struct TargetAccess {
    pub address: SocketAddr,
    pub account: Option<Arc<Account>>,
    pub start_tls: StartTls,
    pub tls: Option<SendingTls>,
}

impl TargetAccess {
    pub fn to(
        sink: &MeasuredSink<'_>,
        calibrate: &Calibrate,
        account: Option<Arc<Account>>,
    ) -> anyhow::Result<TargetAccess> {
        let mut encryption = calibrate.encryption.clone();
        if let MeasuredSink::Own(sinkd) = sink
            && encryption.wants_ca()
        {
            encryption.ca = Some(CertificateFolder::in_data_folder(sinkd.folder.path()).ca_path());
        }
        let address = sink.address();
        let tls = encryption.named(&address.ip().to_string())?;
        Ok(TargetAccess { address, account, start_tls: encryption.start_tls(), tls })
    }

    /// Returns the name of a load that is sent with this access.
    pub fn name(&self, load: &Load) -> String {
        let tls = if self.tls.is_some() { ", TLS" } else { "" };
        format!("{}{tls}", load.name)
    }
}
