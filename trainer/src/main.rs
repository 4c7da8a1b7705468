//! Floor 5: the program `suw-trainer`.

use std::process::ExitCode;

fn main() -> ExitCode {
    suw_trainer::cli::run()
}
