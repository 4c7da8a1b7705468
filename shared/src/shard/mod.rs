//! Floor 2: placeholder.
