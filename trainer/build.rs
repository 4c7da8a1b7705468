//! Puts the place and the version of libtorch into the program, so that it starts without environment variables.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

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
    println!("cargo:rustc-env=SUW_LIBTORCH_VERSION={}", version_of(&libtorch));
}

/// `MAJOR.MINOR.PATCH` from libtorch's own header.
fn version_of(lib: &Path) -> String {
    let include = lib.parent().map(|torch| torch.join("include")).unwrap_or_default();
    let places =
        ["torch/headeronly/version.h", "torch/csrc/api/include/torch/version.h", "torch/version.h"];
    let text: String =
        places.iter().filter_map(|place| fs::read_to_string(include.join(place)).ok()).collect();
    let number = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix("#define ")?.strip_prefix(name));
        line.and_then(|rest| rest.trim().parse::<u32>().ok())
    };
    let parts = ["TORCH_VERSION_MAJOR ", "TORCH_VERSION_MINOR ", "TORCH_VERSION_PATCH "];
    match parts.map(number) {
        [Some(major), Some(minor), Some(patch)] => format!("{major}.{minor}.{patch}"),
        _ => "unknown".to_owned(),
    }
}
