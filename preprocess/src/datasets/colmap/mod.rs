//! Floor 2: COLMAP dense workspaces: cameras, poses, sparse points, depth maps.
//!
//! ```text
//! WORKSPACE/images/<name>                                    undistorted pictures
//! WORKSPACE/sparse/{cameras,images,points3D}.{bin,txt}       of those pictures; .bin wins
//! WORKSPACE/stereo/depth_maps/<name>.geometric.bin           w&h&c& and little-endian f32, row by row
//! ```
//!
//! COLMAP's pixel centers lie at half integers; here cameras have centers at integers: `cx - 0.5`.

pub mod binary;
pub mod depth_map;
pub mod model;
pub mod text;

use std::path::Path;

use self::model::Model;

/// The folder of the sparse model.
const SPARSE: &str = "sparse";

/// Where the depth map of a picture lies in a workspace.
pub fn depth_map_path(name: &str) -> String {
    format!("stereo/depth_maps/{name}.geometric.bin")
}

/// Names of the three files of the sparse model, relative to the workspace.
pub fn model_files(workspace: &Path) -> [String; 3] {
    let end = if workspace.join(SPARSE).join("images.bin").is_file() { "bin" } else { "txt" };
    ["cameras", "images", "points3D"].map(|name| format!("{SPARSE}/{name}.{end}"))
}

/// The sparse model of a workspace.
///
/// # Errors
/// Which file, and what is wrong with it.
pub fn read_model(workspace: &Path) -> Result<Model, String> {
    let files = model_files(workspace);
    let is_text = files[0].ends_with(".txt");
    let read = |name: &String| {
        std::fs::read(workspace.join(name)).map_err(|error| format!("{name}: {error}"))
    };
    let [cameras, images, points] = [read(&files[0])?, read(&files[1])?, read(&files[2])?];
    let of = |at: usize| {
        let name = files[at].clone();
        move |reason: String| format!("{name}: {reason}")
    };
    let text = |at: usize, bytes: Vec<u8>| {
        String::from_utf8(bytes).map_err(|_| of(at)("expected a text, got other bytes".to_owned()))
    };
    let (cameras, images, points) = if is_text {
        (
            text::cameras(&text(0, cameras)?).map_err(of(0))?,
            text::images(&text(1, images)?).map_err(of(1))?,
            text::points(&text(2, points)?).map_err(of(2))?,
        )
    } else {
        (
            binary::cameras(&cameras).map_err(of(0))?,
            binary::images(&images).map_err(of(1))?,
            binary::points(&points).map_err(of(2))?,
        )
    };
    Model::new(cameras, images, points)
}

#[cfg(test)]
mod tests;
