//! Floor 4: reader threads that make numbered things ahead of time; they are handed over in the order of their numbers.
//!
//! Thread k of n makes the numbers k, k + n, ... into a bounded queue of its own, so the order never depends on which
//! thread is faster, and memory is bounded. Dropping the receiver ends the threads.

use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How many threads, and how far ahead each may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrefetchParams {
    /// At least 1.
    pub n_threads: usize,
    /// Things that wait ready per thread.
    pub queue: usize,
}

/// The receiving end.
#[derive(Debug)]
pub struct Prefetch<T> {
    receivers: Vec<Receiver<T>>,
    threads: Vec<JoinHandle<()>>,
    next: Range<u64>,
    waited: Duration,
}

/// Starts the threads; `make` is called once for every number in `numbers`.
pub fn prefetch<T: Send + 'static>(
    params: PrefetchParams,
    numbers: Range<u64>,
    make: impl Fn(u64) -> T + Send + Sync + 'static,
) -> Prefetch<T> {
    let make = Arc::new(make);
    let n_threads = params.n_threads.max(1);
    let mut receivers = Vec::new();
    let mut threads = Vec::new();
    for index in 0..n_threads {
        let (sender, receiver) = sync_channel(params.queue);
        let make = Arc::clone(&make);
        let own = numbers.clone().skip(index).step_by(n_threads);
        receivers.push(receiver);
        threads.push(thread::spawn(move || {
            for number in own {
                // A closed queue means that nobody wants more.
                if sender.send(make(number)).is_err() {
                    return;
                }
            }
        }));
    }
    Prefetch { receivers, threads, next: numbers, waited: Duration::ZERO }
}

impl<T> Prefetch<T> {
    /// Time spent waiting since the last call.
    pub fn take_waited(&mut self) -> Duration {
        std::mem::take(&mut self.waited)
    }
}

impl<T> Iterator for Prefetch<T> {
    type Item = T;

    /// The next thing in order; `None` after the last.
    ///
    /// # Panics
    /// If making it panicked.
    fn next(&mut self) -> Option<T> {
        let start = Instant::now();
        self.next.next()?;
        // The threads take turns; the one whose turn it is moves to the end.
        let made = self.receivers[0].recv();
        self.receivers.rotate_left(1);
        self.waited += start.elapsed();
        Some(made.expect("invariant: a reader thread ends only after its last number"))
    }
}

impl<T> Drop for Prefetch<T> {
    fn drop(&mut self) {
        self.receivers.clear();
        for thread in self.threads.drain(..) {
            // A panic of a reader has been seen by `next`, or concerns nobody any more.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn order_does_not_depend_on_the_number_of_threads() {
        for n_threads in [1, 2, 3, 7] {
            let params = PrefetchParams { n_threads, queue: 2 };
            // Every third one is slow.
            let slow = |number: u64| {
                if number.is_multiple_of(3) {
                    thread::sleep(Duration::from_millis(2));
                }
                number * 10
            };
            let got: Vec<u64> = prefetch(params, 4..31, slow).collect();
            assert_eq!(got, (4..31).map(|number| number * 10).collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_queue_is_bounded_and_dropping_ends_the_threads() {
        static MADE: AtomicU64 = AtomicU64::new(0);
        let params = PrefetchParams { n_threads: 2, queue: 3 };
        let mut ahead = prefetch(params, 0..u64::MAX, |number| {
            MADE.fetch_add(1, Ordering::SeqCst);
            number
        });
        assert_eq!(ahead.next(), Some(0));
        drop(ahead);
        // Per thread at most: the queue, one in hand, and one that was taken.
        assert!(MADE.load(Ordering::SeqCst) <= 2 * 5);
    }
}
