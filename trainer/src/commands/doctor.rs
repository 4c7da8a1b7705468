//! Floor 5: `suw-trainer doctor`: what is installed.

use clap::Args;
use suw_shared::exit::Exit;

use crate::device::load_cuda;

/// Arguments of `doctor`.
#[derive(Args)]
#[command(after_help = "Example: suw-trainer doctor --json")]
pub struct DoctorArgs {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Prints versions.
pub fn run(args: &DoctorArgs) -> anyhow::Result<Exit> {
    let version = env!("CARGO_PKG_VERSION");
    let libtorch = env!("SUW_LIBTORCH_VERSION");
    let cuda = load_cuda();
    let threads = tch::get_num_threads();
    let hdf5 = suw_shared::shard::hdf5_version();
    if args.json {
        let report = serde_json::json!({
            "suw_trainer": version,
            "libtorch": libtorch,
            "cuda": cuda.n_devices > 0,
            "cuda_devices": cuda.n_devices,
            "threads": threads,
            "hdf5": hdf5,
        });
        println!("{report}");
        return Ok(Exit::Done);
    }
    let cuda = match (cuda.n_devices, cuda.cause) {
        (0, None) => "no (libtorch_cuda is installed and sees no device)".to_owned(),
        (0, Some(cause)) => format!("no ({cause})"),
        (n, _) => format!("yes, {n} devices"),
    };
    println!("suw-trainer {version}\nlibtorch    {libtorch}\nCUDA        {cuda}");
    println!("threads     {threads}\nHDF5        {hdf5}");
    Ok(Exit::Done)
}
