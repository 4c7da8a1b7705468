//! Floor 5: `suw-trainer export`: a checkpoint to TorchScript.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use suw_shared::atomic_file;
use suw_shared::exit::Exit;
use suw_shared::image_size::ImageSize;
use tch::Device;

use crate::checkpoint;
use crate::commands::damage::as_failure;
use crate::steps::export::script_of;
use crate::steps::model::Model;

/// Arguments of `export`.
#[derive(Args)]
#[command(after_help = "Example: suw-trainer export --checkpoint runs/demo/best --out depth.pt

In Python: `torch.jit.load(\"depth.pt\")(images)`, with images [N, 3, H, W], RGB in [0, 1], of the size the network was
trained at (printed); it gives depth [N, 1, H, W] in metres, without a unit from the hourglass. Normalization is inside.")]
pub struct ExportArgs {
    /// Checkpoint folder.
    #[arg(long, value_name = "DIR")]
    pub checkpoint: PathBuf,
    /// TorchScript file.
    #[arg(long, value_name = "FILE.pt")]
    pub out: PathBuf,
}

/// Exports and says what the file takes.
pub fn run(args: &ExportArgs) -> anyhow::Result<Exit> {
    let checkpoint = checkpoint::open(&args.checkpoint).map_err(as_failure)?;
    let state = checkpoint.state();
    let size = ImageSize::new(state.width, state.height);
    let mut model = Model::open_depth(&checkpoint, Device::Cpu).map_err(as_failure)?;
    let script = script_of(&mut model, size)
        .with_context(|| format!("cannot export checkpoint {:?}", args.checkpoint))?;
    let cannot = || format!("cannot write {:?}", args.out);
    if let Some(folder) = args.out.parent() {
        std::fs::create_dir_all(folder).with_context(cannot)?;
    }
    let unfinished = atomic_file::unfinished_path(&args.out);
    script.save(&unfinished).with_context(cannot)?;
    atomic_file::publish(&unfinished, &args.out).with_context(cannot)?;
    println!(
        "{}: forward([N, 3, {}, {}]) gives depth of {} at step {}",
        args.out.display(),
        size.height,
        size.width,
        state.network,
        state.step
    );
    Ok(Exit::Done)
}
