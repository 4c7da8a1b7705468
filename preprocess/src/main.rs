//! Floor 5: the program `suw-preprocess`.

use std::process::ExitCode;

fn main() -> ExitCode {
    suw_preprocess::cli::run()
}
