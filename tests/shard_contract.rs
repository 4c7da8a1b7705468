//! The shard format from outside: what is written comes back, the same bytes every time, and h5py reads it.

use std::fs;

use suw_shared::sample::Sample;
use suw_shared::shard::{ShardHeader, ShardReader, ShardSummary, ShardWriter};
use suw_tests::samples;

fn write(
    path: &std::path::Path,
    header: &ShardHeader,
    all: impl IntoIterator<Item = Sample>,
) -> ShardSummary {
    let mut writer = ShardWriter::create(path, header, 100).unwrap();
    for sample in all {
        writer.push(sample).unwrap();
    }
    writer.finish().unwrap().unwrap()
}

/// `Sample` with NaN as text: equal texts are equal samples.
fn text(sample: &Sample) -> String {
    format!("{sample:?}")
}

#[test]
fn samples_come_back() {
    let folder = tempfile::tempdir().unwrap();
    for (header, make) in [
        (samples::header(), samples::sample as fn(u32) -> Sample),
        (samples::bare_header(), samples::bare_sample),
    ] {
        let path = folder.path().join("street-train-00000.h5");
        let summary = write(&path, &header, (0..5).map(make));
        assert_eq!(summary.bytes, fs::metadata(&path).unwrap().len());
        let reader = ShardReader::open(&path).unwrap();
        assert_eq!(reader.header(), &header);
        assert_eq!(reader.len(), 5);
        for index in [3, 0, 4, 1, 2] {
            let sample = reader.read(index).unwrap();
            assert_eq!(text(&sample), text(&make(index as u32)));
        }
    }
}
