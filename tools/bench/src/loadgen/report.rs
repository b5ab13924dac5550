//! The result of a run: a line of JSON, and the file of times.
use std::io;
use std::path::Path;

use sinkd_bench::system::CpuSeconds;

use super::options::Options;
use super::tally::{MessageTimes, Tally};

/// Returns the result as one line of JSON, without its LF. `cpu` is what the run used.
pub fn json(options: &Options, tally: &Tally, cpu: CpuSeconds) -> String {
    let seconds = tally.ended_ns.saturating_sub(tally.started_ns) as f64 / 1e9;
    let per_second = |amount: f64| if seconds > 0.0 { amount / seconds } else { 0.0 };
    let per_message = |calls: u64| match tally.messages {
        0 => 0.0,
        messages => calls as f64 / messages as f64,
    };
    let latency_us = |quantile| tally.latency_us.value_at_quantile(quantile);
    format!(
        "{{\"event\":\"result\",\"mode\":\"{:?}\",\"conns\":{},\"msgs\":{},\"secs\":{:.4},\"msg_s\":{:.1},\"mb_s\":{:.2},\
         \"content_bytes\":{},\"wire_bytes\":{},\"errors\":{},\"first_error\":\"{}\",\"unsupported\":{},\"connects\":{},\
         \"p50_us\":{},\"p99_us\":{},\"p999_us\":{},\"max_us\":{},\"cpu_user\":{:.3},\"cpu_sys\":{:.3},\
         \"send_per_msg\":{:.2},\"recv_per_msg\":{:.2},\"wait_per_msg\":{:.2}}}",
        options.mode,
        options.connections,
        tally.messages,
        seconds,
        per_second(tally.messages as f64),
        per_second(tally.content_bytes as f64) / 1e6,
        tally.content_bytes,
        tally.wire_bytes,
        tally.errors,
        without_escapes(tally.first_error.as_deref().unwrap_or_default()),
        tally.lacks_extension,
        tally.connects,
        latency_us(0.5),
        latency_us(0.99),
        latency_us(0.999),
        tally.latency_us.max(),
        cpu.user,
        cpu.system,
        per_message(tally.calls.sends),
        per_message(tally.calls.receives),
        per_message(tally.calls.waits),
    )
}

/// Returns `text` with other characters for those that a JSON string would need to escape, of those
/// that errors have.
fn without_escapes(text: &str) -> String {
    text.replace(['"', '\\'], "'").replace(['\r', '\n'], " ")
}

/// Writes both times of each message, in the order in which messages were accepted.
pub fn write_times(path: &Path, times: &[MessageTimes]) -> io::Result<()> {
    let both = times.iter().flat_map(|times| [times.begun_ns, times.accepted_ns]);
    let octets: Vec<u8> = both.flat_map(u64::to_le_bytes).collect();
    std::fs::write(path, octets)
}

#[cfg(test)]
mod tests {
    use super::super::options::{Request, parse};
    use super::*;

    #[test]
    fn a_result_has_the_keys_that_run_py_reads() {
        let line = "--port 25 --messages 2 --conns 3";
        let Ok(Request::Run(options)) = parse(line.split(' ').map(str::to_owned)) else {
            panic!("{line}");
        };
        let mut tally = Tally::new(&options);
        tally.failed("Mail: 452 \"Full\"\r\n".into());
        tally.messages = 2;
        tally.content_bytes = 4_000_000;
        tally.calls.sends = 3;
        tally.ended_ns = 500_000_000;
        let cpu = CpuSeconds { user: 0.25, system: 1.0 };
        let expected = "{\"event\":\"result\",\"mode\":\"Plain\",\"conns\":3,\"msgs\":2,\"secs\":0.5000,\
            \"msg_s\":4.0,\"mb_s\":8.00,\"content_bytes\":4000000,\"wire_bytes\":0,\"errors\":1,\
            \"first_error\":\"Mail: 452 'Full'  \",\"unsupported\":false,\"connects\":0,\"p50_us\":0,\
            \"p99_us\":0,\"p999_us\":0,\"max_us\":0,\"cpu_user\":0.250,\"cpu_sys\":1.000,\
            \"send_per_msg\":1.50,\"recv_per_msg\":0.00,\"wait_per_msg\":0.00}";
        assert_eq!(json(&options, &tally, cpu), expected);
    }
}
