//! Floor 4: jobs that are worked on a few at a time, so that one computes while another waits for the disk.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

type Ended<R, E> = Result<Vec<Option<R>>, E>;

/// Works on the jobs in their order, at most `lanes` at a time, each on a thread of its own. `None` says that the work
/// was told to stop; after that, as after an error, no job is begun.
///
/// # Errors
/// That which came first.
pub fn in_lanes<J: Sync, R: Send, E: Send>(
    jobs: &[J],
    lanes: usize,
    work: impl Fn(&J) -> Result<Option<R>, E> + Sync,
) -> Result<Vec<Option<R>>, E> {
    let (next, halt) = (AtomicUsize::new(0), AtomicBool::new(false));
    let ended: Mutex<Ended<R, E>> = Mutex::new(Ok(jobs.iter().map(|_| None).collect()));
    let lane = || {
        while !halt.load(Ordering::Relaxed) {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(job) = jobs.get(number) else { return };
            let end = work(job);
            if !matches!(end, Ok(Some(_))) {
                halt.store(true, Ordering::Relaxed);
            }
            let mut ended = ended.lock().unwrap_or_else(PoisonError::into_inner);
            match (&mut *ended, end) {
                (Ok(results), Ok(result)) => results[number] = result,
                (Ok(_), Err(error)) => *ended = Err(error),
                // What fails after that may fail because of it.
                (Err(_), _) => {}
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..lanes.clamp(1, jobs.len().max(1)) {
            scope.spawn(lane);
        }
    });
    ended.into_inner().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::time::Duration;

    use super::*;

    #[test]
    fn results_stand_in_the_order_of_the_jobs() {
        // The first ends last.
        let work = |&job: &u64| {
            thread::sleep(Duration::from_millis(5 * (4 - job)));
            Ok::<_, ()>(Some(10 * job))
        };
        for lanes in [0, 1, 2, 9] {
            let ended = in_lanes(&[0, 1, 2, 3, 4], lanes, work).unwrap();
            assert_eq!(ended, [0, 10, 20, 30, 40].map(Some), "{lanes} lanes");
        }
        assert_eq!(in_lanes(&[], 2, work), Ok(Vec::new()));
    }

    #[test]
    fn two_are_worked_on_at_once() {
        // Each waits for the other.
        let both = Barrier::new(2);
        let ended = in_lanes(&[(), ()], 2, |()| {
            both.wait();
            Ok::<_, ()>(Some(()))
        });
        assert_eq!(ended, Ok(vec![Some(()); 2]));
    }

    #[test]
    fn nothing_is_begun_after_a_stop_or_an_error() {
        let begun = AtomicUsize::new(0);
        let count = |end: Result<Option<u32>, &'static str>| {
            begun.fetch_add(1, Ordering::Relaxed);
            end
        };
        let stopped = in_lanes(&[Some(1), None, Some(3)], 1, |&job| count(Ok(job)));
        assert_eq!(stopped, Ok(vec![Some(1), None, None]));
        let failed = in_lanes(&["a", "b", "c"], 1, |&job| count(Err(job)));
        assert_eq!((failed, begun.into_inner()), (Err("a"), 3));
    }
}
