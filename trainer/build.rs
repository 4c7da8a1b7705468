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
    compile_shim(&libtorch);
}

/// The C++ of `shim/`: what the trainer needs of libtorch and tch does not offer.
fn compile_shim(lib: &Path) {
    println!("cargo:rerun-if-changed=shim");
    let include = lib.parent().map(|torch| torch.join("include")).unwrap_or_default();
    let cpp = || {
        let mut build = cc::Build::new();
        build.cpp(true).std("c++17").opt_level(3).flag_if_supported("-Wno-psabi");
        build
    };
    cpp().flag_if_supported("-fno-math-errno").file("shim/kernels.cpp").compile("suw_kernels");
    if env::var("CARGO_CFG_TARGET_ARCH").as_deref() == Ok("x86_64") {
        // The same once more for CPUs with AVX2; the shim asks which it is when the program runs.
        let mut build = cpp();
        build.flag_if_supported("-fno-math-errno").flag("-mavx2").flag("-mfma");
        build.define("SUW_AVX2", None).file("shim/kernels.cpp").compile("suw_kernels_avx2");
    }
    // The same flags as torch-sys: one C++ library, one set of types.
    cpp()
        .opt_level(2)
        .warnings(false)
        .include(&include)
        .include(include.join("torch/csrc/api/include"))
        .define("_GLIBCXX_USE_CXX11_ABI", "1")
        .define("GLOG_USE_GLOG_EXPORT", None)
        .file("shim/shim.cpp")
        .compile("suw_shim");
    // The shim names libtorch itself; tch's own link line has these too, but perhaps before it.
    println!("cargo:rustc-link-search=native={}", lib.display());
    println!("cargo:rustc-link-lib=torch_cpu");
    println!("cargo:rustc-link-lib=c10");
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
