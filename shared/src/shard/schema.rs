//! Floor 2: names, element types and shapes of the objects of a shard. The prose is in FORMAT.md.

use hdf5::types::{CompoundField, CompoundType, FloatSize, IntSize, TypeDescriptor};

use super::header::ShardHeader;

/// Value of the attribute `format`.
pub const FORMAT: &str = "suw-shard";
/// Value of the attribute `version`.
pub const VERSION: u32 = 1;
/// Attributes of the root group, sorted.
pub(crate) const ATTRIBUTES: [&str; 13] = [
    "dataset",
    "depth_source",
    "depth_unit",
    "format",
    "frames",
    "gt_source",
    "height",
    "provenance",
    "samples",
    "split",
    "stride",
    "version",
    "width",
];

/// How many rows a dataset has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rows {
    /// One a sample.
    Samples,
    /// One a sample, and the end.
    Starts,
    /// As many as the last entry of its `_start`.
    Table,
}

/// How a dataset lies in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Storage {
    /// One sample a chunk, as it is.
    RawChunks,
    /// One sample a chunk, shuffled and deflated.
    DeflatedChunks,
    /// One piece.
    Contiguous,
}

/// One dataset of the format.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ObjectSpec {
    pub name: &'static str,
    /// `None` for the key, whose length is the file's own.
    pub element: Option<TypeDescriptor>,
    /// Axes after the first.
    pub tail: Vec<usize>,
    pub rows: Rows,
    pub storage: Storage,
}

impl ObjectSpec {
    /// Elements of one row.
    pub fn row_elements(&self) -> usize {
        self.tail.iter().product()
    }
}

pub(crate) const U8: TypeDescriptor = TypeDescriptor::Unsigned(IntSize::U1);
pub(crate) const U16: TypeDescriptor = TypeDescriptor::Unsigned(IntSize::U2);
pub(crate) const U32: TypeDescriptor = TypeDescriptor::Unsigned(IntSize::U4);
pub(crate) const U64: TypeDescriptor = TypeDescriptor::Unsigned(IntSize::U8);
pub(crate) const I8: TypeDescriptor = TypeDescriptor::Integer(IntSize::U1);
pub(crate) const F32: TypeDescriptor = TypeDescriptor::Float(FloatSize::U4);

/// `/object`.
pub(crate) fn object_row() -> TypeDescriptor {
    packed(&[
        ("sample", U32),
        ("index", U8),
        ("class", U8),
        ("score", TypeDescriptor::FixedArray(Box::new(F32), 3)),
        ("iou_prev", F32),
        ("iou_next", F32),
    ])
}

/// `/pair`.
pub(crate) fn pair_row() -> TypeDescriptor {
    packed(&[
        ("sample", U32),
        ("kind", U8),
        ("origin", U8),
        ("rule", U8),
        ("size", U8),
        ("far_y", U16),
        ("far_x", U16),
        ("near_y", U16),
        ("near_x", U16),
        ("far_class", U8),
        ("near_class", U8),
    ])
}

/// `/gt`.
pub(crate) fn gt_row() -> TypeDescriptor {
    packed(&[("y", U16), ("x", U16), ("depth", F32)])
}

fn packed(fields: &[(&str, TypeDescriptor)]) -> TypeDescriptor {
    let mut size = 0;
    let fields = fields
        .iter()
        .enumerate()
        .map(|(index, (name, ty))| {
            let offset = size;
            size += ty.size();
            CompoundField::new(name, ty.clone(), offset, index)
        })
        .collect();
    TypeDescriptor::Compound(CompoundType { fields, size })
}

/// Every dataset that a shard with this header holds, in the order in which they are made.
pub(crate) fn objects(header: &ShardHeader) -> Vec<ObjectSpec> {
    let (h, w) = (header.size.height as usize, header.size.width as usize);
    let frames = header.frames as usize;
    let mut specs = Vec::new();
    let mut add = |name, element: Option<TypeDescriptor>, tail: &[usize], rows, storage| {
        specs.push(ObjectSpec { name, element, tail: tail.to_vec(), rows, storage });
    };
    use Rows::{Samples, Starts, Table};
    use Storage::{Contiguous, DeflatedChunks, RawChunks};
    let contents = header.contents;
    add("image", Some(U8), &[frames, 3, h, w], Samples, RawChunks);
    if contents.depth {
        add("depth", Some(F32), &[h, w], Samples, DeflatedChunks);
    }
    if contents.semantic {
        add("semantic", Some(U8), &[h, w], Samples, DeflatedChunks);
    }
    if contents.objects {
        add("objects", Some(U8), &[frames, h, w], Samples, DeflatedChunks);
        add("movable", Some(U8), &[h, w], Samples, DeflatedChunks);
    }
    if contents.ordinal {
        add("ordinal", Some(I8), &[h, w], Samples, DeflatedChunks);
    }
    add("key", None, &[], Samples, Contiguous);
    add("native_size", Some(U16), &[2], Samples, Contiguous);
    add("native_window", Some(U16), &[4], Samples, Contiguous);
    if contents.intrinsics {
        add("intrinsics", Some(F32), &[3, 3], Samples, Contiguous);
    }
    if contents.pose {
        add("pose", Some(F32), &[frames - 1, 4, 4], Samples, Contiguous);
    }
    if contents.objects {
        add("object", Some(object_row()), &[], Table, Contiguous);
        add("object_start", Some(U64), &[], Starts, Contiguous);
    }
    if contents.pairs {
        add("pair", Some(pair_row()), &[], Table, Contiguous);
        add("pair_start", Some(U64), &[], Starts, Contiguous);
    }
    if contents.gt {
        add("gt", Some(gt_row()), &[], Table, Contiguous);
        add("gt_start", Some(U64), &[], Starts, Contiguous);
    }
    specs
}

#[cfg(test)]
mod tests {
    use super::super::rows::{GT_BYTES, OBJECT_BYTES, PAIR_BYTES};
    use super::*;

    #[test]
    fn rows_have_the_sizes_of_the_contract() {
        // 4+1+1+3*4+4+4, 4+4*1+4*2+2*1, 2+2+4
        assert_eq!(object_row().size(), OBJECT_BYTES);
        assert_eq!(pair_row().size(), PAIR_BYTES);
        assert_eq!(gt_row().size(), GT_BYTES);
    }
}
