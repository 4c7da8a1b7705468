//! Floor 4: the mask store filled: every frame through each network once, however many clips it belongs to.
//!
//! Workers take the next frame that is missing something; each has sessions of its own, so nothing is shared but the
//! list and the store. What a frame gets does not depend on who works on it or on how many there are. A broken frame
//! becomes a problem and the rest goes on; a store that cannot be written stops the run, and so does a network that
//! does not run: memory that ran out says nothing about the frame.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use suw_shared::exit::{Exit, Failure};
use suw_shared::image_size::ImageSize;
use suw_shared::problem::{Problem, ProblemKind};
use suw_shared::rgb_image::RgbImage;

use crate::decode::{DecodeError, DecodeFault, decode_rgb};
use crate::machine_fault::is_machines;
use crate::mask_store::{MaskStore, Needs, StoreError};
use crate::segmenter::{SegmentError, Segmenters};

/// One frame whose masks are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameRef {
    /// Scene, as in sample keys.
    pub scene: String,
    /// File stem, as in sample keys.
    pub stem: String,
    /// The picture.
    pub image: PathBuf,
    /// The size it must have.
    pub size: ImageSize,
    /// What is wanted of it.
    pub needs: Needs,
}

/// What a run did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FillReport {
    /// Frames that got no masks and why, in the order of the frames.
    pub problems: Vec<Problem>,
    /// Frames that went through a network.
    pub made: usize,
    /// Frames that the store had already.
    pub present: usize,
    /// Whether the run was stopped before the last frame.
    pub stopped: bool,
}

/// Why filling ends early. What was made is kept.
#[derive(Debug, thiserror::Error)]
pub enum FillError {
    /// The store cannot be written, or a picture not be read by this machine now.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A network did not run.
    #[error("cannot make masks of frame {frame:?}: {cause}")]
    Network {
        /// Scene and stem.
        frame: String,
        /// Which model, and the runtime's words.
        cause: SegmentError,
    },
}

impl From<FillError> for Failure {
    fn from(error: FillError) -> Self {
        let message = error.to_string();
        match error {
            FillError::Store(error) => error.into(),
            FillError::Network { .. } => Self {
                exit: Exit::Failed,
                message: format!(
                    "{message}; if memory ran out, take fewer --threads (each masks.intra_threads of them hold both \
                     networks); then run the same command again; the masks made so far are kept"
                ),
            },
        }
    }
}

/// The frames of which the store lacks something. None of them: no library need be loaded, no session opened.
pub fn missing_frames<'a>(store: &MaskStore, frames: &'a [FrameRef]) -> Vec<&'a FrameRef> {
    frames.iter().filter(|frame| !store.has_frame(&frame.scene, &frame.stem, frame.needs)).collect()
}

/// Fills the store, one thread per element of `workers`; `progress` gets the number of missing frames done and their total.
///
/// # Errors
/// If the store cannot be written, this machine has no open files or memory left to read pictures, or a network does not run.
///
/// # Panics
/// If there is no worker but something to do.
pub fn fill_store(
    store: &MaskStore,
    frames: &[FrameRef],
    workers: Vec<Segmenters>,
    stop: &AtomicBool,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<FillReport, FillError> {
    let missing = missing_frames(store, frames);
    let present = frames.len() - missing.len();
    if missing.is_empty() {
        return Ok(FillReport { present, ..FillReport::default() });
    }
    assert!(!workers.is_empty(), "invariant: missing frames need a worker");
    store.prepare()?;
    let next = AtomicUsize::new(0);
    let done = AtomicUsize::new(0);
    let halt = AtomicBool::new(false);
    let failed: Mutex<Option<FillError>> = Mutex::new(None);
    let results: Mutex<Vec<(usize, Option<Problem>)>> = Mutex::new(Vec::new());
    progress(0, missing.len());
    let work = |mut worker: Segmenters| {
        while !stop.load(Ordering::Relaxed) && !halt.load(Ordering::Relaxed) {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(frame) = missing.get(index) else { break };
            match fill_frame(store, frame, &mut worker) {
                Ok(problem) => {
                    results.lock().unwrap_or_else(PoisonError::into_inner).push((index, problem));
                    progress(done.fetch_add(1, Ordering::Relaxed) + 1, missing.len());
                }
                Err(error) => {
                    failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                    halt.store(true, Ordering::Relaxed);
                }
            }
        }
    };
    std::thread::scope(|scope| {
        for worker in workers {
            scope.spawn(|| work(worker));
        }
    });
    if let Some(error) = failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error);
    }
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(index, _)| *index);
    let stopped = results.len() < missing.len();
    let problems: Vec<Problem> = results.into_iter().filter_map(|(_, problem)| problem).collect();
    let made = done.into_inner() - problems.len();
    Ok(FillReport { problems, made, present, stopped })
}

/// Makes what a frame lacks; a problem where that cannot be done.
fn fill_frame(
    store: &MaskStore,
    frame: &FrameRef,
    worker: &mut Segmenters,
) -> Result<Option<Problem>, FillError> {
    let item = format!("{}/{}", frame.scene, frame.stem);
    let image = match load(frame)? {
        Ok(image) => image,
        Err((kind, reason)) => return Ok(Some(Problem { item, kind, reason })),
    };
    let failed = |error: SegmentError| match error {
        SegmentError::Run { .. } => Err(FillError::Network { frame: item.clone(), cause: error }),
        SegmentError::Output { .. } => Ok(Some(Problem {
            item: item.clone(),
            kind: ProblemKind::ModelFailed,
            reason: error.to_string(),
        })),
    };
    let lacks = store.missing(&frame.scene, &frame.stem, frame.needs);
    if lacks.instances {
        match worker.instance.detect(&image) {
            Ok(found) => store.write_instances(&frame.scene, &frame.stem, &found)?,
            Err(error) => return failed(error),
        }
    }
    if lacks.semantic {
        match worker.semantic.segment(&image) {
            Ok(map) => store.write_semantic(&frame.scene, &frame.stem, &map)?,
            Err(error) => return failed(error),
        }
    }
    Ok(None)
}

/// The picture of a frame, or what is wrong with it.
///
/// # Errors
/// If this machine cannot read it now; the picture may be fine.
fn load(frame: &FrameRef) -> Result<Result<RgbImage, (ProblemKind, String)>, StoreError> {
    let image = match decode_rgb(&frame.image) {
        Ok(image) => image,
        Err(DecodeError { path, fault: DecodeFault::Read(source) }) if is_machines(&source) => {
            return Err(StoreError::Picture { path, source });
        }
        Err(error) => return Ok(Err((ProblemKind::ImageUnreadable, error.cause()))),
    };
    if image.size() != frame.size {
        let reason = format!("expected a picture of {}, got {}", frame.size, image.size());
        return Ok(Err((ProblemKind::ImageSize, reason)));
    }
    Ok(Ok(image))
}

#[cfg(test)]
mod tests;
