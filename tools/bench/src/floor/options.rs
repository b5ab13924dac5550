//! The command line of floor.
use std::path::PathBuf;
use std::str::FromStr;

pub const USAGE: &str = "\
floor --port P [options]          (127.0.0.1 only)
  --dir DIR        folder for what is stored                  [.]
  --store ring|copy|append|pwrite|batch|discard               [ring]
  --prefault none|inline|thread|recycle   append: where page faults are taken  [none]
  --seg-mb N       MiB of a segment                           [512]
  --rbuf BYTES     bytes of one receive                       [262144]
  --cc NAME        TCP congestion control                     [the system's]
  --keep           segments are not unlinked
  --extra-recv     receive until the socket has nothing
  --split-replies  one send for each reply
  --crc            CRC-32C of all input with payload
";

/// Where payload goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreKind {
    Ring,
    Copy,
    Append,
    Pwrite,
    Batch,
    Discard,
}

/// Where the page faults of a new segment are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prefault {
    /// While receiving.
    None,
    /// By the event loop, when it creates the segment.
    Inline,
    /// By a thread, ahead.
    Thread,
    /// By a thread, which uses old segments again.
    Recycle,
}

/// What happens to the file of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Files {
    /// It stays, as in a log.
    Kept,
    /// It is unlinked when it is created, which bounds the use of the disk.
    Unlinked,
}

/// When receiving from a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Receiving {
    /// After a receive of fewer bytes than requested, which has emptied the socket (epoll(7)).
    UntilShort,
    /// After EAGAIN: one more call, as most event loops do.
    UntilEmpty,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sending {
    /// All replies to a read in one call.
    Together,
    /// Each in a call of its own.
    Split,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksum {
    Off,
    Crc32c,
}

#[derive(Debug)]
pub struct Options {
    pub port: u16,
    pub folder: PathBuf,
    pub store: StoreKind,
    pub prefault: Prefault,
    pub segment_bytes: usize,
    pub receive_bytes: usize,
    /// `None`: the system's.
    pub congestion_control: Option<String>,
    pub files: Files,
    pub receiving: Receiving,
    pub sending: Sending,
    pub checksum: Checksum,
}

/// Parses the arguments after the name of the program. Errors are sentences for the user.
pub fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options {
        port: 0,
        folder: PathBuf::from("."),
        store: StoreKind::Ring,
        prefault: Prefault::None,
        segment_bytes: 512 << 20,
        receive_bytes: 256 << 10,
        congestion_control: None,
        files: Files::Unlinked,
        receiving: Receiving::UntilShort,
        sending: Sending::Together,
        checksum: Checksum::Off,
    };
    while let Some(flag) = arguments.next() {
        match flag.as_str() {
            "--keep" => options.files = Files::Kept,
            "--extra-recv" => options.receiving = Receiving::UntilEmpty,
            "--split-replies" => options.sending = Sending::Split,
            "--crc" => options.checksum = Checksum::Crc32c,
            _ => {
                let value = arguments.next().ok_or_else(|| format!("usage: {USAGE}"))?;
                options.set(&flag, value)?;
            }
        }
    }
    Ok(options)
}

impl Options {
    fn set(&mut self, flag: &str, value: String) -> Result<(), String> {
        match flag {
            "--port" => self.port = number(flag, &value)?,
            "--dir" => self.folder = PathBuf::from(value),
            "--cc" => self.congestion_control = Some(value).filter(|name| !name.is_empty()),
            "--seg-mb" => self.segment_bytes = number::<usize>(flag, &value)? << 20,
            "--rbuf" => self.receive_bytes = number(flag, &value)?,
            "--store" => self.store = store(&value)?,
            "--prefault" => self.prefault = prefault(&value)?,
            _ => return Err(format!("usage: {USAGE}")),
        }
        Ok(())
    }
}

fn number<N: FromStr>(flag: &str, value: &str) -> Result<N, String> {
    value.parse().map_err(|_| format!("bad value for {flag}: {value}"))
}

fn store(value: &str) -> Result<StoreKind, String> {
    Ok(match value {
        "ring" => StoreKind::Ring,
        "copy" => StoreKind::Copy,
        "append" => StoreKind::Append,
        "pwrite" => StoreKind::Pwrite,
        "batch" => StoreKind::Batch,
        "discard" => StoreKind::Discard,
        _ => return Err("--store ring|copy|append|pwrite|batch|discard".into()),
    })
}

fn prefault(value: &str) -> Result<Prefault, String> {
    Ok(match value {
        "none" => Prefault::None,
        "inline" => Prefault::Inline,
        "thread" => Prefault::Thread,
        "recycle" => Prefault::Recycle,
        _ => return Err("--prefault none|inline|thread|recycle".into()),
    })
}
