//! Floor 5: what a person sees while something runs: a bar on a terminal, a plain line every few seconds elsewhere.

use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Time between two plain lines.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// `-v` and `-q`.
#[derive(clap::Args, Clone, Copy, Debug, Default)]
pub struct Verbosity {
    /// Say more: one line per logged step.
    #[arg(short, long, conflicts_with = "quiet")]
    pub verbose: bool,
    /// Say only results and errors.
    #[arg(short, long)]
    pub quiet: bool,
}

/// Progress of one task with a known number of steps. It prints to standard error.
#[derive(Debug)]
pub struct Console {
    verbosity: Verbosity,
    bar: Option<ProgressBar>,
    unit: &'static str,
    n_total: u64,
    started_at: (Instant, u64),
    last_line: Instant,
}

impl Console {
    /// Starts at `done` of `n_total` things called `unit`.
    pub fn new(verbosity: Verbosity, unit: &'static str, done: u64, n_total: u64) -> Self {
        let bar = (stderr().is_terminal() && !verbosity.quiet).then(|| {
            let style =
                ProgressStyle::with_template("{wide_bar} {pos}/{len} {elapsed} left {eta} {msg}")
                    .unwrap_or_else(|_| ProgressStyle::default_bar());
            let target = ProgressDrawTarget::stderr();
            let bar = ProgressBar::with_draw_target(Some(n_total), target).with_style(style);
            bar.set_position(done);
            bar.reset_eta();
            bar
        });
        let now = Instant::now();
        Self { verbosity, bar, unit, n_total, started_at: (now, done), last_line: now }
    }

    /// `done` things are done; `what` says more, and is only asked for when it is shown.
    pub fn advance(&mut self, done: u64, what: impl FnOnce() -> String) {
        if let Some(bar) = &self.bar {
            bar.set_position(done);
            bar.set_message(what());
            return;
        }
        if self.verbosity.quiet || self.last_line.elapsed() < LINE_EVERY {
            return;
        }
        self.last_line = Instant::now();
        let (start, done_before) = self.started_at;
        let rate = (done - done_before) as f64 / start.elapsed().as_secs_f64().max(1e-9);
        let left = (self.n_total.saturating_sub(done)) as f64 / rate.max(1e-9);
        eprintln!(
            "{} {done}/{}, {rate:.2}/s, {} left, {}",
            self.unit,
            self.n_total,
            duration_text(left),
            what()
        );
    }

    /// A line that stays, unless quiet.
    pub fn say(&self, line: &str) {
        if !self.verbosity.quiet {
            self.print(line);
        }
    }

    /// A line about what is not as it should be: it stays, quiet or not.
    pub fn warn(&self, line: &str) {
        self.print(&format!("suw-trainer: warning: {line}"));
    }

    /// A line that stays, only with `-v`.
    pub fn say_more(&self, line: &str) {
        if self.verbosity.verbose {
            self.say(line);
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn print(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| eprintln!("{line}")),
            None => eprintln!("{line}"),
        }
    }
}

/// `75 s`, `12 min`, `3.5 h`.
fn duration_text(seconds: f64) -> String {
    if seconds < 120.0 {
        format!("{seconds:.0} s")
    } else if seconds < 7200.0 {
        format!("{:.0} min", seconds / 60.0)
    } else {
        format!("{:.1} h", seconds / 3600.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_short_to_read() {
        assert_eq!(duration_text(75.2), "75 s");
        assert_eq!(duration_text(720.0), "12 min");
        assert_eq!(duration_text(12_600.0), "3.5 h");
    }
}
