//! The cores that this process may use.

/// Returns the number of threads that this process can run at once, as its CPU set and its cgroup
/// allow; 1 if the system does not say. Reads files on Linux (µs), so it is not for loops.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get())
}
