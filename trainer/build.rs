//! Puts the place of libtorch into the program, so that it starts without environment variables.

use std::env;
use std::path::PathBuf;

fn main() {
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    // torch-sys says where it found libtorch; the folder holds `lib`.
    let libtorch = env::var("DEP_TCH_LIBTORCH_LIB").map(PathBuf::from).unwrap_or_default();
    if cfg!(target_os = "linux") {
        // target/<profile>/ for programs, one level deeper for tests and examples.
        for origin in ["$ORIGIN/../../.deps/py/torch/lib", "$ORIGIN/../../../.deps/py/torch/lib"] {
            println!("cargo:rustc-link-arg=-Wl,-rpath,{origin}");
        }
        if !libtorch.as_os_str().is_empty() {
            println!("cargo:rustc-link-arg=-Wl,-rpath,{}", libtorch.display());
        }
        println!("cargo:rustc-link-arg=-Wl,--as-needed");
    }
}
