//! What the kernel says of processes.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context as _, Result};

/// The kernel counts CPU time and ages in hundredths of a second, whatever the machine.
const TICKS: f64 = 100.0;

/// Memory that a process has, in MiB.
///
/// # Errors
/// When it has ended.
pub fn memory(pid: u32) -> Result<f64> {
    status(pid, "VmRSS:")
}

/// Of a process's memory what is its program's file, in MiB.
///
/// # Errors
/// When it has ended.
pub fn code(pid: u32) -> Result<f64> {
    status(pid, "RssFile:")
}

/// Most memory that a process had since [`forget_peak`], in MiB.
///
/// # Errors
/// When it has ended.
pub fn peak(pid: u32) -> Result<f64> {
    status(pid, "VmHWM:")
}

/// Makes the present memory of a process its peak.
///
/// # Errors
/// When it has ended.
pub fn forget_peak(pid: u32) -> Result<()> {
    let path = format!("/proc/{pid}/clear_refs");
    fs::write(&path, "5").with_context(|| format!("{path} can't be written"))
}

fn status(pid: u32, field: &str) -> Result<f64> {
    let path = format!("/proc/{pid}/status");
    let text = fs::read_to_string(&path).with_context(|| format!("{path}: it ended"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let kibibytes: f64 = kibibytes
        .with_context(|| format!("{path} has no {field}"))?
        .parse()?;
    Ok(kibibytes / 1024.0)
}

/// CPU time that a process has had.
///
/// # Errors
/// When it has ended.
pub fn cpu(pid: u32) -> Result<Duration> {
    let ticks = stat(pid, 13)? + stat(pid, 14)?;
    Ok(Duration::from_secs_f64(ticks / TICKS))
}

/// How long ago a process was started.
///
/// # Errors
/// When it has ended.
pub fn age(pid: u32) -> Result<Duration> {
    let uptime = fs::read_to_string("/proc/uptime")?;
    let uptime: f64 = uptime
        .split_whitespace()
        .next()
        .context("/proc/uptime is empty")?
        .parse()?;
    Ok(Duration::from_secs_f64(
        (uptime - stat(pid, 21)? / TICKS).max(0.0),
    ))
}

/// A field of `/proc/PID/stat`, counted from 0.
fn stat(pid: u32, field: usize) -> Result<f64> {
    let path = format!("/proc/{pid}/stat");
    let text = fs::read_to_string(&path).with_context(|| format!("{path}: it ended"))?;
    // The second field is the program's name in parentheses, which may hold anything.
    let rest = text
        .rsplit_once(')')
        .map(|(_, rest)| rest)
        .context("no name")?;
    let value = rest.split_whitespace().nth(field - 2);
    Ok(value
        .with_context(|| format!("{path} has no field {field}"))?
        .parse()?)
}

/// Processes that name this directory in their command line, the components of a cluster: each with
/// its name.
///
/// # Errors
/// When the list of processes can't be read.
pub fn of_directory(directory: &Path) -> Result<Vec<(String, u32)>> {
    let needle = format!("{}/", directory.display());
    let mut pids = vec![];
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // A process may end while it is looked at.
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line);
        if line.contains(&needle) {
            // A component is named by its first argument, another program by itself.
            let mut words = line.split('\0');
            let program = words.next().unwrap_or_default();
            let program = program.rsplit('/').next().unwrap_or_default();
            let component = words.next().filter(|word| !word.starts_with('-'));
            pids.push((component.unwrap_or(program).to_owned(), pid));
        }
    }
    Ok(pids)
}
