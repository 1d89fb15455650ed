//! Time and how a bench is called; shared by all of them.

pub(crate) use rustix::time::ClockId;

/// Seconds on one of the system's clocks. Processor time (of the thread, of the process) leaves
/// out what other processes do meanwhile; the wall's time does not.
pub(crate) fn seconds(clock: ClockId) -> f64 {
    let time = rustix::time::clock_gettime(clock);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

/// Tells whether to run once on little input only, to see that it works: `-- --test`.
pub(crate) fn is_test() -> bool {
    std::env::args().any(|word| word == "--test")
}
