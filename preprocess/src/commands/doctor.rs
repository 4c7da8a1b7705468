//! Floor 5: `suw-preprocess doctor`: what is installed, and whether it works.

use clap::Args;
use serde_json::json;
use suw_shared::exit::{Exit, Failure};

use crate::onnx::Runtime;

/// Arguments of `doctor`.
#[derive(Args)]
#[command(after_help = "Example: suw-preprocess doctor --json")]
pub struct DoctorArgs {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Prints versions, execution providers and threads.
pub fn run(args: &DoctorArgs) -> anyhow::Result<Exit> {
    let hdf5 = suw_shared::shard::hdf5_version();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let version = env!("CARGO_PKG_VERSION");
    let runtime = Runtime::load().map_err(Failure::from)?;
    let library = runtime.library().display().to_string();
    let providers = runtime.providers();
    if args.json {
        let answer = json!({
            "suw_preprocess": version, "hdf5": hdf5, "onnxruntime": runtime.build_info(),
            "onnxruntime_library": library, "providers": providers, "threads": threads,
        });
        println!("{answer}");
    } else {
        println!("suw-preprocess  {version}");
        println!("HDF5            {hdf5}");
        println!("ONNX Runtime    {}", runtime.build_info());
        println!("                {library}");
        println!("providers       {}", providers.join(", "));
        println!("threads         {threads}");
    }
    Ok(Exit::Done)
}
