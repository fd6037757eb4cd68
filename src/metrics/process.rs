//! The process: the metrics `process_*` that every Prometheus client has, from /proc (proc(5)).

use std::fs;

use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

use super::text::Text;

/// Writes what is known; where there is no /proc, nothing.
pub fn write(text: &mut Text) {
    text.unprefixed(|text| {
        if let Some(stat) = Stat::read() {
            text.count("process_cpu_seconds", "Total user and system CPU time spent in seconds.", stat.cpu);
            text.number("process_resident_memory_bytes", "Resident memory size in bytes.", stat.resident);
            text.number("process_virtual_memory_bytes", "Virtual memory size in bytes.", stat.virtual_);
            text.number("process_threads", "Number of threads.", stat.threads);
            if let Some(start) = stat.start {
                let help = "Start time of the process since unix epoch in seconds.";
                text.number("process_start_time_seconds", help, start);
            }
        }
        if let Ok(open) = fs::read_dir("/proc/self/fd") {
            // One of them is that of the folder.
            let open = open.count().saturating_sub(1);
            text.number("process_open_fds", "Number of open file descriptors.", open);
        }
        if let Some(most) = getrlimit(Resource::Nofile).current {
            text.number("process_max_fds", "Maximum number of open file descriptors.", most);
        }
    });
}

/// `/proc/self/stat`
#[derive(Debug, PartialEq)]
struct Stat {
    cpu: f64,
    threads: u64,
    /// Seconds since 1970.
    start: Option<f64>,
    virtual_: u64,
    resident: u64,
}

impl Stat {
    fn read() -> Option<Self> {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        let machine = fs::read_to_string("/proc/stat").unwrap_or_default();
        Self::parse(&stat, &machine, clock_ticks_per_second(), page_size() as u64)
    }

    fn parse(stat: &str, machine: &str, ticks: u64, page: u64) -> Option<Self> {
        // The name may hold blanks and brackets; what follows the last one is field 3.
        let (_, fields) = stat.rsplit_once(") ")?;
        let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        #[expect(clippy::cast_precision_loss, reason = "285 years, to a hundredth of a second")]
        let seconds = |count: u64| count as f64 / ticks.max(1) as f64;
        let booted = machine.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse::<f64>().ok());
        let started = field(22)?;
        Some(Self {
            cpu: seconds(field(14)? + field(15)?),
            threads: field(20)?,
            start: booted.map(|booted| booted + seconds(started)),
            virtual_: field(23)?,
            resident: field(24)? * page,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_are_those_of_proc() {
        let stat = "42 (a ) b) S 1 42 42 0 -1 4194560 100 0 1 0 150 50 0 0 20 0 7 0 1234 5000000 300 18446744073709551615 1 1";
        let machine = "cpu  1 2 3\nbtime 1700000000\nprocesses 5\n";
        let want = Stat {
            cpu: 2.0,
            threads: 7,
            start: Some(1_700_000_012.34),
            virtual_: 5_000_000,
            resident: 300 * 4096,
        };
        assert_eq!(Stat::parse(stat, machine, 100, 4096), Some(want));
        assert_eq!(Stat::parse("42 (short) S 1", "", 100, 4096), None);
        assert!(Stat::read().is_some_and(|stat| stat.resident > 0 && stat.threads > 0));
    }
}
