//! Floor 4: one shard: frames decoded once each, clips assembled and encoded in parallel, written in order.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;
use suw_shared::counts::Counts;
use suw_shared::manifest::ShardEntry;
use suw_shared::problem::{Problem, ProblemKind};
use suw_shared::shard::{EncodedSample, ShardError, ShardWriter};

use crate::datasets::manifest::{Clip, FrameId};
use crate::detected::FrameMasks;
use crate::mask_store::{MaskError, Needs};
use crate::plan::{Plan, PlannedShard};
use crate::shard_record::ShardRecord;
use crate::stages::assemble::assemble;
use crate::stages::load::{
    Blame, Fault, LoadedFrame, Source, assemble_clip, clip_poses, load_frame, load_target,
};

/// Why a shard is not made.
#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    /// It cannot be written.
    #[error(transparent)]
    Shard(#[from] ShardError),
    /// This machine cannot read an input now. Nothing is set aside for that.
    #[error("cannot read the inputs of {key:?}: {reason}")]
    Machine {
        /// Of the clip.
        key: String,
        /// Which file, and the system's words.
        reason: String,
    },
}

/// Why there is no sample of a clip.
enum NoSample {
    /// It is set aside.
    Aside(Problem),
    /// The run stops.
    Machine(String),
}

/// Clips that are in memory at once, per thread; more only costs memory.
const CLIPS_PER_THREAD: usize = 3;

/// A frame that is in memory: what was read of it, or why it cannot be.
type Frame = Arc<Result<(LoadedFrame, FrameMasks), Fault>>;

/// Makes one shard; `None` when the run was told to stop, with nothing published.
pub fn make_shard(
    plan: &Plan,
    shard: &PlannedShard,
    stop: &AtomicBool,
    progress: &(dyn Fn(usize) + Sync),
) -> Result<Option<ShardRecord>, MakeError> {
    let clips = &plan.clips[shard.clips.clone()];
    let needs = plan.needs(shard.clips.clone());
    let mut writer = ShardWriter::create(&plan.out.join(&shard.file), &plan.header, clips.len())?;
    let mut problems = Vec::new();
    let mut frames: BTreeMap<FrameId, Frame> = BTreeMap::new();
    for batch in clips.chunks(CLIPS_PER_THREAD * rayon::current_num_threads()) {
        if stop.load(Ordering::Relaxed) {
            return Ok(None);
        }
        frames = frames_of(plan, batch, &needs, frames);
        let encoded: Vec<Result<EncodedSample, NoSample>> =
            batch.par_iter().map(|clip| encode_clip(plan, clip, &frames)).collect();
        for (clip, result) in batch.iter().zip(encoded) {
            match result {
                Ok(sample) => writer.push_encoded(sample)?,
                Err(NoSample::Aside(problem)) => problems.push(problem),
                Err(NoSample::Machine(reason)) => {
                    return Err(MakeError::Machine { key: clip.key.to_string(), reason });
                }
            }
        }
        progress(batch.len());
    }
    let summary = writer.finish()?;
    Ok(Some(ShardRecord {
        config_fingerprint: plan.fingerprint.clone(),
        counts: summary.as_ref().map_or_else(Counts::default, |summary| summary.counts),
        entry: summary.map(|summary| ShardEntry {
            blake3: summary.blake3,
            bytes: summary.bytes,
            file: summary.file,
            samples: summary.samples,
        }),
        problems,
    }))
}

/// The frames of a batch; those that the last batch had are kept, the rest is read in parallel.
fn frames_of(
    plan: &Plan,
    batch: &[Clip],
    needs: &BTreeMap<FrameId, Needs>,
    mut before: BTreeMap<FrameId, Frame>,
) -> BTreeMap<FrameId, Frame> {
    let mut wanted: Vec<FrameId> = batch.iter().flat_map(|clip| clip.frames.clone()).collect();
    wanted.sort_unstable();
    wanted.dedup();
    let kept: Vec<(FrameId, Option<Frame>)> =
        wanted.into_iter().map(|frame| (frame, before.remove(&frame))).collect();
    kept.into_par_iter()
        .map(|(frame, kept)| {
            let needs = needs.get(&frame).copied().unwrap_or(Needs::BOTH);
            (frame, kept.unwrap_or_else(|| Arc::new(read_frame(plan, frame, needs))))
        })
        .collect()
}

fn read_frame(
    plan: &Plan,
    frame: FrameId,
    needs: Needs,
) -> Result<(LoadedFrame, FrameMasks), Fault> {
    let loaded = load_frame(source(plan), frame, &plan.load)?;
    let Some(store) = &plan.store else {
        return Ok((loaded, FrameMasks { detections: Vec::new(), semantic: None }));
    };
    let (scene, stem) = plan.manifest.frame_name(frame);
    let masks =
        store.read_frame(scene, stem, loaded.native_size, needs).map_err(|error| Fault {
            blame: match &error {
                MaskError::Machine { .. } => Blame::Machine,
                MaskError::Missing { .. } | MaskError::Unreadable { .. } => Blame::Input,
            },
            kind: error.kind(),
            reason: error.to_string(),
        })?;
    Ok((loaded, masks))
}

fn encode_clip(
    plan: &Plan,
    clip: &Clip,
    frames: &BTreeMap<FrameId, Frame>,
) -> Result<EncodedSample, NoSample> {
    let fault = |fault: Fault| match fault.blame {
        Blame::Input => NoSample::Aside(fault.of(&clip.key)),
        Blame::Machine => NoSample::Machine(fault.reason),
    };
    let mut parts = Vec::with_capacity(clip.frames.len());
    for frame in &clip.frames {
        parts.push(frames[frame].as_ref().as_ref().map_err(|e| fault(e.clone()))?);
    }
    let images: Vec<&LoadedFrame> = parts.iter().map(|(image, _)| image).collect();
    let masks: Vec<&FrameMasks> = parts.iter().map(|(_, masks)| masks).collect();
    let target = load_target(source(plan), clip.target(), &plan.load).map_err(fault)?;
    let pose = clip_poses(&plan.manifest, clip);
    let loaded = assemble_clip(&images, target, pose).map_err(fault)?;
    let sample =
        assemble(clip.key.clone(), loaded, &masks, &plan.assemble).map_err(NoSample::Aside)?;
    EncodedSample::new(sample, &plan.header).map_err(|error| {
        NoSample::Aside(Problem {
            kind: ProblemKind::SampleInvalid,
            item: clip.key.as_str().to_owned(),
            reason: error.to_string(),
        })
    })
}

fn source(plan: &Plan) -> Source<'_> {
    Source { manifest: &plan.manifest, root: &plan.root }
}
