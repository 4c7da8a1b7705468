//! Floor 5: `suw-trainer predict`: depth of pictures of any size.

use std::path::PathBuf;
use std::sync::atomic::Ordering;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use suw_shared::exit::{Exit, Failure};
use suw_shared::image_size::ImageSize;

use crate::checkpoint;
use crate::checkpoint_state::CheckpointState;
use crate::color_map::ColorMap;
use crate::commands::damage::as_failure;
use crate::commands::eval::device_of;
use crate::commands::train::stop_on_signals;
use crate::console::{Console, Verbosity};
use crate::picture_file::{ColorRange, PictureError};
use crate::picture_list::pictures_of;
use crate::predict_loop::{Beside, Fit, Numbers, PredictParams, predict_file};
use crate::steps::model::Model;

/// Arguments of `predict`.
#[derive(Args)]
#[command(after_help = "Examples:
  suw-trainer predict --checkpoint runs/demo/best --out depth --npy street.png
  suw-trainer predict --checkpoint runs/demo/best --out depth --side-by-side --sky --semantic masks/drive/semantic frames/

Writes <stem>-color.png (near bright, far dark), <stem>-depth.png (KITTI: 16 bit, metres times 256) and with --npy
<stem>.npy (float32 metres, not clamped), all at the size of the picture. Depth of the hourglass has no unit: its colors
run over what each picture holds, and its numbers can be compared inside one picture only.

A picture that cannot be used is named on standard error and set aside; the others are predicted, and the exit code is 3.")]
pub struct PredictArgs {
    /// Checkpoint folder.
    #[arg(long, value_name = "DIR")]
    pub checkpoint: PathBuf,
    /// Folder of the results.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// How a picture gets into the network.
    #[arg(long, value_enum, default_value = "auto")]
    pub fit: FitWord,
    /// Write `<stem>.npy` too.
    #[arg(long)]
    pub npy: bool,
    /// Colors of depth, near bright and far dark.
    #[arg(long, value_enum, default_value = "magma")]
    pub colormap: ColormapWord,
    /// Write `<stem>-side.png` too: the picture and its colored depth.
    #[arg(long)]
    pub side_by_side: bool,
    /// Give sky no depth (0, gray in colors), as the semantic maps say.
    #[arg(long, requires = "semantic")]
    pub sky: bool,
    /// Folder of semantic maps for `--sky`: `<stem>.png`, 8-bit Cityscapes train ids at the size of the picture, as
    /// `ROOT/<scene>/semantic` of a mask store.
    #[arg(long, value_name = "DIR", requires = "sky")]
    pub semantic: Option<PathBuf>,
    /// `auto`, `cpu` or `cuda:N`.
    #[arg(long, default_value = "auto")]
    pub device: String,
    #[command(flatten)]
    #[allow(missing_docs)] // documented where it is defined
    pub verbosity: Verbosity,
    /// PNG or JPEG pictures, folders of them, or patterns with * and ? in the file name.
    #[arg(required = true, value_name = "IMAGE")]
    pub images: Vec<PathBuf>,
}

/// How a picture gets into the network.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum FitWord {
    /// `pad` where the network was trained on crops at native scale, else `resize`.
    Auto,
    /// Resize to the size the network was trained at.
    Resize,
    /// Keep the scale; repeat the right and lower edge up to what the network needs.
    Pad,
}

/// Color maps.
#[derive(Clone, Copy, Debug, ValueEnum)]
#[allow(missing_docs)] // the names of matplotlib
pub enum ColormapWord {
    Magma,
    Plasma,
    Inferno,
}

/// Predicts and says what was written.
pub fn run(args: &PredictArgs) -> anyhow::Result<Exit> {
    let images = pictures_of(&args.images).map_err(|error| Failure::usage(error.to_string()))?;
    let mut stems: Vec<_> = images.iter().map(|path| path.file_stem()).collect();
    stems.sort_unstable();
    if let Some(same) = stems.windows(2).find(|two| two[0] == two[1]) {
        let stem = same[0].unwrap_or_default();
        return Err(Failure::usage(format!(
            "cannot predict two pictures of one name into {:?}: expected different names, got {stem:?} twice",
            args.out
        ))
        .into());
    }
    let checkpoint = checkpoint::open(&args.checkpoint).map_err(as_failure)?;
    let state = checkpoint.state();
    let model = Model::open_depth(&checkpoint, device_of(&args.device)?).map_err(as_failure)?;
    let params = PredictParams {
        out: args.out.clone(),
        fit: fit_of(args.fit, state),
        numbers: if args.npy { Numbers::Npy } else { Numbers::Off },
        range: model
            .is_metric()
            .then_some(ColorRange { near_m: state.alpha as f32, far_m: state.beta as f32 }),
        colors: match args.colormap {
            ColormapWord::Magma => ColorMap::Magma,
            ColormapWord::Plasma => ColorMap::Plasma,
            ColormapWord::Inferno => ColorMap::Inferno,
        },
        beside: if args.side_by_side { Beside::On } else { Beside::Off },
        sky: args.semantic.clone(),
    };
    let stop = stop_on_signals()?;
    let mut console = Console::new(args.verbosity, "image", 0, images.len() as u64);
    let mut n_set_aside = 0;
    for (number, path) in images.iter().enumerate() {
        if stop.load(Ordering::Relaxed) {
            return Err(Failure::stopped(format!("stopped after {number} images")).into());
        }
        match predict_file(&model, path, &params) {
            Ok(written) => {
                for path in written {
                    println!("{}", path.display());
                }
            }
            // One bad picture says nothing about the others.
            Err(error @ PictureError::Decode { .. }) => {
                console.warn(&error.to_string());
                n_set_aside += 1;
            }
            Err(error) => return Err(error).context(format!("no depth was written for {path:?}")),
        }
        console.advance(number as u64 + 1, String::new);
    }
    console.finish();
    match n_set_aside {
        0 => Ok(Exit::Done),
        n if n == images.len() => bail!("no depth was written: none of {n} pictures can be used"),
        n => {
            console.say(&format!("{n} of {} pictures were set aside", images.len()));
            Ok(Exit::SetAside)
        }
    }
}

fn fit_of(word: FitWord, state: &CheckpointState) -> Fit {
    let resize = Fit::Resize(ImageSize::new(state.width, state.height));
    match word {
        FitWord::Resize => resize,
        FitWord::Pad => Fit::Pad,
        FitWord::Auto if state.scale == [1.0, 1.0] => Fit::Pad,
        FitWord::Auto => resize,
    }
}
