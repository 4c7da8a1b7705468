//! The training half of SUW-Learn: shards to depth networks. In floor order, ground first.

// floor 1: arithmetic
pub mod augment;
pub mod autocast;
pub mod batch;
pub mod bench_batch;
pub mod color_map;
pub mod crc32c;
pub mod depth_bins;
pub mod dims;
pub mod draw;
pub mod example;
pub mod geometry;
pub mod losses;
pub mod metrics;
pub mod networks;
pub mod optim;
pub mod sampler;
pub mod to_device;
pub mod torch_shim;
// floor 2: doors
pub mod bench_dump;
pub mod checkpoint;
pub mod checkpoint_state;
pub mod device;
pub mod eval_csv;
pub mod eval_file;
pub mod initial_weights;
pub mod picture_file;
pub mod picture_list;
pub mod reference_case;
pub mod run_lock;
pub mod run_log;
pub mod shard_list;
pub mod tensorboard;
// floor 3: stages
pub mod conformance;
pub mod device_check;
pub mod steps;
// floor 4: runs
pub mod bench_loader;
pub mod bench_step;
pub mod eval_loop;
pub mod feed;
pub mod median_depth;
pub mod motion_run;
pub mod plan;
pub mod predict_loop;
pub mod prefetch;
pub mod train_loop;
pub mod train_state;
pub mod validation;
// floor 5: command line
pub mod cli;
pub mod commands;
pub mod config;
pub mod config_check;
pub mod config_plan;
pub mod console;
