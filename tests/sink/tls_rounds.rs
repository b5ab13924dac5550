//! Many handshakes at once: how many handshake steps a round takes, and which clients are still
//! served.
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use sinkd::config::{Config, Tls};
use sinkd::log::LogSettings;
use sinkd::server::by_hand::{Beginning, ByHandSink, SocketEvent, WorkerPlace};
use sinkd::smtp::limits::Protocol;
use sinkd::tls::CertificateFolder;
use sinkd::tls::by_hand::{ClientByHand, ClientOffer};

/// Clients that begin their handshakes at the same time.
const CLIENTS: usize = 100;
/// Maximum handshake steps per round: each costs 80 to 190 µs of a core.
const STEPS_MAX: usize = 4;
/// Steps of one handshake: the client's hello, and its final message.
const STEPS_PER_CLIENT: usize = 2;
/// The constant time of the test: nothing here waits.
const NOW: Duration = Duration::from_secs(1);

struct Client {
    socket: UnixStream,
    place: WorkerPlace,
    tls: ClientByHand,
}

/// Reads everything available.
fn read(socket: &mut UnixStream) -> Vec<u8> {
    let mut octets = Vec::new();
    let error = socket.read_to_end(&mut octets).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    octets
}

/// Connects; returns the client's end of the connection, and its place in `sink`.
fn connect(sink: &mut ByHandSink, beginning: Beginning) -> (UnixStream, WorkerPlace) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    for socket in [&ours, &theirs] {
        socket.set_nonblocking(true).unwrap();
    }
    let place = match beginning {
        Beginning::Greeting => sink.connect(theirs, Protocol::Smtp),
        other => sink.connect_with(theirs, other),
    };
    (ours, place.unwrap())
}

/// Sends `octets` in plain text, and returns the replies of the next rounds.
fn exchange(
    sink: &mut ByHandSink,
    client: &mut (UnixStream, WorkerPlace),
    octets: &[u8],
) -> String {
    client.0.write_all(octets).unwrap();
    sink.ready(client.1, SocketEvent::Plain);
    run_until_idle(sink);
    String::from_utf8(read(&mut client.0)).unwrap()
}

/// Runs rounds until the sink waits for its clients.
fn run_until_idle(sink: &mut ByHandSink) {
    loop {
        sink.round();
        sink.wake(NOW);
        if sink.wait_ms() != Some(0) {
            return;
        }
    }
}

/// Returns a client about to begin its handshake, of which the sink has seen nothing yet.
fn secured_by(sink: &mut ByHandSink, beginning: Beginning, offer: &ClientOffer) -> Client {
    let mut client = connect(sink, beginning);
    if beginning == Beginning::Greeting {
        assert!(String::from_utf8(read(&mut client.0)).unwrap().starts_with("220 "));
        assert!(exchange(sink, &mut client, b"EHLO c\r\n").contains("STARTTLS"));
        assert!(exchange(sink, &mut client, b"STARTTLS\r\n").starts_with("220 "));
    }
    let (socket, place) = client;
    run_until_idle(sink);
    Client { socket, place, tls: offer.client() }
}

impl Client {
    /// Sends pending octets, if any, and makes the kernel's event for them.
    fn send(&mut self, sink: &mut ByHandSink) {
        let octets = self.tls.take_octets();
        if !octets.is_empty() {
            self.socket.write_all(&octets).unwrap();
            sink.ready(self.place, SocketEvent::Plain);
        }
    }

    /// Reads what the sink has sent. Returns whether there was anything.
    fn receive(&mut self) -> bool {
        let octets = read(&mut self.socket);
        self.tls.receive(&octets);
        assert_eq!(self.tls.take_error(), None);
        !octets.is_empty()
    }
}

/// Returns how many handshake steps each round took. In each round, a busy client in plain text was
/// answered, too.
fn steps_by_round(sink: &mut ByHandSink, ca: &Path, beginning: Beginning) -> Vec<usize> {
    let offer = ClientOffer::trusting(ca);
    let mut busy = connect(sink, Beginning::Greeting);
    read(&mut busy.0);
    let mut clients: Vec<Client> =
        (0..CLIENTS).map(|_| secured_by(sink, beginning, &offer)).collect();
    let mut steps = Vec::new();
    while steps.iter().sum::<usize>() < CLIENTS * STEPS_PER_CLIENT {
        clients.iter_mut().for_each(|client| client.send(sink));
        busy.0.write_all(b"NOOP\r\n").unwrap();
        sink.ready(busy.1, SocketEvent::Plain);
        sink.round();
        sink.wake(NOW);
        assert_eq!(read(&mut busy.0), b"250 2.0.0 Ok\r\n", "round {}", steps.len());
        steps.push(clients.iter_mut().map(Client::receive).filter(|has_heard| *has_heard).count());
        assert!(
            steps.len() <= CLIENTS * STEPS_PER_CLIENT,
            "no handshake makes progress: {steps:?}"
        );
    }
    for client in &mut clients {
        assert!(!client.tls.is_handshaking());
        client.tls.send(b"EHLO c\r\n");
        client.send(sink);
        run_until_idle(sink);
        assert!(client.receive());
        let output = String::from_utf8(client.tls.take_content()).unwrap();
        assert!(output.contains("250-"), "{output}");
    }
    steps
}

#[test]
fn a_round_takes_four_handshake_steps_and_answers_all_other_clients() {
    for beginning in [Beginning::Tls, Beginning::Greeting] {
        let data = tempfile::tempdir().unwrap();
        let tls = Tls::Offered.into();
        let config = Config { tls, data: data.path().into(), ..Config::default() };
        let settings = LogSettings::default();
        let (mut sink, _) = ByHandSink::open(data.path(), &config, settings).unwrap();
        sink.wake(NOW);
        let ca = CertificateFolder::in_data_folder(data.path()).ca_path();
        let steps = steps_by_round(&mut sink, &ca, beginning);
        let most = steps.iter().copied().max();
        assert_eq!(most, Some(STEPS_MAX), "{beginning:?}: {steps:?}");
        // The sink is never idle while clients wait.
        let full = steps.iter().filter(|count| **count == STEPS_MAX).count();
        assert_eq!(full, CLIENTS * STEPS_PER_CLIENT / STEPS_MAX, "{beginning:?}: {steps:?}");
    }
}
