//! Floor 5: `suw-preprocess doctor`: what is installed.

use clap::Args;
use suw_shared::exit::Exit;

/// Arguments of `doctor`.
#[derive(Args)]
#[command(after_help = "Example: suw-preprocess doctor --json")]
pub struct DoctorArgs {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Prints versions.
pub fn run(args: &DoctorArgs) -> anyhow::Result<Exit> {
    let hdf5 = suw_shared::shard::hdf5_version();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let version = env!("CARGO_PKG_VERSION");
    if args.json {
        println!(
            "{}",
            serde_json::json!({"suw_preprocess": version, "hdf5": hdf5, "threads": threads})
        );
    } else {
        println!("suw-preprocess {version}\nHDF5           {hdf5}\nthreads        {threads}");
    }
    Ok(Exit::Done)
}
