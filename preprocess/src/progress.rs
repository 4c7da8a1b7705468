//! Floor 4: how far a long command is: a bar on a terminal, one plain line every few seconds elsewhere.

use std::io::{IsTerminal, stderr};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Time between two plain lines.
const LINE_EVERY: Duration = Duration::from_secs(3);

/// How much a command says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loudness {
    /// Errors and results only.
    Quiet,
    /// Progress too.
    Normal,
    /// And each item that was set aside.
    Verbose,
}

/// Progress over a known number of items. Standard error only, so that results can be piped.
pub struct Progress {
    what: &'static str,
    started: Instant,
    shown: Shown,
}

enum Shown {
    Nothing,
    Bar(ProgressBar),
    Lines(Mutex<Instant>),
}

impl Progress {
    /// Progress of `what`, e.g. `"masks"`.
    pub fn new(what: &'static str, loudness: Loudness) -> Self {
        let started = Instant::now();
        let shown = if loudness == Loudness::Quiet {
            Shown::Nothing
        } else if stderr().is_terminal() {
            let style = ProgressStyle::with_template("{prefix} [{bar:30}] {pos}/{len} {msg}")
                .unwrap_or_else(|_| ProgressStyle::default_bar());
            let bar = ProgressBar::new(0).with_style(style).with_prefix(what);
            Shown::Bar(bar)
        } else {
            Shown::Lines(Mutex::new(started))
        };
        Self { what, started, shown }
    }

    /// `done` of `total` items are finished.
    pub fn set(&self, done: usize, total: usize) {
        match &self.shown {
            Shown::Nothing => {}
            Shown::Bar(bar) => {
                bar.set_length(total as u64);
                bar.set_position(done as u64);
                bar.set_message(self.rate(done, total));
            }
            Shown::Lines(last) => {
                let Ok(mut last) = last.lock() else { return };
                if done == total || last.elapsed() >= LINE_EVERY {
                    *last = Instant::now();
                    eprintln!("{}: {done} of {total}, {}", self.what, self.rate(done, total));
                }
            }
        }
    }

    /// Ends a bar, leaving its last state on the screen.
    pub fn finish(&self) {
        if let Shown::Bar(bar) = &self.shown {
            bar.abandon();
        }
    }

    fn rate(&self, done: usize, total: usize) -> String {
        let seconds = self.started.elapsed().as_secs_f64();
        if done == 0 || seconds <= 0.0 {
            return "starting".to_owned();
        }
        let rate = done as f64 / seconds;
        let left = total.saturating_sub(done) as f64 / rate;
        format!("{rate:.1}/s, {} left", minutes(left))
    }
}

/// `1 h 02 min`, `3 min 20 s`, `7 s`.
fn minutes(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::minutes;

    #[test]
    fn times_read_as_people_say_them() {
        assert_eq!(minutes(7.2), "7 s");
        assert_eq!(minutes(200.0), "3 min 20 s");
        assert_eq!(minutes(3720.0), "1 h 02 min");
    }
}
